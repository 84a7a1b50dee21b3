import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import type { Frame } from '../../src/broker/play.js';
import type { Session } from '../../src/broker/session.js';
import { poll } from '../../src/picture/source.js';

const page = Object.assign(new EventTarget(), { hidden: false });
let stats = 0;

function session(): Session {
  const fetch = async (at: string) => {
    if (!at.startsWith('/stats')) return Response.json({ messages: [] });
    stats += 1;
    const channel = { channel_name: 'c', depth: 0, in_flight_count: 0, deferred_count: 0, dead_count: 0, requeue_count: 0, timeout_count: 0, finish_count: stats * 10, clients: null, paused: false, options: {} };
    return Response.json({ topics: [{ topic_name: 't', message_count: stats * 100, depth: 0, paused: false, channels: [channel] }] });
  };
  return { life: 'console', fetch, now: () => stats * 1_000 } as unknown as Session;
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('document', page);
  page.hidden = false;
  stats = 0;
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
