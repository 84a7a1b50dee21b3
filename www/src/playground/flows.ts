// What moved between two looks at a broker, by the differences of its counts.
import type { Flow } from '../broker/play.js';
import type { ChannelSnapshot, Snapshot, TopicSnapshot } from '../broker/snapshot.js';

/** What moved from one snapshot to a later one. What is new since counts from nothing. */
export function flowsBetween(before: Snapshot | undefined, after: Snapshot): Flow[] {
  if (before === undefined) return [];
  const flows: Flow[] = [];
  const topics = new Map(before.topics.map((topic) => [topic.name, topic]));
  for (const topic of after.topics) ofTopic(topics.get(topic.name), topic, flows);
  return flows;
}

function ofTopic(before: TopicSnapshot | undefined, after: TopicSnapshot, flows: Flow[]): void {
  const topic = after.name;
  const published = after.published - (before?.published ?? 0);
  if (published > 0) flows.push({ kind: 'published', topic, count: published, ids: [] });
  const channels = new Map(before?.channels.map((channel) => [channel.name, channel]));
  for (const channel of after.channels) ofChannel(topic, channels.get(channel.name), channel, flows);
}

function ofChannel(topic: string, before: ChannelSnapshot | undefined, after: ChannelSnapshot, flows: Flow[]): void {
  const channel = after.name;
  const add = (kind: Flow['kind'], count: number, client?: string) => {
    if (count > 0) flows.push({ kind, topic, channel, count, ids: [], ...(client === undefined ? {} : { client }) });
  };
  const clients = new Map(before?.clients.map((client) => [client.client_id, client]));
  for (const client of after.clients) {
    const was = clients.get(client.client_id);
    const name = client.client_id;
    add('delivered', client.message_count - (was?.message_count ?? 0), name);
    add('finished', client.finish_count - (was?.finish_count ?? 0), name);
    add('requeued', client.requeue_count - (was?.requeue_count ?? 0), name);
  }
  add('timed_out', after.stats.timeout_count - (before?.stats.timeout_count ?? 0));
  add('dead', after.piles.dead.count - (before?.piles.dead.count ?? 0));
  add('redriven', (before?.piles.dead.count ?? 0) - after.piles.dead.count);
}
