// What is read anew when something happened.
import { signal } from '@preact/signals';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import type { Frame, Moment, Play } from '../../src/broker/play.js';
import { follow, seldom } from '../../src/playground/follow.js';

const frame = signal<Frame | undefined>(undefined);
const past = signal<Moment | undefined>(undefined);
const held = signal(false);
const play = { frame, past, history: signal(undefined) } as unknown as Play;
let read: ReturnType<typeof vi.fn<() => Promise<void>>>;
let end: () => void;

const happens = () => (frame.value = { snapshot: {} } as Frame);

beforeEach(() => {
  vi.useFakeTimers();
  past.value = undefined;
  held.value = false;
  happens();
  read = vi.fn(async () => {});
  end = follow(play, seldom(read), held);
});
afterEach(() => {
  end();
  vi.useRealTimers();
});

test('what happens is read, about once a second', async () => {
  await vi.advanceTimersByTimeAsync(500);
  expect(read).not.toHaveBeenCalled();
  for (let n = 0; n < 100; n += 1) {
    happens();
    await vi.advanceTimersByTimeAsync(50);
  }
  expect(read.mock.calls.length).toBeGreaterThanOrEqual(4);
  expect(read.mock.calls.length).toBeLessThanOrEqual(6);
  // The last of it, too; and only once.
  await vi.advanceTimersByTimeAsync(5_000);
  const all = read.mock.calls.length;
  await vi.advanceTimersByTimeAsync(5_000);
  expect(read).toHaveBeenCalledTimes(all);
});

test('not while it is held, but right afterwards', async () => {
  held.value = true;
  happens();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(read).not.toHaveBeenCalled();
  held.value = false;
  await vi.advanceTimersByTimeAsync(200);
  expect(read).toHaveBeenCalledTimes(1);
});

test('not in the past, nor after its end', async () => {
  past.value = { at: 0, step: 1 };
  happens();
  await vi.advanceTimersByTimeAsync(5_000);
  past.value = undefined;
  end();
  happens();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(read).not.toHaveBeenCalled();
});
