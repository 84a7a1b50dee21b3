// What may be done here. A server says it when it is asked: what it refused once is not offered again to the same token.
import { effect, signal } from '@preact/signals';

import { ApiError } from '../broker/fetch.js';
import { token, type Session } from '../broker/session.js';
import { sentence } from '../ui/errors.js';
import { tell } from '../ui/toast.js';
import { texts } from '../app/texts.js';

export const KINDS = ['publish', 'create', 'configure', 'pause', 'empty', 'delete', 'seek', 'redrive', 'drop'] as const;
/** A kind of action that changes something. */
export type Kind = (typeof KINDS)[number];

const t = texts(
  {
    past: 'You are looking at a moment of the past: nothing can be changed there.',
    refused: (why: string) => `This token may not do that: ${why}`,
  },
  {
    past: '您正在查看过去的某一时刻，那里的内容不能更改。',
    refused: (why) => `此令牌无权执行该操作：${why}`,
  },
);

/** `kind topic`, with what the server said. */
const refused = signal<ReadonlyMap<string, string>>(new Map());
effect(() => {
  void token.value;
  refused.value = new Map();
});

/** What was refused, and for which topics. */
export function refusals(): { kind: Kind; topics: string[] }[] {
  const keys = [...refused.value.keys()].map((key) => key.split(' ') as [Kind, string]);
  return KINDS.map((kind) => ({ kind, topics: keys.filter(([of]) => of === kind).map(([, topic]) => topic) })).filter(({ topics }) => topics.length > 0);
}

/** Why this cannot be done; undefined where it can be tried. */
export function whyNot(session: Session, kind: Kind, topic = ''): string | undefined {
  if (session.play?.past.value) return t().past;
  const said = refused.value.get(`${kind} ${topic}`);
  return said === undefined ? undefined : t().refused(said);
}

/** Does it, and learns from a refusal. Throws what went wrong. */
export async function tryTo<T>(kind: Kind, topic: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (why) {
    if (why instanceof ApiError && why.status === 403 && why.code !== 'READ_ONLY') {
      refused.value = new Map(refused.value).set(`${kind} ${topic}`, sentence(why));
    }
    throw why;
  }
}

/** Does it and says what came of it. */
export async function attemptTo(kind: Kind, topic: string, act: () => Promise<unknown>, done: string): Promise<boolean> {
  try {
    await tryTo(kind, topic, act);
    tell(done);
    return true;
  } catch (why) {
    tell(sentence(why), true);
    return false;
  }
}
