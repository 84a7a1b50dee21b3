// Where frames come from: from the broker in the page, or made of what a server tells, once a second.
import { signal, type ReadonlySignal } from '@preact/signals';
import { useEffect, useMemo } from 'preact/hooks';

import type { Frame } from '../broker/play.js';
import type { Session } from '../broker/session.js';
import { snapshot } from '../broker/snapshot.js';
import { Flows } from '../playground/flows.js';
import { tellError } from '../ui/toast.js';

const EVERY = 1_000;

/** Polls a server for as long as the page can be seen; a slow one is asked less often. */
export function poll(session: Session, onFrame: (frame: Frame) => void): () => void {
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
      const now = await snapshot(session.fetch);
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

export function useFrames(session: Session): ReadonlySignal<Frame | undefined> {
  const polled = useMemo(() => signal<Frame | undefined>(undefined), [session]);
  useEffect(() => (session.play ? undefined : poll(session, (frame) => (polled.value = frame))), [session]);
  return session.play?.frame ?? polled;
}
