// What is known of the message under the pointer, or of the one that has the focus.
import { computed, signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';

import { duration } from '../app/texts.js';
import type { Message, State } from '../broker/api.js';
import { left } from './clock.js';
import style from './picture.module.css';
import { bytesIn, type Sized } from './size.js';
import { words } from './words.js';

export const TIP = 'picture-tip';

interface Shown {
  message: Message;
  state: State;
  of: HTMLElement;
  at: DOMRect;
}

const shown = signal<Shown | undefined>(undefined);

/** Which message is told about. */
export const told = computed(() => shown.value?.message.id);

export function showTip(message: Message, state: State, of: HTMLElement): void {
  shown.value = { message, state, of, at: of.getBoundingClientRect() };
}

export function hideTip(): void {
  shown.value = undefined;
}

/** What this element stands for is another message now, or knows more; without one, it is gone. */
export function changeTip(of: HTMLElement | null, message?: Message, state?: State): void {
  if (of === null || shown.peek()?.of !== of) return;
  if (message && state) showTip(message, state, of);
  else hideTip();
}

/** A body as text; what is no text is told by its size. */
export function bodyText({ body, body_base64, absent, size }: Sized): string {
  if (absent) return words().absentBody;
  if (body_base64 !== undefined) return words().binary(size ?? bytesIn(body_base64));
  return body === undefined || body === '' ? words().emptyBody : body;
}

export function Tip() {
  const element = useRef<HTMLDivElement>(null);
  const tip = shown.value;
  useEffect(() => {
    const box = element.current;
    if (!box || !tip) return;
    if (!box.matches(':popover-open')) box.showPopover();
    const { width, height } = box.getBoundingClientRect();
    const below = tip.at.bottom + 8 + height < innerHeight;
    box.style.left = `${Math.max(8, Math.min(innerWidth - width - 8, tip.at.left + tip.at.width / 2 - width / 2))}px`;
    box.style.top = `${below ? tip.at.bottom + 8 : Math.max(8, tip.at.top - height - 8)}px`;
  }, [tip]);
  useEffect(() => {
    const escape = (event: KeyboardEvent) => event.key === 'Escape' && hideTip();
    addEventListener('keydown', escape);
    addEventListener('scroll', hideTip, true);
    return () => {
      removeEventListener('keydown', escape);
      removeEventListener('scroll', hideTip, true);
      hideTip();
    };
  }, []);
  if (!tip) return null;
  const { message, state } = tip;
  const rows: [string, string][] = [[words().state, words().states[state]]];
  if (message.until !== undefined && (state === 'in_flight' || state === 'deferred')) {
    const rest = left(message.until);
    const time = rest === 0 ? words().now : words().inTime(duration(rest));
    rows.push([state === 'deferred' ? words().due : words().leaseEnds, time]);
  }
  rows.push([words().attempts, String(message.attempts)]);
  if (message.key !== undefined) rows.push([words().key, message.key]);
  rows.push([words().publishedAt, new Date(message.timestamp / 1e6).toLocaleTimeString()]);
  for (const [name, value] of Object.entries(message.headers ?? {})) rows.push([name, value]);
  return (
    <div ref={element} popover="manual" role="tooltip" id={TIP} class={style['tip']}>
      <code class={style['tipId']}>{message.id}</code>
      <pre>{bodyText(message).slice(0, 400)}</pre>
      <dl>
        {rows.map(([name, value]) => (
          <>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </>
        ))}
      </dl>
    </div>
  );
}
