// Logs in the key-value storage of a Durable Object, and of whatever has the same four methods. What is appended is
// cut into pieces that a value has room for.
import { inUse } from '../errors.js';
import { joined } from './pieces.js';

/** The largest piece, in bytes: a value has at most 128 KiB. */
const PIECE_BYTES = 120 * 1024;
/** How many pieces are read at once: an object has 128 MB of memory in all. */
const PIECES = 32;

/** Objects' storages that are in use. All copies of this package in one place share it. */
const TAKEN = (globalThis[Symbol.for('shelfmq.durable-objects')] ??= new WeakMap());

const hex = (number, digits) => number.toString(16).padStart(digits, '0');
// No topic's name has a slash in it. Keys are in the order of topics, segments, offsets.
const keyOf = (topic, segment, offset) => `log/${topic}/${hex(segment, 8)}/${hex(offset, 12)}`;
/** Topic, segment and offset of a key. */
const placeOf = (key) => {
  const [, topic, segment, offset] = key.split('/');
  return [topic, Number.parseInt(segment, 16), Number.parseInt(offset, 16)];
};

/** What comes after all keys that begin so. */
const after = (prefix) => `${prefix.slice(0, -1)}0`;
const ofSegment = (topic, segment) => `log/${topic}/${hex(segment, 8)}/`;

export class DurableObjectStorage {
  #storage;

  /**
   * @param storage a Durable Object's `ctx.storage`. Nothing is to be woken in it by an alarm: an object that is evicted has
   *   nobody who waits, and what is due by then is done when it is asked the next time.
   */
  constructor(storage) {
    this.#storage = storage;
  }

  async list() {
    this.#take();
    const topics = new Map();
    // From segment to segment: of each, one piece at its beginning and one at its end is read, however long it is.
    for (let start = 'log/'; ; ) {
      const [first] = await this.#storage.list({ start, end: after('log/'), limit: 1 });
      if (!first) break;
      const [topic, segment] = placeOf(first[0]);
      const prefix = ofSegment(topic, segment);
      const [[key, bytes]] = await this.#storage.list({ prefix, reverse: true, limit: 1 });
      const segments = topics.get(topic) ?? topics.set(topic, []).get(topic);
      segments.push({ number: segment, size: placeOf(key)[2] + bytes.length });
      start = after(prefix);
    }
    return [...topics].map(([topic, segments]) => ({ topic, segments }));
  }

  async read(topic, segment, offset, length) {
    this.#take();
    // No piece is longer, so that the one with the first byte begins no earlier.
    const start = keyOf(topic, segment, Math.max(0, offset - PIECE_BYTES));
    const end = keyOf(topic, segment, offset + length);
    const found = await this.#storage.list({ start, end: end < after(ofSegment(topic, segment)) ? end : after(ofSegment(topic, segment)) });
    return joined([...found].map(([key, bytes]) => [placeOf(key)[2], bytes]), offset, length);
  }

  async write(changes) {
    this.#take();
    for (const change of changes) {
      const { topic, segment } = change;
      switch (change.kind) {
        case 'append':
          for (let at = 0; at < change.bytes.length; at += PIECE_BYTES) {
            const piece = change.bytes.slice(at, at + PIECE_BYTES);
            await this.#storage.put(keyOf(topic, segment, change.offset + at), piece);
          }
          break;
        case 'cut':
          await this.#cut(topic, segment, change.size);
          break;
        case 'drop':
          await this.#remove(ofSegment(topic, segment), after(ofSegment(topic, segment)));
          break;
        case 'forget':
          await this.#remove(`log/${topic}/`, ofSegment(topic, change.before));
          break;
        case 'delete':
          await this.#remove(`log/${topic}/`, after(`log/${topic}/`));
          break;
      }
    }
  }

  async close() {
    if (TAKEN.get(this.#storage) === this) TAKEN.delete(this.#storage);
  }

  letGo() {
    return this.close();
  }

  /** From the first call on nobody else has it, until it is closed. */
  #take() {
    const by = TAKEN.get(this.#storage);
    if (by === this) return;
    if (by) throw inUse('the storage of this object');
    TAKEN.set(this.#storage, this);
  }

  async #cut(topic, segment, size) {
    const start = keyOf(topic, segment, Math.max(0, size - PIECE_BYTES));
    for (const [key, value] of await this.#storage.list({ start, end: keyOf(topic, segment, size) })) {
      const [, , offset] = placeOf(key);
      if (offset + value.length > size) await this.#storage.put(key, value.slice(0, size - offset));
    }
    await this.#remove(keyOf(topic, segment, size), after(ofSegment(topic, segment)));
  }

  async #remove(start, end) {
    for (;;) {
      const keys = [...(await this.#storage.list({ start, end, limit: PIECES })).keys()];
      if (keys.length > 0) await this.#storage.delete(keys);
      if (keys.length < PIECES) return;
    }
  }
}
