// A storage in memory: for tests, and as the shortest example of one.

export class MemoryStorage {
  /** Topics, with their segments: number to bytes. */
  #topics = new Map();

  async list() {
    return [...this.#topics].map(([topic, segments]) => ({
      topic,
      segments: [...segments].map(([number, bytes]) => ({ number, size: bytes.length })),
    }));
  }

  async read(topic, segment, offset, length) {
    const bytes = this.#topics.get(topic)?.get(segment);
    if (!bytes) throw new Error(`segment ${segment} of ${topic} is not there`);
    return bytes.slice(offset, offset + length);
  }

  async write(changes) {
    for (const change of changes) this.#make(change);
  }

  async close() {}

  #make(change) {
    const segments = this.#topics.get(change.topic) ?? new Map();
    const old = segments.get(change.segment) ?? new Uint8Array();
    switch (change.kind) {
      case 'append': {
        const bytes = new Uint8Array(Math.max(old.length, change.offset + change.bytes.length));
        bytes.set(old);
        bytes.set(change.bytes, change.offset);
        segments.set(change.segment, bytes);
        this.#topics.set(change.topic, segments);
        break;
      }
      case 'cut':
        segments.set(change.segment, old.slice(0, change.size));
        break;
      case 'drop':
        segments.delete(change.segment);
        break;
      case 'forget':
        for (const number of [...segments.keys()]) if (number < change.before) segments.delete(number);
        break;
      case 'delete':
        this.#topics.delete(change.topic);
        break;
    }
  }
}
