// What tests of storages call in a page; the query says where logs are: indexeddb, in the page, or opfs, in a worker.
import { Broker, Client, MemoryStorage } from '../js/index.js';
import { IndexedDbStorage } from '../js/storage/indexeddb.js';
import { OpfsStorage } from '../js/storage/opfs.js';

const codeOf = (why) => why?.code ?? String(why?.stack ?? why);
const STORAGES = { indexeddb: IndexedDbStorage, opfs: OpfsStorage };

export const verbs = {
  /** Opens a broker; `open`, or the code of the error. */
  open: async ({ place, options, name }) => {
    try {
      verbs.broker = await Broker.open({ storage: await STORAGES[place].open(name), ...options });
      verbs.client = new Client({ fetch: verbs.broker.fetch });
      return 'open';
    } catch (why) {
      return codeOf(why);
    }
  },
  publish: ({ topic = 't', body }) => verbs.client.publish(topic, body).then(() => 'OK', codeOf),
  /** Publishes bodies of so many bytes. */
  fill: async ({ count, bytes, topics = 1 }) => {
    const body = 'x'.repeat(bytes);
    for (let n = 0; n < count; n += 1) await verbs.client.publish(`t${n % topics}`, body);
  },
  bodies: async ({ topic = 't' } = {}) => {
    const found = [];
    for (;;) {
      const answer = await verbs.broker.fetch(`/sub?topic=${topic}&channel=c&max=1000&wait=1s&ack=auto&format=json`);
      if (answer.status === 204) return found;
      found.push(...(await answer.json()).messages.map(({ body }) => body));
    }
  },
  status: async ({ path, method = 'GET', body }) => {
    const answer = await verbs.broker.fetch(path, { method, body });
    return { status: answer.status, retryAfter: answer.headers.has('retry-after') };
  },
  failed: async () => codeOf(await verbs.broker.failed),
  close: () => verbs.broker.close().then(() => 'closed', codeOf),
  /** How many bytes are read of the database while it is opened again. */
  readToOpen: async () => {
    let bytes = 0;
    const count = (value) => (bytes += value?.byteLength ?? 0);
    for (const [of, method] of [[IDBObjectStore, 'get'], [IDBObjectStore, 'getAll'], [IDBObjectStore, 'openCursor']]) {
      const real = of.prototype[method];
      of.prototype[method] = function (...given) {
        const request = real.apply(this, given);
        request.addEventListener('success', () => {
          if (method === 'openCursor') count(request.result?.value);
          else for (const value of [request.result].flat()) count(value);
        });
        return request;
      };
    }
    await verbs.open({ place: 'indexeddb' });
    return bytes;
  },
  /** Has the database as an earlier version made it: pieces without a length in their key. */
  asBefore: async () => {
    const database = await ask(indexedDB.open('shelfmq'));
    const store = database.transaction('pieces', 'readwrite').objectStore('pieces');
    const [keys, values] = [await ask(store.getAllKeys()), await ask(store.getAll())];
    await ask(store.clear());
    for (const [index, key] of keys.entries()) await ask(store.put(values[index], key.slice(0, 3)));
    database.close();
    return keys.length;
  },
  deleteDatabase: async () => {
    await ask(indexedDB.deleteDatabase('shelfmq'));
    return 'deleted';
  },
  /** How many files are open at once at most, from here on, while something is done. */
  countFiles: () => {
    verbs.files = { open: 0, most: 0 };
    const { createSyncAccessHandle } = FileSystemFileHandle.prototype;
    FileSystemFileHandle.prototype.createSyncAccessHandle = async function (...given) {
      const handle = await createSyncAccessHandle.apply(this, given);
      verbs.files.open += 1;
      verbs.files.most = Math.max(verbs.files.most, verbs.files.open);
      const { close } = handle;
      handle.close = () => {
        verbs.files.open -= 1;
        close.call(handle);
      };
      return handle;
    };
  },
  filesOpen: () => verbs.files,
  /** Has a topic's directory in the private file system as an earlier version made it. */
  asBeforeFiles: async ({ topic }) => {
    const root = await (await navigator.storage.getDirectory()).getDirectoryHandle('shelfmq');
    const name = `${topic.replace(/[A-Z]/g, (letter) => `+${letter.toLowerCase()}`)}.topic`;
    const from = await root.getDirectoryHandle(name);
    const to = await root.getDirectoryHandle(`${topic}.topic`, { create: true });
    for (const file of await Array.fromAsync(from.keys())) await (await from.getFileHandle(file)).move(to, file);
    await root.removeEntry(name);
    return Array.fromAsync(root.keys());
  },
  directories: async () => {
    const root = await (await navigator.storage.getDirectory()).getDirectoryHandle('shelfmq');
    return (await Array.fromAsync(root.keys())).sort();
  },
  /** Somebody takes the lock away. */
  steal: async ({ lock }) => {
    navigator.locks.request(lock, { steal: true }, () => new Promise(() => {}));
  },
  forget: async () => {
    const polls = [];
    for (let n = 0; n < 10; n += 1) {
      const broker = await Broker.open({ limits: { msgTimeout: 20 } });
      await broker.fetch('/pub?topic=t', { method: 'POST', body: 'x' });
      await (await broker.fetch('/sub?topic=t&channel=c')).text();
      polls.push(broker.fetch('/sub?topic=t&channel=other&wait=100ms').then(({ status }) => status));
    }
    for (let turn = 0; turn < 30; turn += 1) {
      globalThis.gc();
      await new Promise((done) => setTimeout(done, 10));
    }
    return Promise.all(polls);
  },
  /** A broker whose module has memory for little breaks off; what got its OK is in the storage. */
  exhaust: async ({ module }) => {
    const storage = new MemoryStorage();
    const bytes = Uint8Array.from(atob(module), (char) => char.charCodeAt(0));
    const broker = await Broker.open({ storage, module: bytes, cacheBytes: 2 ** 30 });
    const poll = broker.fetch('/sub?topic=other&channel=c&wait=1h').then(({ status }) => status, codeOf);
    const body = 'x'.repeat(500_000);
    let sure = 0;
    let ended;
    while (ended === undefined) {
      const answer = await broker.fetch('/pub?topic=t', { method: 'POST', body }).catch((why) => (ended = codeOf(why)));
      if (answer.status === 200) sure += 1;
    }
    const told = [ended, await poll, codeOf(await broker.failed), await broker.fetch('/ping').catch(codeOf)];
    await broker.close();
    verbs.broker = await Broker.open({ storage });
    return { told, sure, found: (await verbs.bodies()).length };
  },
};

function ask(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error('blocked'));
  });
}

if (globalThis.document) {
  const worker = location.search === '?worker' ? new Worker('ground.js', { type: 'module' }) : undefined;
  let last = 0;
  globalThis.call = (verb, given) => {
    if (!worker) return verbs[verb](given ?? {});
    return new Promise((done) => {
      last += 1;
      const id = last;
      worker.addEventListener('message', ({ data }) => data.id === id && done(data.value));
      worker.postMessage({ id, verb, given });
    });
  };
  globalThis.ready = true;
} else {
  self.addEventListener('message', async ({ data: { id, verb, given } }) => {
    self.postMessage({ id, value: await Promise.resolve(verbs[verb](given ?? {})).catch(codeOf) });
  });
}
