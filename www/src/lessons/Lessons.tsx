import type { Session } from '../broker/session.js';

export function Lessons(_: { session: Session }) {
  return <p>…</p>;
}
