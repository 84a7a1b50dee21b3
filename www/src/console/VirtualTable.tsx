import type { ComponentChildren, RefObject } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

import style from './VirtualTable.module.css';

/** All rows are that high, px; the style sheet says the same. */
const ROW = 44;
/** Rows that are drawn beyond each edge, so that scrolling finds them there. */
const BEYOND = 12;

interface Props {
  label: string;
  /** Where it is scrolled to; kept by whoever wants to come back. */
  place: { top: number };
  /** Which rows they are, and in which order. */
  order: string;
  /** Rows in all, the head not counted. */
  count: number;
  head: ComponentChildren;
  /** The cells of a row. */
  row(index: number): ComponentChildren;
  /** Which rows are drawn now. */
  onRange(first: number, last: number): void;
}

/**
 * A table of any number of rows that draws only those in sight. The arrow keys, Page Up, Page Down, Home and End go
 * from row to row by their first links.
 */
export function VirtualTable({ label, place, order, count, head, row, onRange }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [first, setFirst] = useState(Math.floor(place.top / ROW));
  const [fitting, setFitting] = useState(20);
  const from = Math.max(0, Math.min(first, count - fitting) - BEYOND);
  const to = Math.min(count, first + fitting + BEYOND);

  const look = () => {
    place.top = box.current?.scrollTop ?? 0;
    setFirst(Math.floor(place.top / ROW));
  };
  useLayoutEffect(() => box.current!.scrollTo(0, place.top), []);
  const shownOrder = useRef(order);
  useLayoutEffect(() => {
    // Another order begins at its beginning.
    if (shownOrder.current !== order) box.current!.scrollTo(0, 0);
    shownOrder.current = order;
  }, [order]);
  useEffect(() => {
    const element = box.current!;
    const watcher = new ResizeObserver(() => setFitting(Math.ceil(element.clientHeight / ROW)));
    watcher.observe(element);
    return () => watcher.disconnect();
  }, []);
  useEffect(() => onRange(from, to), [from, to]);
  const onKeyDown = useRowKeys(box, count, fitting, look);
  const rows = Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
  return (
    <div ref={box} class={`${style['box']} card`} onScroll={look} onKeyDown={onKeyDown}>
      <table aria-label={label} aria-rowcount={count + 1}>
        <thead>
          <tr aria-rowindex={1}>{head}</tr>
        </thead>
        <tbody>
          {from > 0 && <tr aria-hidden="true" class={style['space']} style={{ height: `${from * ROW}px` }} />}
          {rows.map((index) => (
            <tr key={index} data-row={index} aria-rowindex={index + 2}>
              {row(index)}
            </tr>
          ))}
          {to < count && <tr aria-hidden="true" class={style['space']} style={{ height: `${(count - to) * ROW}px` }} />}
        </tbody>
      </table>
    </div>
  );
}

/** Keys that go from row to row; answers what handles them. */
function useRowKeys(box: RefObject<HTMLDivElement | null>, count: number, fitting: number, look: () => void) {
  const wanted = useRef<number>(undefined);
  const focus = () => {
    if (wanted.current === undefined) return;
    // Who went elsewhere meanwhile is not called back.
    const { activeElement, body } = document;
    if (activeElement !== body && box.current?.contains(activeElement) === false) wanted.current = undefined;
    const link = box.current?.querySelector<HTMLElement>(`[data-row="${wanted.current}"] a`);
    if (!link) return;
    link.focus({ preventScroll: true });
    wanted.current = undefined;
  };
  // A row that was not in sight is drawn first, and known later still.
  useLayoutEffect(focus);

  const goTo = (index: number) => {
    const element = box.current!;
    wanted.current = Math.max(0, Math.min(count - 1, index));
    const top = wanted.current * ROW;
    const room = element.clientHeight - 2 * ROW;
    element.scrollTop = Math.max(top - room, Math.min(element.scrollTop, top));
    look();
    focus();
  };
  return (event: KeyboardEvent) => {
    const at = (event.target as HTMLElement).closest<HTMLElement>('[data-row]')?.dataset['row'];
    if (at === undefined) return;
    const page = Math.max(1, fitting - 2);
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -count, End: count };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    goTo(Number(at) + step);
  };
}
