// Edges that can be moved: of the panel beside, and of the terminal below. How large these are is remembered.
import { signal, useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';

import style from './Splitter.module.css';

type Part = 'side' | 'terminal';
/** In parts of the whole; what is not there is as large as the page thinks best. */
type Sizes = Partial<Record<Part, number>>;

const KEY = 'shelfmq.playground.sizes';
const [LEAST, MOST] = [0.15, 0.6];
/** An arrow moves it so far. */
const STEP = 0.02;

const sizes = signal(kept());

function kept(): Sizes {
  try {
    const { side, terminal } = JSON.parse(localStorage.getItem(KEY) ?? '{}') as Record<string, unknown>;
    return { ...(isSize(side) ? { side } : {}), ...(isSize(terminal) ? { terminal } : {}) };
  } catch {
    return {};
  }
}

function isSize(value: unknown): value is number {
  return typeof value === 'number' && value >= LEAST && value <= MOST;
}

function resize(part: Part, size: number | undefined): void {
  const { [part]: _, ...others } = sizes.value;
  sizes.value = size === undefined ? others : { ...others, [part]: Math.min(MOST, Math.max(LEAST, size)) };
  localStorage.setItem(KEY, JSON.stringify(sizes.value));
}

/** For the element that all parts are in. */
export function sizesStyle(): Record<string, string> {
  return Object.fromEntries(Object.entries(sizes.value).map(([part, size]) => [`--${part}`, `${(size * 100).toFixed(2)}%`]));
}

/** The edge of the element that it is put into: the one towards what else shares the room. */
export function Splitter({ part, label }: { part: Part; label: string }) {
  const element = useRef<HTMLDivElement>(null);
  const now = useSignal(0);
  const isSide = part === 'side';
  const whole = () => element.current!.parentElement!.parentElement!.getBoundingClientRect();
  useEffect(() => {
    const own = element.current!.parentElement!;
    const sized = new ResizeObserver(() => {
      // It is also told when the panel goes.
      if (!element.current) return;
      const { width, height } = own.getBoundingClientRect();
      now.value = isSide ? width / whole().width : height / whole().height;
    });
    sized.observe(own);
    return () => sized.disconnect();
  }, []);
  const follow = (event: PointerEvent) => {
    if (!element.current!.hasPointerCapture(event.pointerId)) return;
    const { right, bottom, width, height } = whole();
    resize(part, isSide ? (right - event.clientX) / width : (bottom - event.clientY) / height);
  };
  const keys = (event: KeyboardEvent) => {
    const [more, less] = isSide ? ['ArrowLeft', 'ArrowRight'] : ['ArrowUp', 'ArrowDown'];
    const to = { [more!]: now.value + STEP, [less!]: now.value - STEP, Home: LEAST, End: MOST, Enter: undefined };
    if (!(event.key in to)) return;
    event.preventDefault();
    // Elsewhere, arrows step through time.
    event.stopPropagation();
    resize(part, to[event.key]);
  };
  return (
    <div
      ref={element}
      class={style['splitter']}
      role="separator"
      tabIndex={0}
      aria-label={label}
      aria-orientation={isSide ? 'vertical' : 'horizontal'}
      aria-valuenow={Math.round(now.value * 100)}
      aria-valuemin={LEAST * 100}
      aria-valuemax={MOST * 100}
      onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
      onPointerMove={follow}
      onDblClick={() => resize(part, undefined)}
      onKeyDown={keys}
    />
  );
}
