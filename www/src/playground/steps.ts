// A recording's steps, in words.
import type { Asker, BecauseCode, StepTold, WhatCode } from 'shelfmq/recording';
import { routeOf } from 'shelfmq/routes';

import type { Told } from '../broker/play.js';
import type { Seen } from './flows.js';

/**
 * Whether something happens here that somebody would ask about: not what the broker does to keep it, and no looks. What
 * leads nowhere is a mistake, which is seen.
 */
export function matters({ kind, by }: StepTold): boolean {
  if (kind === 'timeout' || kind === 'hang-up' || kind === 'shutdown') return true;
  return kind === 'request' && !routeOf(by?.method ?? 'GET', by?.path ?? '/')?.looks;
}

/** Steps that matter, each with what follows it up to the next one: a publish is there once it is written. */
export function groups(steps: readonly StepTold[]): StepTold[][] {
  const out: StepTold[][] = [];
  for (const step of steps) {
    if (matters(step)) out.push([step]);
    else out.at(-1)?.push(step);
  }
  return out;
}

/** What moves messages in the picture, of what happens to them: who dies was given back, too, or not settled in time. */
const MOVES: { [code in WhatCode | BecauseCode]?: Seen['kind'] } = {
  published: 'published',
  finished: 'finished',
  requeued: 'requeued',
  timed_out: 'timed_out',
  lease_ran_out: 'timed_out',
  died: 'dead',
  redriven: 'redriven',
};

/** What moved in these steps. */
export function movedIn(steps: readonly StepTold[]): Seen[] {
  return steps.flatMap(({ handed, happened }) => [
    ...handed.map(({ topic, channel, to, count, messages }) => ({
      kind: 'delivered' as const,
      topic,
      channel,
      ...(to.client ? { client: to.client } : {}),
      count,
      ids: messages.map(({ id }) => id),
    })),
    ...happened.flatMap(({ code, because_code, ...what }) =>
      [because_code, code].flatMap((code) => {
        const kind = code && MOVES[code];
        return kind === undefined ? [] : [{ kind, ...what }];
      }),
    ),
  ]);
}

/** Parameters that stand elsewhere in a line, or say how somebody asks, not what for. */
const MANNERS = new Set(['topic', 'channel', 'wait', 'format', 'max', 'client', 'fin', 'receipt']);

/** As `POST /pub orders key=a`, `GET /sub orders/billing`. */
function request({ method = 'GET', path = '', query = '' }: Asker): string {
  const params = new URLSearchParams(query);
  const place = [params.get('topic'), params.get('channel')].filter(Boolean).join('/');
  const more = [...params].filter(([name]) => !MANNERS.has(name)).map(([name, value]) => `${name}=${value}`);
  return [method, path, place, ...more].filter((part) => part !== '').join(' ');
}

/** What is said in words. */
export interface Words {
  /** What happens without a request. */
  kinds: Record<string, string>;
  handed(count: number, who: string): string;
  request(ticket: number): string;
}

export const ENGLISH: Words = {
  kinds: {},
  handed: (count, who) => `→ ${count} to ${who}`,
  request: (ticket) => `request ${ticket}`,
};

/** Whom messages were handed to, as `→ 3 to slow-1`. */
function handed({ to, count }: StepTold['handed'][number], words: Words): string {
  return words.handed(count, to.client || to.peer || words.request(to.ticket));
}

/** What a group is told as. */
export function toldOf(group: readonly StepTold[]): Told {
  return { step: group.at(-1)!.step, at: group[0]!.at, text: lineOf(group, ENGLISH), detail: group };
}

/** One line for a group: what was asked and answered, and what was handed out. */
export function lineOf(group: readonly StepTold[], words: Words): string {
  const head = group[0]!;
  const parts: string[] = [];
  if (head.kind === 'request' && head.by) parts.push(request(head.by));
  else parts.push(words.kinds[head.kind] ?? head.kind, head.topic ?? '');
  const out = group.flatMap((step) => step.handed);
  // What comes of a poll is what was handed out; of other requests it is the answer.
  const polls = head.by?.path === '/sub' && out.length > 0;
  const answers = group.flatMap((step) => step.told);
  for (const told of polls ? [] : answers) {
    if ((told.kind !== 'respond' && told.kind !== 'open') || told.to.ticket !== head.by?.ticket) continue;
    const short = told.body !== undefined && told.body.length <= 60 && !/[\n\r]/.test(told.body);
    parts.push(`→ ${told.status}${short && told.body ? ` ${told.body}` : ''}`);
  }
  parts.push(...out.map((one) => handed(one, words)));
  return parts.filter((part) => part !== '').join(' ');
}
