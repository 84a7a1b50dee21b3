import { describe, expect, it } from 'vitest';

import type { Stats, StatsQuery, TopicStats } from '../../src/broker/api.js';
import { pageOf, sum } from '../../src/console/page.js';

const channel = { depth: 0, in_flight_count: 0, deferred_count: 0, dead_count: 0, requeue_count: 0, timeout_count: 0, finish_count: 0, client_count: 1 };
const topic = (topic_name: string, depth: number, channels: Partial<typeof channel>[] = []) =>
  ({ topic_name, depth, message_count: depth * 10, channels: channels.map((one) => ({ ...channel, ...one })) }) as unknown as TopicStats;

const STATS = {
  version: '',
  health: 'OK',
  start_time: 0,
  topics: [topic('a', 0, [{ depth: 3 }, { depth: 1, dead_count: 7 }]), topic('B', 9), topic('c', 0, [{ depth: 4 }]), topic('d', 0)],
} satisfies Stats;
const query = (over: Partial<StatsQuery> = {}): StatsQuery => ({ search: '', sort: 'name', order: 'asc', offset: 0, max: 10, ...over });
const names = (over: Partial<StatsQuery>) => pageOf(STATS, query(over)).topics.map((one) => one.topic_name).join('');

describe('a page made here', () => {
  it('is a part of the order; equal ones come by name', () => {
    expect(names({ sort: 'depth', order: 'desc' })).toBe('Bacd');
    expect(names({ sort: 'depth', order: 'asc' })).toBe('dacB');
    expect(names({ sort: 'name', order: 'desc', offset: 1, max: 2 })).toBe('ca');
    expect(names({ sort: 'dead', order: 'desc', max: 1 })).toBe('a');
    expect(names({ offset: 9 })).toBe('');
  });

  it('searches for a part of the name, whatever its letters', () => {
    expect(names({ search: 'b' })).toBe('B');
    expect(pageOf(STATS, query({ search: 'b' })).total.topics).toBe(1);
  });

  it('has sums over all that match, wherever it is', () => {
    const total = { ...sum([]), topics: 4, channels: 3, depth: 17, dead_count: 7, message_count: 90, client_count: 3 };
    expect(pageOf(STATS, query({ offset: 3, max: 1 })).total).toEqual(total);
  });
});

it("a server's own page is taken as it is", () => {
  const total = { ...sum([]), topics: 10_000 };
  const page = pageOf({ ...STATS, total }, query({ search: 'nothing like it', offset: 70, max: 1 }));
  expect(page).toEqual({ offset: 70, topics: STATS.topics, total });
});
