import { useEffect } from 'preact/hooks';

import type { Play } from '../broker/play.js';
import type { Session } from '../broker/session.js';
import { Picture } from '../picture/Picture.js';
import { Terminal } from '../terminal/Terminal.js';

export function Playground({ session }: { session: Session; play: Play }) {
  // For the browser's own console: `await shelfmq.api.stats()`.
  useEffect(() => void Object.assign(globalThis, { shelfmq: session }), [session]);
  return (
    <>
      <Picture session={session} />
      <Terminal session={session} />
    </>
  );
}
