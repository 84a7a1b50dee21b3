import type { Play } from '../broker/play.js';
import type { Session } from '../broker/session.js';

export function Playground(_: { session: Session; play: Play }) {
  return <p>…</p>;
}
