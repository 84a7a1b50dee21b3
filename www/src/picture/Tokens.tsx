// The messages on a shelf. One of them can be reached by the tab key, the others from there by arrows.
import { computed } from '@preact/signals';
import { useEffect, useMemo, useRef } from 'preact/hooks';

import type { Message } from '../broker/api.js';
import { left, short } from './clock.js';
import { type More, type Shelf, type Token, placed } from './nodes.js';
import style from './picture.module.css';
import { selected } from './selected.js';
import { TIP, bodyText, changeTip, hideTip, showTip, told } from './tip.js';
import { words } from './words.js';

interface Props {
  shelf: Shelf;
  topic: string;
  channel?: string;
  /** Small blocks, without text. */
  small: boolean;
  /** So much goes on that places stand still and what is on them changes, instead of the other way round. */
  busy: boolean;
  label: string;
}

/** Some colour for each key, always the same. */
export function keyColour(key: string): string {
  let hash = 7;
  for (const letter of key) hash = (hash * 31 + letter.codePointAt(0)!) % 3_600;
  return `hsl(${(hash * 47) % 360} 62% 50%)`;
}

export function move(event: KeyboardEvent): void {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (step === undefined) return;
  // Also at either end: elsewhere these keys are for time.
  event.preventDefault();
  // In the order that is seen, whatever the order of the document is.
  const all = [...(event.currentTarget as HTMLElement).querySelectorAll('button')];
  const places = new Map(all.map((one) => [one, one.getBoundingClientRect()]));
  all.sort((a, b) => {
    const [one, other] = [places.get(a)!, places.get(b)!];
    return one.top - other.top || one.left - other.left;
  });
  all[all.indexOf(event.target as HTMLButtonElement) + step]?.focus();
}

export function Tokens({ shelf, topic, channel, small, busy, label }: Props) {
  return (
    <div role="group" aria-label={label} class={style['tokens']} onKeyDown={move}>
      {shelf.tokens.map((token, i) => (
        <One
          key={busy ? i : token.message.id}
          token={token}
          at={channel === undefined ? { topic } : { topic, channel }}
          small={small}
          busy={busy}
          first={i === 0}
        />
      ))}
      {shelf.more.map((more) => (
        <Rest key={more.state} more={more} />
      ))}
    </div>
  );
}

function Rest({ more: { x, y, w, h, state, count } }: { more: More }) {
  return (
    <span class={style['more']} data-state={state} data-side={state === 'ready' ? 'end' : 'start'} style={placed({ x, y, w, h })} title={words().moreOf(count, words().states[state])}>
      {count > 9_999 ? `+${Math.round(count / 1_000)}k` : words().more(count)}
    </span>
  );
}

interface OneProps {
  token: Token;
  at: { topic: string; channel?: string };
  small: boolean;
  busy: boolean;
  first: boolean;
}

function One({ token, at, small, busy, first }: OneProps) {
  const { message, state, x, y, w, h } = token;
  const { id, key, attempts } = message;
  const element = useRef<HTMLButtonElement>(null);
  useEffect(() => changeTip(element.current, message, state), [message, state]);
  useEffect(() => {
    const own = element.current;
    return () => changeTip(own);
  }, []);
  const chosen = selected.value?.id === id && selected.value.topic === at.topic;
  return (
    <button
      ref={element}
      type="button"
      class={style['token']}
      data-state={state}
      data-small={small || undefined}
      data-busy={busy || undefined}
      data-id={id}
      style={{ transform: `translate(${x}px, ${y}px)`, width: `${w}px`, height: `${h}px` }}
      tabIndex={first ? 0 : -1}
      aria-describedby={told.value === id ? TIP : undefined}
      aria-pressed={chosen}
      onClick={() => (selected.value = { ...at, id })}
      onPointerEnter={(event) => showTip(message, state, event.currentTarget)}
      onPointerLeave={hideTip}
      onFocus={(event) => event.currentTarget.matches(':focus-visible') && showTip(message, state, event.currentTarget)}
      onBlur={hideTip}
    >
      <span class="sr-only">{words().message(bodyText(message).slice(0, 40), id, words().states[state])}</span>
      {!small && <Face token={token} />}
      {key !== undefined && <i class={style['key']} style={{ background: keyColour(key) }} />}
      {!small && attempts > 1 && <b class={style['attempts']} aria-hidden="true">×{attempts}</b>}
    </button>
  );
}

/** What fits on a message: of an object in JSON the first value, for they all begin with the same name. */
export function faceText(message: Message): string {
  const text = bodyText(message);
  const [, value] = /^\s*\{\s*"[^"]*"\s*:\s*"?([^\s",{}[\]][^",{}[\]]*)/.exec(text.slice(0, 200)) ?? [];
  return (value ?? text).slice(0, 9);
}

function Face({ token: { message, state, lease } }: { token: Token }) {
  const { until } = message;
  const text = faceText(message);
  const timed = until !== undefined && (state === 'in_flight' || state === 'deferred');
  const time = useMemo(() => computed(() => (until === undefined ? '' : short(left(until)))), [until]);
  // A message that was not seen before begins with a full ring where nobody says how long its time is.
  const whole = useMemo(() => Math.max(lease ?? 0, until === undefined ? 1 : left(until)), [until, lease]);
  const ring = useMemo(() => computed(() => `--left: ${until === undefined ? 0 : Math.round((left(until) / whole) * 100)}%`), [until, whole]);
  if (!timed) return <span class={style['text']} aria-hidden="true">{text}</span>;
  return (
    <span class={style['timed']} aria-hidden="true">
      <span>{text}</span>
      <small>
        <i class={style['ring']} style={ring} />
        {time}
      </small>
    </span>
  );
}
