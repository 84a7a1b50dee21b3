// A whole playground as bytes: topics with their messages, the time, who publishes and consumes. Numbers are big endian.
//
//   magic "shelfpg\x01"   8
//   checksum              4   CRC-32 of all that follows
//   head's length         4
//   head                  …   JSON
//   for each log: length  4
//                 log     …   as `shelfmq log export` has it
import { BEHAVIOURS } from '../../broker/play.js';
import type { Cast } from './actors.js';

const MAGIC = new TextEncoder().encode('shelfpg\x01');
const HEAD = MAGIC.length + 8;
/** No state of a page has more. */
const MOST_BYTES = 256 * 1024 * 1024;
const MOST_PARTS = 10_000;

type Bytes = Uint8Array<ArrayBuffer>;

export interface State {
  now: number;
  speed: number;
  cast: Cast;
  logs: Bytes[];
}

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit += 1) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

export function crc32(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) crc = (crc >>> 8) ^ TABLE[(crc ^ byte) & 0xff]!;
  return ~crc >>> 0;
}

/** Whether these bytes say that they are a state. */
export function isState(bytes: Uint8Array): boolean {
  return MAGIC.every((byte, at) => bytes[at] === byte);
}

export function writeState({ logs, ...head }: State): Bytes {
  const json = new TextEncoder().encode(JSON.stringify(head));
  const parts = [json, ...logs];
  const size = parts.reduce((sum, part) => sum + 4 + part.length, HEAD - 4);
  if (size > MOST_BYTES) throw new Error('this is more than one file is to have: export topics one by one');
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  let at = HEAD - 4;
  for (const part of parts) {
    view.setUint32(at, part.length);
    bytes.set(part, at + 4);
    at += 4 + part.length;
  }
  view.setUint32(MAGIC.length, crc32(bytes.subarray(HEAD - 4)));
  return bytes;
}

export function readState(bytes: Bytes): State {
  const bad = (why: string) => new Error(`this is no state of a playground: ${why}`);
  if (!isState(bytes)) throw bad('it begins otherwise, or is of another version');
  if (bytes.length > MOST_BYTES || bytes.length < HEAD) throw bad('its size makes no sense');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (crc32(bytes.subarray(HEAD - 4)) !== view.getUint32(MAGIC.length)) throw bad('it is damaged');
  const parts: Bytes[] = [];
  for (let at = HEAD - 4; at < bytes.length; ) {
    const size = at + 4 <= bytes.length ? view.getUint32(at) : Infinity;
    if (at + 4 + size > bytes.length || parts.length > MOST_PARTS) throw bad('its parts make no sense');
    parts.push(bytes.subarray(at + 4, at + 4 + size));
    at += 4 + size;
  }
  const [head, ...logs] = parts;
  try {
    return { ...checkedHead(JSON.parse(new TextDecoder().decode(head))), logs };
  } catch {
    throw bad('its head makes no sense');
  }
}

/** A head as it should be; throws where it is not. */
function checkedHead(head: unknown): Omit<State, 'logs'> {
  const { now, speed, cast } = head as Omit<State, 'logs'>;
  const number = (value: unknown, least: number, most: number) => {
    if (typeof value !== 'number' || !(value >= least && value <= most)) throw new Error();
    return value;
  };
  const text = (value: unknown) => {
    if (typeof value !== 'string' || !/^[\w.#-]{1,80}$/.test(value)) throw new Error();
    return value;
  };
  if (cast.consumers.length + cast.producers.length > 200) throw new Error();
  const id = (value: unknown) => number(value, 0, 1e9);
  const consumers = cast.consumers.map((one) => {
    if (!BEHAVIOURS.includes(one.behaviour)) throw new Error();
    const more = { ...(one.name === undefined ? {} : { name: text(one.name) }), ...(one.timeout === undefined ? {} : { timeout: text(one.timeout) }) };
    return { id: id(one.id), topic: text(one.topic), channel: text(one.channel), behaviour: one.behaviour, ...more };
  });
  const producers = cast.producers.map((one) => ({
    id: id(one.id),
    topic: text(one.topic),
    rate: number(one.rate, 0, 5_000),
    keys: number(one.keys ?? 0, 0, 26),
    published: number(one.published, 0, 1e15),
  }));
  return { now: number(now, 0, 8e15), speed: number(speed, 0, 1_000), cast: { last: id(cast.last), consumers, producers } };
}
