import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { calmly, EVERY_MS } from '../../src/lessons/goals.js';
import { readProgress } from '../../src/lessons/progress.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('goals are asked for at most four times a second, and once more after the last change', async () => {
  let asked = 0;
  const ask = calmly(async () => void (asked += 1));
  for (let frame = 0; frame < 40; frame += 1) {
    ask();
    await vi.advanceTimersByTimeAsync(25);
  }
  expect(asked).toBeGreaterThanOrEqual(3);
  expect(asked).toBeLessThanOrEqual(1_000 / EVERY_MS + 1);
  const before = asked;
  ask();
  await vi.advanceTimersByTimeAsync(10 * EVERY_MS);
  expect(asked).toBeGreaterThan(before);
  const after = asked;
  await vi.advanceTimersByTimeAsync(10 * EVERY_MS);
  expect(asked).toBe(after);
});

test('a goal that cannot be asked for is asked for again', async () => {
  let asked = 0;
  const ask = calmly(async () => {
    asked += 1;
    throw new Error('the topic has just gone');
  });
  ask();
  await vi.advanceTimersByTimeAsync(EVERY_MS);
  ask();
  await vi.advanceTimersByTimeAsync(EVERY_MS);
  expect(asked).toBe(2);
});

test('progress is read whatever stands there', () => {
  for (const text of [null, undefined, '', 'nothing', '[]', 'null', '{"done":3}', '{"step":1}']) {
    expect(readProgress(text)).toEqual({ done: [] });
  }
  expect(readProgress('{"done":["a",1],"open":"b","step":2}')).toEqual({ done: ['a'], open: 'b', step: 2 });
  expect(readProgress('{"done":[],"open":"b","step":2,"seen":{"a":"1","b":2}}')).toEqual({ done: [], open: 'b', step: 2, seen: { a: '1' } });
  expect(readProgress('{"done":[],"open":"b","step":2,"seen":null}')).toEqual({ done: [], open: 'b', step: 2 });
  expect(readProgress('{"done":[],"open":"b","step":"x"}')).toEqual({ done: [], open: 'b' });
});
