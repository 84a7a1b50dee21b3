// Pages of topics: made by the server, or here where the server tells all of them at once.
import type { SortBy, Stats, StatsQuery, TopicStats, Total } from '../broker/api.js';

/** Some topics of an order, from one row on, and sums over all that match. */
export interface Page {
  offset: number;
  topics: TopicStats[];
  total: Total;
}

export function pageOf(stats: Stats & { total?: Total }, query: StatsQuery): Page {
  const { topics } = stats;
  if (stats.total) return { offset: query.offset, topics, total: stats.total };
  const search = query.search.toLowerCase();
  const found = topics.filter((topic) => topic.topic_name.toLowerCase().includes(search));
  const total = sum(found);
  const direction = query.order === 'desc' ? -1 : 1;
  const keyed = found.map((topic): [TopicStats, number] => [topic, rank(topic, query.sort)]);
  keyed.sort(([a, x], [b, y]) => direction * (query.sort === 'name' ? compare(a, b) : x - y) || compare(a, b));
  const page = keyed.slice(query.offset, query.offset + query.max).map(([topic]) => topic);
  return { offset: query.offset, topics: page, total };
}

function compare(a: TopicStats, b: TopicStats): number {
  return a.topic_name < b.topic_name ? -1 : a.topic_name > b.topic_name ? 1 : 0;
}

function rank(topic: TopicStats, sort: SortBy): number {
  const { depth, in_flight_count, deferred_count, dead_count, message_count } = sum([topic]);
  return { name: 0, depth, in_flight: in_flight_count, deferred: deferred_count, dead: dead_count, messages: message_count }[sort];
}

/** What topics come to. A topic's own backlog counts into the depth. */
export function sum(topics: readonly TopicStats[]): Total {
  const total: Total = {
    topics: topics.length,
    channels: 0,
    depth: 0,
    in_flight_count: 0,
    deferred_count: 0,
    dead_count: 0,
    message_count: 0,
    requeue_count: 0,
    timeout_count: 0,
    finish_count: 0,
    client_count: 0,
  };
  for (const topic of topics) {
    total.channels += topic.channels.length;
    total.depth += topic.depth;
    total.message_count += topic.message_count;
    for (const channel of topic.channels) {
      total.depth += channel.depth;
      total.in_flight_count += channel.in_flight_count;
      total.deferred_count += channel.deferred_count;
      total.dead_count += channel.dead_count;
      total.requeue_count += channel.requeue_count;
      total.timeout_count += channel.timeout_count;
      total.finish_count += channel.finish_count;
      total.client_count += channel.client_count;
    }
  }
  return total;
}
