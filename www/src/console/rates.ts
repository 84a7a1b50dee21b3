// How fast things go: what is counted up, looked at again and again.
import { signal, type ReadonlySignal } from '@preact/signals';

import type { ChannelStats, TopicStats, Total } from '../broker/api.js';

export interface Counts {
  published: number;
  finished: number;
  requeued: number;
  timedOut: number;
}

export interface Sample extends Counts {
  /** The broker's time, ms since 1970. */
  at: number;
}

export const COUNTERS = ['published', 'finished', 'requeued', 'timedOut'] as const;
export type Counter = (typeof COUNTERS)[number];

/** Samples closer to each other than that say little about a rate, ms. */
const APART = 500;
const KEPT = 301;

/** The samples of one topic, channel or broker, of the last minutes. */
export class Series {
  readonly #samples = signal<readonly Sample[]>([]);
  readonly samples: ReadonlySignal<readonly Sample[]> = this.#samples;

  add(sample: Sample): void {
    const samples = this.#samples.peek();
    const last = samples.at(-1);
    if (last && isAnew(last, sample)) this.#samples.value = [sample];
    else if (!last || sample.at - last.at >= APART) this.#samples.value = [...samples.slice(1 - KEPT), sample];
  }

  /** So many a second between the last two samples; undefined while there are no two. */
  rate(counter: Counter): number | undefined {
    return rates(this.#samples.value.slice(-2), counter)[0];
  }
}

/** Whether time went back, or counts did: a restart, another moment of the past, a topic that was made again. */
function isAnew(last: Sample, next: Sample): boolean {
  return next.at < last.at || COUNTERS.some((counter) => next[counter] < last[counter]);
}

/** Between each two samples, so many a second. */
export function rates(samples: readonly Sample[], counter: Counter): number[] {
  return samples.slice(1).map((sample, i) => {
    const before = samples[i]!;
    return ((sample[counter] - before[counter]) * 1_000) / (sample.at - before.at);
  });
}

export function channelCounts(channel: ChannelStats): Counts {
  return {
    published: channel.message_count,
    finished: channel.finish_count,
    requeued: channel.requeue_count,
    timedOut: channel.timeout_count,
  };
}

export function topicCounts(topic: TopicStats): Counts {
  const sum = { published: topic.message_count, finished: 0, requeued: 0, timedOut: 0 };
  for (const channel of topic.channels) {
    sum.finished += channel.finish_count;
    sum.requeued += channel.requeue_count;
    sum.timedOut += channel.timeout_count;
  }
  return sum;
}

export function totalCounts(total: Total): Counts {
  return {
    published: total.message_count,
    finished: total.finish_count,
    requeued: total.requeue_count,
    timedOut: total.timeout_count,
  };
}

/** Series by name; those that were not asked for the longest time are forgotten. */
export class Histories {
  readonly #all = new Map<string, Series>();

  constructor(readonly most = 2_000) {}

  of(name: string): Series {
    const series = this.#all.get(name) ?? new Series();
    this.#all.delete(name);
    this.#all.set(name, series);
    for (const oldest of this.#all.keys()) {
      if (this.#all.size <= this.most) break;
      this.#all.delete(oldest);
    }
    return series;
  }
}

const histories = new WeakMap<object, Histories>();

/** What is known of a broker, for as long as its session lasts: going from page to page forgets nothing. */
export function historiesOf(session: object): Histories {
  let found = histories.get(session);
  if (!found) histories.set(session, (found = new Histories()));
  return found;
}
