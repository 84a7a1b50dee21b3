import { describe, expect, it } from 'vitest';

import { Histories, rates, Series, topicCounts, type Sample } from '../../src/console/rates.js';

const sample = (at: number, published: number, finished = 0): Sample => ({ at, published, finished, requeued: 0, timedOut: 0 });

describe('a series of samples', () => {
  it('has a rate from two looks on', () => {
    const series = new Series();
    series.add(sample(1_000, 10));
    expect(series.rate('published')).toBeUndefined();
    series.add(sample(3_000, 50));
    expect(series.rate('published')).toBe(20);
    expect(series.rate('finished')).toBe(0);
  });

  it('takes the last two looks', () => {
    const series = new Series();
    [sample(0, 0), sample(1_000, 1_000), sample(2_000, 1_000)].forEach((each) => series.add(each));
    expect(series.rate('published')).toBe(0);
    expect(rates(series.samples.value, 'published')).toEqual([1_000, 0]);
  });

  it('does not make a rate of two looks at nearly the same time, as after an action', () => {
    const series = new Series();
    [sample(0, 0), sample(1_000, 5), sample(1_010, 6), sample(1_000 + 1_000, 10)].forEach((each) => series.add(each));
    expect(rates(series.samples.value, 'published')).toEqual([5, 5]);
  });

  it('begins anew where counts or time went back', () => {
    const series = new Series();
    [sample(0, 100), sample(1_000, 200), sample(2_000, 3)].forEach((each) => series.add(each));
    expect(series.samples.value).toEqual([sample(2_000, 3)]);
    series.add(sample(1_500, 3));
    expect(series.samples.value).toEqual([sample(1_500, 3)]);
  });

  it('has no rate while time stands still', () => {
    const series = new Series();
    series.add(sample(1_000, 1));
    series.add(sample(1_000, 5));
    expect(series.rate('published')).toBeUndefined();
  });

  it('forgets what is older than five minutes of looks', () => {
    const series = new Series();
    for (let i = 0; i < 400; i += 1) series.add(sample(i * 1_000, i));
    expect(series.samples.value).toHaveLength(301);
    expect(series.samples.value.at(-1)!.published).toBe(399);
  });
});

describe('histories', () => {
  it('keep the series that were asked for last', () => {
    const histories = new Histories(2);
    const a = histories.of('a');
    histories.of('b');
    expect(histories.of('a')).toBe(a);
    histories.of('c');
    expect(histories.of('a')).toBe(a);
    const c = histories.of('c');
    histories.of('d');
    expect(histories.of('c')).toBe(c);
    expect(histories.of('a')).not.toBe(a);
  });
});

it("a topic's counts are its own and its channels'", () => {
  const channel = { finish_count: 2, requeue_count: 3, timeout_count: 4 };
  const topic = { message_count: 9, channels: [channel, channel] } as unknown as Parameters<typeof topicCounts>[0];
  expect(topicCounts(topic)).toEqual({ published: 9, finished: 4, requeued: 6, timedOut: 8 });
});
