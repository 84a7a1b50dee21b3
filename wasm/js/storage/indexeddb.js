// Logs in IndexedDB: where there are no files to be written in place, in a page or a shared worker. What is appended is
// a record of its own, by topic, segment and offset, so that nothing is written twice.

import { joined, listed } from './pieces.js';

const PIECES = 'pieces';

export class IndexedDbStorage {
  #database;

  constructor(database) {
    this.#database = database;
  }

  /** Opens the database of this name. Only one broker may have it open at a time. */
  static async open(name = 'shelfmq') {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(PIECES);
    return new IndexedDbStorage(await done(request));
  }

  async list() {
    const places = [];
    await this.#each(undefined, ({ key, value }) => places.push([...key, value]));
    return listed(places);
  }

  async read(topic, segment, offset, length) {
    const pieces = [];
    await this.#each(ofSegment(topic, segment), ({ key: [, , at], value }) => pieces.push([at, value]));
    return joined(pieces, offset, length);
  }

  async write(changes) {
    const transaction = this.#database.transaction(PIECES, 'readwrite', { durability: 'strict' });
    const committed = new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error ?? new Error('the transaction was aborted'));
    });
    const pieces = transaction.objectStore(PIECES);
    for (const change of changes) {
      const { topic, segment } = change;
      switch (change.kind) {
        case 'append':
          pieces.put(change.bytes, [topic, segment, change.offset]);
          break;
        case 'cut':
          cut(pieces, topic, segment, change.size);
          break;
        case 'drop':
          pieces.delete(ofSegment(topic, segment));
          break;
        case 'forget':
          pieces.delete(IDBKeyRange.bound([topic], [topic, change.before], false, true));
          break;
        case 'delete':
          pieces.delete(IDBKeyRange.bound([topic], [topic, []]));
          break;
      }
    }
    await committed;
  }

  async close() {
    this.#database.close();
  }

  /** Calls back with each record of a range. */
  #each(range, call) {
    return new Promise((resolve, reject) => {
      const request = this.#database.transaction(PIECES).objectStore(PIECES).openCursor(range);
      request.onerror = () => reject(request.error);
      request.onsuccess = () => {
        const cursor = request.result;
        if (!cursor) return resolve();
        call(cursor);
        cursor.continue();
      };
    });
  }
}

// Of the things that may be a key, arrays come last.
const ofSegment = (topic, segment) => IDBKeyRange.bound([topic, segment], [topic, segment, []]);

/** Leaves what stands before this place. */
function cut(pieces, topic, segment, size) {
  const request = pieces.openCursor(ofSegment(topic, segment));
  request.onsuccess = () => {
    const cursor = request.result;
    if (!cursor) return;
    const [, , offset] = cursor.key;
    if (offset >= size) cursor.delete();
    else if (offset + cursor.value.length > size) cursor.update(cursor.value.slice(0, size - offset));
    cursor.continue();
  };
}

function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error('another page has an older version of the database open'));
  });
}
