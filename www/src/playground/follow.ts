// What is read of the past is kept up to what happens, as long as a tab is in the present.
import { effect, type ReadonlySignal } from '@preact/signals';

import type { Play } from '../broker/play.js';

/** What happened is read anew at most so often, in milliseconds; less often where reading takes long. */
const EVERY_MS = 1_000;
const SHARE = 8;
/** How long after something happened, for more of it to come. */
const SOON_MS = 100;

/** Does something unless that is too soon; otherwise it answers how long to wait, in milliseconds. */
export function seldom(act: () => Promise<void>): () => Promise<number> {
  let again = 0;
  return async () => {
    const began = performance.now();
    if (began < again) return again - began;
    await act();
    again = performance.now() + Math.max(EVERY_MS, (performance.now() - began) * SHARE);
    return 0;
  };
}

/** Has something read anew when something happened, but not while it is held; the answer ends that. */
export function follow(play: Play, readSoon: () => Promise<number>, held?: ReadonlySignal<boolean>): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let shown = play.frame.peek()?.snapshot;
  let ended = false;
  const wait = (ms: number) => {
    if (!ended) timer ??= setTimeout(look, ms);
  };
  const look = async () => {
    timer = undefined;
    const now = play.frame.peek()?.snapshot;
    if (play.past.peek() || play.history.peek()?.file !== undefined || held?.peek() || now === shown) return;
    const ms = await readSoon().catch(() => EVERY_MS);
    if (ms > 0) wait(ms);
    else shown = now;
  };
  const stop = effect(() => {
    if (!held?.value && play.frame.value) wait(SOON_MS);
  });
  return () => {
    ended = true;
    stop();
    clearTimeout(timer);
  };
}
