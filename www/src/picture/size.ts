// How large a body is that is no text.
import type { Message } from '../broker/api.js';

/** A message of which only the beginning may be here. */
export interface Sized extends Message {
  /** How many bytes its body has, where not all of them are here. */
  size?: number;
}

/** How many bytes this is in base64. */
export function bytesIn(base64: string): number {
  return Math.floor((base64.replace(/=+$/, '').length * 3) / 4);
}
