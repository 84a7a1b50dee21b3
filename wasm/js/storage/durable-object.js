// Logs in the key-value storage of a Durable Object, and of whatever has the same four methods. What is appended is
// cut into pieces that a value has room for.
import { joined, listed } from './pieces.js';

/** The largest piece, in bytes: a value has at most 128 KiB. */
const PIECE_BYTES = 120 * 1024;
/** How many keys one call may name. */
const KEYS = 128;

const hex = (number, digits) => number.toString(16).padStart(digits, '0');
// No topic's name has a slash in it. Keys are in the order of topics, segments, offsets.
const keyOf = (topic, segment, offset) => `log/${topic}/${hex(segment, 8)}/${hex(offset, 12)}`;
/** Topic, segment and offset of a key. */
const placeOf = (key) => {
  const [, topic, segment, offset] = key.split('/');
  return [topic, Number.parseInt(segment, 16), Number.parseInt(offset, 16)];
};

export class DurableObjectStorage {
  #storage;

  /** @param storage a Durable Object's `ctx.storage` */
  constructor(storage) {
    this.#storage = storage;
  }

  async list() {
    const found = await this.#storage.list({ prefix: 'log/' });
    return listed([...found].map(([key, bytes]) => [...placeOf(key), bytes]));
  }

  async read(topic, segment, offset, length) {
    const found = await this.#storage.list({ prefix: `log/${topic}/${hex(segment, 8)}/` });
    return joined([...found].map(([key, bytes]) => [placeOf(key)[2], bytes]), offset, length);
  }

  async write(changes) {
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
          await this.#remove({ prefix: `log/${topic}/${hex(segment, 8)}/` });
          break;
        case 'forget':
          await this.#remove({ prefix: `log/${topic}/`, end: keyOf(topic, change.before, 0) });
          break;
        case 'delete':
          await this.#remove({ prefix: `log/${topic}/` });
          break;
      }
    }
  }

  async close() {}

  async #cut(topic, segment, size) {
    for (const [key, value] of await this.#storage.list({ prefix: `log/${topic}/${hex(segment, 8)}/` })) {
      const [, , offset] = placeOf(key);
      if (offset >= size) await this.#storage.delete(key);
      else if (offset + value.length > size) await this.#storage.put(key, value.slice(0, size - offset));
    }
  }

  async #remove(range) {
    const keys = [...(await this.#storage.list(range)).keys()];
    for (let at = 0; at < keys.length; at += KEYS) await this.#storage.delete(keys.slice(at, at + KEYS));
  }
}
