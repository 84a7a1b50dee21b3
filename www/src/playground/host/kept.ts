// A few values in IndexedDB: the time, the speed, who publishes and consumes.

const STORE = 'values';

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

export interface Kept {
  get<T>(key: string): Promise<T | undefined>;
  set(key: string, value: unknown): Promise<void>;
}

export async function openKept(name: string): Promise<Kept> {
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE);
  const database = await done(request);
  const store = (mode: IDBTransactionMode) => database.transaction(STORE, mode).objectStore(STORE);
  return {
    get: <T>(key: string) => done<T | undefined>(store('readonly').get(key)),
    set: async (key, value) => {
      await done(store('readwrite').put(value, key));
    },
  };
}

/** Where nothing can be kept. */
export function forgetful(): Kept {
  const values = new Map<string, unknown>();
  return {
    get: async <T>(key: string) => values.get(key) as T | undefined,
    set: async (key, value) => void values.set(key, value),
  };
}
