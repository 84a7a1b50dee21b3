import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { Api } from '../../src/broker/api.js';
import type { Frame } from '../../src/broker/play.js';
import type { Session } from '../../src/broker/session.js';
import { poll } from '../../src/picture/source.js';

const page = Object.assign(new EventTarget(), { hidden: false });
let stats = 0;
let peeks = 0;
/** What the channel has, and has done. */
let [depth, finished] = [0, 10];

function session(): Session {
  const fetch = async (at: string) => {
    if (!at.startsWith('/stats')) return (peeks += 1, Response.json({ messages: [] }));
    stats += 1;
    const channel = { channel_name: 'c', depth, in_flight_count: 0, deferred_count: 0, dead_count: 0, requeue_count: 0, timeout_count: 0, finish_count: stats * finished, clients: null, paused: false, options: {} };
    return Response.json({ topics: [{ topic_name: 't', message_count: stats * 100, depth: 0, paused: false, channels: [channel] }] });
  };
  return { life: 'console', fetch, api: new Api(fetch), now: () => stats * 1_000 } as unknown as Session;
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('document', page);
  page.hidden = false;
  [stats, peeks, depth, finished] = [0, 0, 0, 10];
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('a server is asked once a second, and what moved is the difference of its counts', async () => {
  const frames: Frame[] = [];
  const end = poll(session(), (frame) => frames.push(frame));
  await vi.advanceTimersByTimeAsync(2_100);
  end();
  expect(frames).toHaveLength(3);
  expect(frames[0]!.flows).toEqual([]);
  expect(frames[2]!.flows).toContainEqual({ kind: 'published', topic: 't', count: 100, ids: [] });
  expect(frames[2]!.flows).toContainEqual({ kind: 'finished', topic: 't', channel: 'c', count: 10, ids: [] });
  await vi.advanceTimersByTimeAsync(5_000);
  expect(stats).toBe(3);
});

test('nobody is asked while nobody looks', async () => {
  const end = poll(session(), () => {});
  await vi.advanceTimersByTimeAsync(100);
  page.hidden = true;
  page.dispatchEvent(new Event('visibilitychange'));
  await vi.advanceTimersByTimeAsync(10_000);
  expect(stats).toBe(1);
  page.hidden = false;
  page.dispatchEvent(new Event('visibilitychange'));
  await vi.advanceTimersByTimeAsync(1_100);
  expect(stats).toBe(3);
  end();
});

test('messages are looked at where the counts move, and now and then where they stand still', async () => {
  [depth, finished] = [3, 1];
  let end = poll(session(), () => {});
  await vi.advanceTimersByTimeAsync(3_500);
  expect([stats, peeks]).toEqual([4, 4]);
  end();
  [stats, peeks, finished] = [0, 0, 0];
  end = poll(session(), () => {});
  await vi.advanceTimersByTimeAsync(4_500);
  expect([stats, peeks]).toEqual([5, 1]);
  await vi.advanceTimersByTimeAsync(3_000);
  expect([stats, peeks]).toEqual([8, 2]);
  end();
});
