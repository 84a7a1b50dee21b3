import type { Session } from '../broker/session.js';

export function Picture(_: { session: Session }) {
  return <p>…</p>;
}
