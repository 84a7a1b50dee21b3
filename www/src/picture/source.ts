// Where frames come from: from the broker in the page, or made of what a server tells, once a second.
import { computed, signal, type ReadonlySignal } from '@preact/signals';
import { useEffect, useMemo } from 'preact/hooks';

import type { ChannelStats } from '../broker/api.js';
import type { Frame } from '../broker/play.js';
import { wantsToken, type Session } from '../broker/session.js';
import { MUCH, snapshot, type Piles, type Snapshot } from '../broker/snapshot.js';
import { Flows } from '../playground/flows.js';
import { tellError } from '../ui/toast.js';

const EVERY = 1_000;
/** Messages of channels whose counts stand still are looked at again after so many looks: a lease may last longer. */
const STALE = 5;

/** Looks at what a server has; at the messages of a channel only where its counts have moved. */
function looker(session: Session, topic: string | undefined): () => Promise<Snapshot> {
  let known = new Map<string, { counts: string; piles: Piles; at: number }>();
  let looks = 0;
  const counts = (stats: ChannelStats) => JSON.stringify({ ...stats, clients: null, e2e_processing_latency: null });
  const key = (topic: string, { channel_name }: ChannelStats) => `${topic}/${channel_name}`;
  return async () => {
    looks += 1;
    const before = (topic: string, stats: ChannelStats) => {
      const one = known.get(key(topic, stats));
      return one && looks - one.at < STALE && one.counts === counts(stats) ? one : undefined;
    };
    const now = await snapshot(session.api.fetch, { ...MUCH, known: (topic, stats) => before(topic, stats)?.piles }, topic);
    const all = now.topics.flatMap(({ name, channels }) => channels.map(({ stats, piles }) => [name, stats, piles] as const));
    known = new Map(
      all.map(([name, stats, piles]) => [key(name, stats), before(name, stats) ?? { counts: counts(stats), piles, at: looks }]),
    );
    return now;
  };
}

/** Polls a server, for one topic or all, for as long as the page can be seen; a slow one is asked less often. */
export function poll(session: Session, onFrame: (frame: Frame) => void, topic?: string): () => void {
  const flows = new Flows();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let asking = false;
  let over = false;
  let failed = false;
  const look = looker(session, topic);
  const again = (after = 0) => {
    if (!over && !document.hidden) timer = setTimeout(ask, Math.max(EVERY, after));
  };
  const ask = async () => {
    if (asking) return;
    if (wantsToken.peek()) return again();
    asking = true;
    const begun = performance.now();
    try {
      const now = await look();
      if (!over) onFrame({ now: session.now(), snapshot: now, flows: flows.upTo(now), consumers: [], producers: [] });
      failed = false;
    } catch (why) {
      if (!over && !failed) tellError(why);
      failed = true;
    }
    asking = false;
    again(5 * (performance.now() - begun));
  };
  const seen = () => {
    clearTimeout(timer);
    if (!document.hidden) void ask();
  };
  document.addEventListener('visibilitychange', seen);
  void ask();
  return () => {
    over = true;
    clearTimeout(timer);
    document.removeEventListener('visibilitychange', seen);
  };
}

/** The part of a frame that is about a topic. */
function only(topic: string, frame: Frame): Frame {
  const of = <T extends { topic: string }>(all: readonly T[]) => all.filter((one) => one.topic === topic);
  const topics = frame.snapshot.topics.filter(({ name }) => name === topic);
  return { ...frame, snapshot: { topics }, flows: of(frame.flows), consumers: of(frame.consumers), producers: of(frame.producers) };
}

/** Frames of one topic, or of all. */
export function useFrames(session: Session, topic?: string): ReadonlySignal<Frame | undefined> {
  const { play } = session;
  const polled = useMemo(() => signal<Frame | undefined>(undefined), [session, topic]);
  useEffect(() => (play ? undefined : poll(session, (frame) => (polled.value = frame), topic)), [session, topic]);
  return useMemo(() => {
    if (!play || topic === undefined) return play?.frame ?? polled;
    return computed(() => play.frame.value && only(topic, play.frame.value));
  }, [session, topic]);
}
