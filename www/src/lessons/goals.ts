// Asking for goals without asking all the time.
import type { Lesson, Look } from './lesson.js';

/** How many steps are done, where so many were before. Steps are done one after another. */
export async function reached(lesson: Lesson, from: number, look: Look): Promise<number> {
  let step = from;
  while (step < lesson.steps.length && (await lesson.steps[step]!.met(look))) step += 1;
  return step;
}

/** How often goals are asked for at most. */
export const EVERY_MS = 250;

/**
 * Runs `ask` soon after it is called, never twice at a time and at most every {@link EVERY_MS}; a call meanwhile is
 * answered by one more run.
 */
export function calmly(ask: () => Promise<void>): () => void {
  let busy = false;
  let again = false;
  const go = async (): Promise<void> => {
    await ask().catch(() => undefined);
    setTimeout(() => {
      busy = false;
      if (!again) return;
      again = false;
      start();
    }, EVERY_MS);
  };
  const start = (): void => {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    void go();
  };
  return start;
}
