// Logs in IndexedDB: where there are no files to be written in place, in a page or a shared worker. What is appended is
// a record of its own, so that nothing is written twice: by topic, segment, offset and length, so that sizes are known without
// reading any. Those of an earlier version have no length in their key.
import { BrokerError } from '../errors.js';
import { joined } from './pieces.js';
import { hasLocks, takeLock } from './web-lock.js';

const PIECES = 'pieces';
/** Says who writes, where the browser has no locks. No piece has such a key. */
const OWNER = 'owner';

export class IndexedDbStorage {
  #name;
  #opened;
  #lost;
  #lose;

  constructor(name) {
    this.#name = name;
    this.#lost = new Promise((lose) => (this.#lose = lose));
  }

  /**
   * Opens the database of this name, under a lock of the browser: only one place of an origin has it open, until it is closed.
   * With `persist`, the browser is asked not to clear it when it wants room; it may ask whoever sits before it.
   */
  static async open(name = 'shelfmq', { persist = false } = {}) {
    const storage = new IndexedDbStorage(name);
    await storage.#open();
    if (persist) await navigator.storage?.persist?.();
    return storage;
  }

  /** Kept, with an error, once this lost the database: it was deleted, or somebody else took it. */
  get lost() {
    return this.#lost;
  }

  async list() {
    const transaction = await this.#transaction('readonly');
    const store = transaction.objectStore(PIECES);
    const topics = new Map();
    for (const [topic, segment, end, key] of ends(await done(store.getAllKeys(PLACES)))) {
      const segments = topics.get(topic) ?? topics.set(topic, new Map()).get(topic);
      segments.set(segment, end ?? key[2] + (await done(store.get(key))).length);
    }
    return [...topics].map(([topic, segments]) => ({
      topic,
      segments: [...segments].map(([number, size]) => ({ number, size })),
    }));
  }

  async read(topic, segment, offset, length) {
    const store = (await this.#transaction('readonly')).objectStore(PIECES);
    const keys = await done(store.getAllKeys(ofSegment(topic, segment)));
    // A piece ends where the next begins, at the latest.
    const wanted = keys.filter(([, , at, size], index) => {
      const end = size === undefined ? (keys[index + 1]?.[2] ?? Infinity) : at + size;
      return at < offset + length && end > offset;
    });
    if (wanted.length === 0) return new Uint8Array();
    const values = await done(store.getAll(IDBKeyRange.bound(wanted[0], wanted.at(-1))));
    return joined(values.map((value, index) => [wanted[index][2], value]), offset, length);
  }

  async write(changes) {
    const transaction = await this.#transaction('readwrite');
    const committed = new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error ?? this.#gone ?? new Error('the transaction was aborted'));
    });
    // Whoever waits for something else first is told nothing else.
    committed.catch(() => {});
    const pieces = transaction.objectStore(PIECES);
    if (!(await this.#isOwner(pieces))) transaction.abort();
    else for (const change of changes) make(pieces, change);
    await committed;
  }

  async close() {
    const opened = this.#opened;
    this.#opened = undefined;
    const { database, release } = (await opened?.catch(() => {})) ?? {};
    database?.close();
    release?.();
  }

  /** Why the database is not there any more. */
  #gone;

  async #transaction(mode) {
    if (this.#gone) throw this.#gone;
    const { database } = await this.#open();
    return database.transaction(PIECES, mode, { durability: 'strict' });
  }

  #open() {
    this.#opened ??= this.#take().catch((why) => {
      this.#opened = undefined;
      throw why;
    });
    return this.#opened;
  }

  async #take() {
    const what = `the database ${this.#name}`;
    const lock = hasLocks() ? await takeLock(`shelfmq:indexeddb:${this.#name}`, what) : undefined;
    try {
      const request = indexedDB.open(this.#name, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(PIECES);
      const database = await done(request);
      const lose = (why) => {
        this.#gone ??= why;
        database.close();
        this.#lose(this.#gone);
      };
      // Somebody deletes it, or has a later version: neither goes on before this lets go.
      database.onversionchange = () => lose(new BrokerError('STORAGE_LOST', `somebody else changes ${what}`));
      database.onclose = () => lose(new BrokerError('STORAGE_LOST', `the browser closed ${what}: its data may be cleared`));
      lock?.lost.then(lose);
      const owner = lock ? undefined : await this.#own(database, lose, what);
      return { database, owner, release: lock?.release };
    } catch (why) {
      lock?.release();
      throw why;
    }
  }

  /** Where there are no locks, whoever opened it last writes, and who was before is told at the next write. */
  async #own(database, lose, what) {
    const id = crypto.getRandomValues(new Uint32Array(4)).join('-');
    const store = database.transaction(PIECES, 'readwrite').objectStore(PIECES);
    await done(store.put(id, OWNER));
    return { id, lose: () => lose(new BrokerError('STORAGE_LOST', `another page opened ${what}`)) };
  }

  /** Whether nobody else opened it, as far as that is to be asked. */
  async #isOwner(pieces) {
    const { owner } = await this.#open();
    if (!owner) return true;
    const isOwn = (await done(pieces.get(OWNER))) === owner.id;
    if (!isOwn) owner.lose();
    return isOwn;
  }
}

// Of the things that may be a key, arrays come last.
const ofSegment = (topic, segment) => IDBKeyRange.bound([topic, segment], [topic, segment, []]);
const PLACES = globalThis.IDBKeyRange?.lowerBound([]);

/** Of each segment where it ends, and the key of its last piece; an end is known where that key has a length. */
function* ends(keys) {
  for (const [index, key] of keys.entries()) {
    const [topic, segment, offset, length] = key;
    const next = keys[index + 1];
    if (next?.[0] === topic && next[1] === segment) continue;
    yield [topic, segment, length === undefined ? undefined : offset + length, key];
  }
}

/** Makes a change, within a transaction. */
function make(pieces, change) {
  const { topic, segment } = change;
  switch (change.kind) {
    case 'append':
      pieces.put(change.bytes, [topic, segment, change.offset, change.bytes.length]);
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

/** Leaves what stands before this place. */
function cut(pieces, topic, segment, size) {
  const request = pieces.openCursor(ofSegment(topic, segment));
  request.onsuccess = () => {
    const cursor = request.result;
    if (!cursor) return;
    const [, , offset] = cursor.key;
    if (offset + cursor.value.length > size) {
      cursor.delete();
      // Its key says how long it is.
      if (offset < size) pieces.put(cursor.value.slice(0, size - offset), [topic, segment, offset, size - offset]);
    }
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
