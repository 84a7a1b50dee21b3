// Sums over topics.
import type { TopicStats, Total } from '../broker/api.js';

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
