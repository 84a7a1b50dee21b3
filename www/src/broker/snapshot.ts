// What a broker has, at one moment: all that the picture shows, gathered by the API alone. So it is the same for the
// broker in the page, a moment of a recording, and a server.
import { Api, type ChannelStats, type ClientStats, type Message, type State } from './api.js';
import type { Fetch } from './fetch.js';

/** Some messages of a state, and how many there are. */
export interface Pile {
  count: number;
  /** The first of them, at most {@link Wanted.messages}. */
  first: Message[];
}

export interface ChannelSnapshot {
  name: string;
  paused: boolean;
  piles: Piles;
  clients: ClientStats[];
  stats: ChannelStats;
}

export interface TopicSnapshot {
  name: string;
  paused: boolean;
  /** What no channel has taken over yet. */
  backlog: Pile;
  /** All that was ever published to it. */
  published: number;
  channels: ChannelSnapshot[];
}

export interface Snapshot {
  topics: TopicSnapshot[];
}

export interface Wanted {
  /** How many messages of each pile are looked at; 0: only counts. */
  messages: number;
  /** How many channels' messages are looked at, from the first on. */
  channels: number;
  /** Piles of a channel that are known for these very stats; nobody asks for them again. */
  known?(topic: string, stats: ChannelStats): Piles | undefined;
}

export type Piles = Record<State, Pile>;

const NONE: Pile = { count: 0, first: [] };

export const MUCH: Wanted = { messages: 24, channels: 40 };

/** All that a broker has, or one topic of it. */
export async function snapshot(fetch: Fetch, wanted = MUCH, topic?: string): Promise<Snapshot> {
  const api = new Api(fetch);
  const { topics } = await api.stats({ include_clients: true, ...(topic === undefined ? {} : { topic }) });
  let left = wanted.channels;
  const pile = async (looked: boolean, count: number, topic: string, channel?: string, state?: State): Promise<Pile> => {
    if (count === 0) return NONE;
    if (wanted.messages === 0 || !looked) return { count, first: [] };
    // It may be gone by now.
    const { messages } = await api.peek(topic, channel, state, wanted.messages).catch(() => ({ messages: [] }));
    return { count, first: messages };
  };
  return {
    topics: await Promise.all(
      topics.map(async (topic) => ({
        name: topic.topic_name,
        paused: topic.paused,
        published: topic.message_count,
        backlog: await pile(left > 0, topic.depth, topic.topic_name),
        channels: await Promise.all(
          topic.channels.map(async (stats) => {
            left -= 1;
            const looked = left >= 0;
            const of = (count: number, state: State) => pile(looked, count, topic.topic_name, stats.channel_name, state);
            const known = wanted.known?.(topic.topic_name, stats);
            const [ready, in_flight, deferred, dead] = await Promise.all([
              known?.ready ?? of(stats.depth, 'ready'),
              known?.in_flight ?? of(stats.in_flight_count, 'in_flight'),
              known?.deferred ?? of(stats.deferred_count, 'deferred'),
              known?.dead ?? of(stats.dead_count, 'dead'),
            ]);
            return {
              name: stats.channel_name,
              paused: stats.paused,
              piles: { ready, in_flight, deferred, dead },
              clients: stats.clients ?? [],
              stats,
            };
          }),
        ),
      })),
    ),
  };
}
