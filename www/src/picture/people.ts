// Who consumes a channel: the playground's own consumers, and whoever else the broker knows.
import type { Frame } from '../broker/play.js';
import type { ChannelSnapshot } from '../broker/snapshot.js';
import type { ConsumerNode } from './nodes.js';

export type Person = Pick<ConsumerNode, 'key' | 'name' | 'simulated' | 'holds' | 'finished' | 'requeued'>;

export function people(topic: string, channel: ChannelSnapshot, views: Frame['consumers']): Person[] {
  const own = views.filter((view) => view.topic === topic && view.channel === channel.name);
  const names = new Set(own.map(({ name }) => name));
  const found: Person[] = own.map(({ id, name, behaviour, holds, finished, requeued }) => ({
    key: `${topic}/${channel.name}/${name}`,
    name,
    simulated: { id, behaviour },
    holds: holds.length,
    finished,
    requeued,
  }));
  // Several connections may give themselves the same name: they are one.
  const others = new Map<string, Person>();
  for (const client of channel.clients) {
    if (names.has(client.client_id)) continue;
    const name = client.client_id;
    const same = others.get(name);
    others.set(name, {
      key: `${topic}/${channel.name}/${name}`,
      name,
      holds: client.in_flight_count + (same?.holds ?? 0),
      finished: client.finish_count + (same?.finished ?? 0),
      requeued: client.requeue_count + (same?.requeued ?? 0),
    });
  }
  return [...found, ...others.values()];
}
