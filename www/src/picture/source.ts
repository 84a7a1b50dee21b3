// Where frames come from: from the broker in the page, or made of what a server tells, once a second.
import { computed, signal, type ReadonlySignal } from '@preact/signals';
import { useEffect, useMemo } from 'preact/hooks';

import type { Frame } from '../broker/play.js';
import type { Session } from '../broker/session.js';
import { snapshot } from '../broker/snapshot.js';
import { Flows } from '../playground/flows.js';
import { tellError } from '../ui/toast.js';

const EVERY = 1_000;

/** Polls a server, for one topic or all, for as long as the page can be seen; a slow one is asked less often. */
export function poll(session: Session, onFrame: (frame: Frame) => void, topic?: string): () => void {
  const flows = new Flows();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let asking = false;
  let over = false;
  let failed = false;
  const ask = async () => {
    if (asking) return;
    asking = true;
    const begun = performance.now();
    try {
      const now = await snapshot(session.fetch, undefined, topic);
      if (!over) onFrame({ now: session.now(), snapshot: now, flows: flows.upTo(now), consumers: [], producers: [] });
      failed = false;
    } catch (why) {
      if (!over && !failed) tellError(why);
      failed = true;
    }
    asking = false;
    if (!over && !document.hidden) timer = setTimeout(ask, Math.max(EVERY, 5 * (performance.now() - begun)));
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
