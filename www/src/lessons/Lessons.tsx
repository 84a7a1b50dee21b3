import { Suspense, lazy } from 'preact/compat';

import type { Session } from '../broker/session.js';

// The texts of all lessons are loaded when somebody wants to see them.
const Course = lazy(() => import('./Course.js').then(({ Course }) => ({ default: Course })));

/** Lessons and scenes: a list, or the one that is open. */
export function Lessons({ session }: { session: Session }) {
  return (
    <Suspense fallback={<p class="soft">…</p>}>
      <Course session={session} />
    </Suspense>
  );
}
