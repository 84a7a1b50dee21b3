// A recording's steps, in words.
import type { Asker, StepTold } from 'shelfmq/recording';

import type { Told } from '../broker/play.js';
import type { Seen } from './flows.js';
import { looks } from './host/looks.js';

/** Whether something happens here that somebody would ask about: not what the broker does to keep it, and no looks. */
export function matters({ kind, by }: StepTold): boolean {
  if (kind === 'timeout' || kind === 'hang-up' || kind === 'shutdown') return true;
  return kind === 'request' && !looks(by?.method ?? 'GET', by?.path ?? '/');
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

/** What was handed out in these steps. */
export function handedIn(steps: readonly StepTold[]): Seen[] {
  return steps.flatMap(({ handed }) =>
    handed.map(({ topic, channel, to, count, messages }) => ({
      kind: 'delivered' as const,
      topic,
      channel,
      ...(to.client ? { client: to.client } : {}),
      count,
      ids: messages.map(({ id }) => id),
    })),
  );
}

function request({ method = 'GET', path = '', query, client }: Asker): string {
  const asked = query ? `${path}?${query}` : path;
  return `${client && !asked.includes('client=') ? `${client}: ` : ''}${method} ${asked}`;
}

/** One line for a group: what was asked and answered, and what was handed out. */
export function toldOf(group: readonly StepTold[]): Told {
  const [head, last] = [group[0]!, group.at(-1)!];
  const parts: string[] = [];
  if (head.kind === 'request' && head.by) parts.push(request(head.by));
  else parts.push(head.topic === undefined ? head.kind : `${head.kind} (${head.topic})`);
  for (const step of group) {
    for (const told of step.told) {
      if ((told.kind === 'respond' || told.kind === 'open') && told.to.ticket === head.by?.ticket) {
        const short = told.body !== undefined && told.body.length <= 40 && !/[\n\r]/.test(told.body);
        parts.push(`→ ${told.status}${short && told.body ? ` ${told.body}` : ''}`);
      }
    }
    for (const { topic, channel, to, count } of step.handed) {
      const who = to.client ? ` to ${to.client}` : '';
      parts.push(`⇢ ${count} of ${topic}/${channel}${who}`);
    }
  }
  return { step: last.step, at: head.at, text: parts.join(' '), detail: group };
}
