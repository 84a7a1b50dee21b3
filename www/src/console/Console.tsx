import type { Session } from '../broker/session.js';

export function Console(_: { session: Session }) {
  return <p>…</p>;
}
