// The bodies of messages, made readable.
import type { Message } from '../broker/api.js';

const encoder = new TextEncoder();

/** A message's body. */
export interface Body {
  bytes: Uint8Array;
  /** Where it is UTF-8. */
  text?: string;
}

const unpacked = new WeakMap<object, Body>();

/** A message's body; unpacked once, however often the message is drawn. */
export function bodyOf(message: Pick<Message, 'body' | 'body_base64'>): Body {
  const known = unpacked.get(message);
  if (known) return known;
  const { body: text, body_base64: packed = '' } = message;
  const body =
    text === undefined ? { bytes: Uint8Array.from(atob(packed), (char) => char.charCodeAt(0)) } : { bytes: encoder.encode(text), text };
  unpacked.set(message, body);
  return body;
}

export function isJson(text: string): boolean {
  if (!/^\s*[[{]/.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[[\]{}:,]|[^\s[\]{}:,"]+/g;

/**
 * JSON with a line for each part; undefined for what is no object and no list. Only white space is changed: numbers
 * that are too large for JavaScript keep all their digits.
 */
export function prettyJson(text: string): string | undefined {
  if (!isJson(text)) return undefined;
  const tokens = text.match(TOKEN) ?? [];
  let out = '';
  let depth = 0;
  const line = () => `\n${'  '.repeat(depth)}`;
  tokens.forEach((token, i) => {
    if (token === '}' || token === ']') {
      depth -= 1;
      const isEmpty = tokens[i - 1] === '{' || tokens[i - 1] === '[';
      out += isEmpty ? token : line() + token;
    } else if (token === '{' || token === '[') {
      depth += 1;
      const isEmpty = tokens[i + 1] === '}' || tokens[i + 1] === ']';
      out += isEmpty ? token : token + line();
    } else if (token === ',') out += token + line();
    else out += token === ':' ? ': ' : token;
  });
  return out;
}

/** Bytes as hexadecimal digits and as ASCII, 16 a line: `00000000  68 69 …  hi…`. */
export function hexDump(bytes: Uint8Array, most = 4_096): string {
  const lines: string[] = [];
  for (let from = 0; from < Math.min(bytes.length, most); from += 16) {
    const row = [...bytes.subarray(from, Math.min(from + 16, most))];
    const hex = row.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const ascii = row.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '.')).join('');
    lines.push(`${from.toString(16).padStart(8, '0')}  ${hex.padEnd(47)}  ${ascii}`);
  }
  return lines.join('\n');
}

/** The beginning of a body in one line. */
export function preview({ text, bytes }: Body, most = 120): string {
  if (text !== undefined) return text.slice(0, most).replace(/\s+/g, ' ');
  return [...bytes.subarray(0, 16)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
}

/** The id after this one, as the API writes ids. */
export function nextId(id: string): string {
  return (BigInt(`0x${id}`) + 1n).toString(16).padStart(16, '0');
}

/** A length of time as the API takes it: `500ms`, `30s`, `5m`, `2h`, `7d`. */
export function durationParam(ms: number): string {
  const units: [string, number][] = [['d', 86_400_000], ['h', 3_600_000], ['m', 60_000], ['s', 1_000]];
  const unit = units.find(([, length]) => ms > 0 && ms % length === 0);
  return unit ? `${ms / unit[1]}${unit[0]}` : ms === 0 ? '0' : `${ms}ms`;
}
