import { expect, test } from 'vitest';

import type { Message } from '../../src/broker/api.js';
import type { Snapshot } from '../../src/broker/snapshot.js';
import { Absent } from '../../src/playground/absent.js';

const id = (n: number) => n.toString(16).padStart(16, '0');

/** A topic with a channel that has these messages ready, all of them absent. */
function moment(...numbers: number[]): Snapshot {
  const first = numbers.map((n) => ({ id: id(n), attempts: 0, absent: true }) as Message);
  const pile = { count: first.length, first };
  const none = { count: 0, first: [] };
  return { topics: [{ name: 't', backlog: none, channels: [{ piles: { ready: pile, in_flight: none, deferred: none, dead: none } }] }] } as unknown as Snapshot;
}

const bodies = ({ topics }: Snapshot) => topics[0]!.channels[0]!.piles.ready.first.map(({ body, absent }) => (absent ? undefined : body));

/** A broker that still has messages from 100 on; and what it was asked. */
function broker() {
  const asked: string[] = [];
  const fetch = async (at: string) => {
    const params = new URL(at, 'http://x').searchParams;
    asked.push(params.get('from')!);
    const from = Math.max(100, parseInt(params.get('from')!, 16));
    const messages = Array.from({ length: Math.max(0, Math.min(100, 1_000 - from)) }, (_, n) => ({ id: id(from + n), timestamp: 5e6, body: `m${from + n}` }));
    const next = from + messages.length;
    return Response.json({ messages, ...(next < 1_000 ? { next: id(next) } : {}) });
  };
  return { asked, absent: new Absent(fetch) };
}

test('what the broker still has is filled in, and asked for once', async () => {
  const { asked, absent } = broker();
  const first = moment(5, 7, 100, 150, 450);
  await absent.fill(first, 5);
  expect(bodies(first)).toEqual([undefined, undefined, 'm100', 'm150', 'm450']);
  expect(asked).toEqual([id(5), id(450)]);
  const second = moment(5, 100, 199, 451);
  await absent.fill(second, 5);
  expect(bodies(second)).toEqual([undefined, 'm100', 'm199', 'm451']);
  expect(asked).toHaveLength(2);
});

test('a moment asks a few times at most, and another one goes on', async () => {
  const { asked, absent } = broker();
  const far = [100, 300, 500, 700, 900, 999];
  const first = moment(...far);
  await absent.fill(first, 5);
  expect(asked).toHaveLength(4);
  expect(bodies(first).slice(4)).toEqual([undefined, undefined]);
  const again = moment(...far);
  await absent.fill(again, 5);
  expect(bodies(again)).toEqual(far.map((n) => `m${n}`));
});

test('nothing is asked where nothing is absent, and a broker that does not answer is no harm', async () => {
  const { asked, absent } = broker();
  await absent.fill(moment(), 5);
  expect(asked).toEqual([]);
  const gone = moment(1);
  await new Absent(async () => Response.json({ message: 'TOPIC_NOT_FOUND' }, { status: 404 })).fill(gone, 5);
  expect(bodies(gone)).toEqual([undefined]);
});

test('a message that was published after the moment is another one', async () => {
  const { absent } = broker();
  const early = moment(100);
  await absent.fill(early, 3);
  expect(bodies(early)).toEqual([undefined]);
  const later = moment(100);
  await absent.fill(later, 5);
  expect(bodies(later)).toEqual(['m100']);
});
