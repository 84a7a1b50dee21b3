// What is kept in IndexedDB beside the broker's storage: a few values (the time, the speed, who publishes and consumes),
// and what happened.
import { inMemory, type Bytes, type Piece, type Pieces } from './recorded.js';

const STORE = 'values';
const PIECES = 'recorded';
/** What is wanted of a database was another before. */
const VERSION = 2;

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

export interface Kept {
  readonly recorded: Pieces;
  get<T>(key: string): Promise<T | undefined>;
  set(key: string, value: unknown): Promise<void>;
}

export async function openKept(name: string): Promise<Kept> {
  const request = indexedDB.open(name, VERSION);
  request.onupgradeneeded = () => {
    const { result } = request;
    for (const store of [STORE, PIECES]) if (!result.objectStoreNames.contains(store)) result.createObjectStore(store);
  };
  const database = await done(request);
  const store = (mode: IDBTransactionMode) => database.transaction(STORE, mode).objectStore(STORE);
  return {
    recorded: pieces(database),
    get: <T>(key: string) => done<T | undefined>(store('readonly').get(key)),
    set: async (key, value) => {
      await done(store('readwrite').put(value, key));
    },
  };
}

/** All that is known of a piece is its key, so that nothing has to be read for it. */
function pieces(database: IDBDatabase): Pieces {
  const keyOf = ({ run, part, at, length, begun }: Piece) => [run, part, at, length, begun];
  const pieceOf = (key: IDBValidKey) => {
    const [run, part, at, length, begun] = key as [number, number, number, number, number];
    return { run, part, at, length, begun };
  };
  const store = (mode: IDBTransactionMode) => database.transaction(PIECES, mode).objectStore(PIECES);
  return {
    list: async () => (await done(store('readonly').getAllKeys())).map(pieceOf),
    before: async (run) => {
      const [all, range] = [store('readonly'), IDBKeyRange.upperBound([run])];
      const [keys, bytes] = await Promise.all([done(all.getAllKeys(range)), done<Bytes[]>(all.getAll(range))]);
      return keys.map((key, n) => ({ piece: pieceOf(key), bytes: bytes[n]! }));
    },
    change: async (gone, put) => {
      const all = store('readwrite');
      for (const piece of gone) all.delete(keyOf(piece));
      if (put) all.put(put.bytes, keyOf(put.piece));
      await new Promise<void>((resolve, reject) => {
        all.transaction.oncomplete = () => resolve();
        all.transaction.onabort = () => reject(all.transaction.error);
      });
    },
  };
}

/** Where nothing can be kept. */
export function forgetful(): Kept {
  const values = new Map<string, unknown>();
  return {
    recorded: inMemory(),
    get: async <T>(key: string) => values.get(key) as T | undefined,
    set: async (key, value) => void values.set(key, value),
  };
}
