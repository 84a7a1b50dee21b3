import type { Session } from '../broker/session.js';

export function Terminal(_: { session: Session }) {
  return <p>…</p>;
}
