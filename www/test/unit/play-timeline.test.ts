// Where in time a tab is, with a broker that only tells where it was asked to go.
import { signal } from '@preact/signals';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

vi.mock('../../src/ui/toast.js', () => ({ tellError: vi.fn() }));

import type { History, Moment, Play } from '../../src/broker/play.js';
import { Timeline } from '../../src/playground/timeline.js';
import { tellError } from '../../src/ui/toast.js';

const speed = signal(1);
const past = signal<Moment | undefined>(undefined);
const history = signal<History | undefined>(undefined);
let travel: ReturnType<typeof vi.fn>;
let timeline: Timeline;

beforeEach(() => {
  vi.useFakeTimers();
  vi.mocked(tellError).mockClear();
  speed.value = 1;
  past.value = undefined;
  history.value = { from: 0, to: 100_000, steps: 50 };
  travel = vi.fn(async (to: { at: number } | undefined) => void (past.value = to && { at: to.at, step: 1 }));
  timeline = new Timeline({ speed, past, history, travel, setSpeed: vi.fn(async (to: number) => void (speed.value = to)) } as unknown as Play);
});

afterEach(() => {
  timeline.dispose();
  vi.useRealTimers();
});

test('the past is played at a speed of its own, also while the broker runs', async () => {
  speed.value = 10;
  past.value = { at: 1_000, step: 1 };
  expect(timeline.speed.value).toBe(10);
  await timeline.setSpeed(100);
  expect([timeline.speed.value, speed.value]).toEqual([100, 10]);
  await timeline.toggle();
  await vi.advanceTimersByTimeAsync(60);
  expect(past.value.at).toBe(7_000);
  past.value = undefined;
  expect(timeline.speed.value).toBe(10);
});

test('who leaves stops what is played', async () => {
  past.value = { at: 1_000, step: 1 };
  await timeline.toggle();
  await vi.advanceTimersByTimeAsync(60);
  expect(travel).toHaveBeenCalledTimes(1);
  timeline.dispose();
  await vi.advanceTimersByTimeAsync(600);
  expect(travel).toHaveBeenCalledTimes(1);
});

test('the past is played once, however often it is stopped while it is on its way', async () => {
  past.value = { at: 1_000, step: 1 };
  travel.mockImplementation(async (to) => {
    await new Promise((go) => setTimeout(go, 40));
    past.value = { ...to, step: 1 };
  });
  await timeline.toggle();
  await vi.advanceTimersByTimeAsync(70);
  await timeline.toggle();
  await timeline.toggle();
  await vi.advanceTimersByTimeAsync(1_000);
  // Every hundred milliseconds: sixty to wait, and forty on the way.
  expect(travel.mock.calls.length).toBeLessThan(13);
});

test('where the past cannot be gone to, it is not played on, and it is said why', async () => {
  past.value = { at: 1_000, step: 1 };
  travel.mockRejectedValue(new Error('torn'));
  await timeline.toggle();
  await vi.advanceTimersByTimeAsync(600);
  expect(timeline.rolling.value).toBe(false);
  expect(travel).toHaveBeenCalledTimes(1);
  expect(tellError).toHaveBeenCalledWith(new Error('torn'));
});
