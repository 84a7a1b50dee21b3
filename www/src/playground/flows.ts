// What moved between two moments. How much, the broker's own counters say; whose messages and which, whoever saw a
// request go by. So nothing is counted twice and nothing is missed, whatever form a request has.
import type { Flow } from '../broker/play.js';
import type { Snapshot } from '../broker/snapshot.js';

/** How many ids of a flow are told. */
export const MOST_IDS = 20;

type Kind = Flow['kind'];

/** Something that was seen to move. */
export interface Seen {
  kind: Kind;
  topic: string;
  channel?: string;
  client?: string;
  count: number;
  ids: readonly string[];
}

/** How much of each kind a channel, or a topic, has had so far. */
type Counters = Partial<Record<Kind, number>>;

const keyOf = (topic: string, channel?: string) => (channel === undefined ? topic : `${topic}/${channel}`);

function counters({ topics }: Snapshot): Map<string, Counters> {
  const found = new Map<string, Counters>();
  for (const topic of topics) {
    found.set(keyOf(topic.name), { published: topic.published });
    for (const { name, stats } of topic.channels) {
      const { finish_count: finished, requeue_count: requeued, timeout_count: timed_out, dead_count: dead } = stats;
      // What was handed out is still out, or has come back in one of these ways.
      const delivered = stats.in_flight_count + finished + requeued + timed_out;
      found.set(keyOf(topic.name, name), { delivered, finished, requeued, timed_out, dead });
    }
  }
  return found;
}

/** Seen things, gathered until the next moment. */
export class Flows {
  #seen = new Map<string, Seen[]>();
  #before: Map<string, Counters> | undefined;

  /** Something was seen to move. */
  see(seen: Seen): void {
    const key = `${seen.kind} ${keyOf(seen.topic, seen.channel)}`;
    const list = this.#seen.get(key);
    const same = list?.find(({ client }) => client === seen.client);
    if (same) {
      same.count += seen.count;
      if (same.ids.length < MOST_IDS) same.ids = [...same.ids, ...seen.ids].slice(0, MOST_IDS);
    } else {
      const copy = { ...seen, ids: seen.ids.slice(0, MOST_IDS) };
      if (list) list.push(copy);
      else this.#seen.set(key, [copy]);
    }
  }

  /** What moved up to this moment, since the last one. */
  upTo(snapshot: Snapshot): Flow[] {
    const now = counters(snapshot);
    const before = this.#before;
    this.#before = now;
    const seen = this.#seen;
    this.#seen = new Map();
    if (before === undefined) return [];
    const flows: Flow[] = [];
    for (const [key, counts] of now) {
      // A topic that was not there before has had nothing.
      const was = before.get(key) ?? {};
      const [topic, channel] = key.split('/') as [string, string?];
      const redriven = (seen.get(`redriven ${key}`) ?? []).reduce((sum, one) => sum + one.count, 0);
      for (const [kind, count] of Object.entries(counts) as [Kind, number][]) {
        const back = kind === 'dead' ? redriven : 0;
        const moved = count - (was[kind] ?? 0) + back;
        if (moved > 0) flows.push(...shared(kind, topic, channel, moved, seen.get(`${kind} ${key}`) ?? []));
      }
      if (redriven > 0) flows.push(...shared('redriven', topic, channel, redriven, seen.get(`redriven ${key}`)!));
    }
    return flows;
  }

  /** What was is forgotten: another broker comes. */
  clear(): void {
    this.#seen.clear();
    this.#before = undefined;
  }
}

/** A number of messages among those who were seen with some; the rest is nobody's. */
function shared(kind: Kind, topic: string, channel: string | undefined, moved: number, seen: readonly Seen[]): Flow[] {
  const at = { kind, topic, ...(channel === undefined ? {} : { channel }) };
  const flows: Flow[] = [];
  let left = moved;
  for (const { client, count, ids } of seen) {
    const some = Math.min(left, count);
    if (some <= 0) break;
    left -= some;
    flows.push({ ...at, ...(client === undefined ? {} : { client }), count: some, ids: ids.slice(0, some) });
  }
  if (left > 0) flows.push({ ...at, count: left, ids: [] });
  return flows;
}
