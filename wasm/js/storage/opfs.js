// Logs in the origin's private file system, from a dedicated worker: only there, files can be written in place.
import { directoryOf, fileOf, segmentOf, unfolded } from './names.js';
import { takeLock } from './web-lock.js';

/** How many files are open at most. */
const FILES = 64;

export class OpfsStorage {
  #root;
  /** Open files, by topic and segment, the one used last at the end. */
  #open = new Map();
  #lock;
  /** The lock, once it is taken. */
  #taken;
  #lost;
  #lose;

  /** @param lock takes the lock; none where nobody else can have the directory */
  constructor(root, lock) {
    this.#root = root;
    this.#lock = lock;
    this.#lost = new Promise((lose) => (this.#lose = lose));
  }

  /**
   * Opens a directory of this name at the root of the private file system, under a lock of the browser: only one place of an
   * origin has it open, until it is closed.
   */
  static async open(name = 'shelfmq') {
    const top = await navigator.storage.getDirectory();
    const root = await top.getDirectoryHandle(name, { create: true });
    const storage = new OpfsStorage(root, () => takeLock(`shelfmq:opfs:${name}`, `the directory ${name}`));
    await storage.#take();
    return storage;
  }

  /** Kept, with an error, once somebody else took the directory. */
  get lost() {
    return this.#lost;
  }

  async list() {
    await this.#take();
    const found = [];
    await this.#tidy();
    for await (const [name, handle] of this.#root) {
      const topic = handle.kind === 'directory' ? unfolded(name) : undefined;
      if (topic === undefined) continue;
      const segments = [];
      for await (const file of handle.keys()) {
        const number = segmentOf(file);
        // It may have been forgotten meanwhile.
        const opened = number === undefined ? undefined : await this.#file(topic, number).catch(ignoreMissing);
        if (opened) segments.push({ number, size: opened.getSize() });
      }
      found.push({ topic, segments });
    }
    return found;
  }

  async read(topic, segment, offset, length) {
    await this.#take();
    const file = await this.#file(topic, segment);
    const bytes = new Uint8Array(Math.max(0, Math.min(length, file.getSize() - offset)));
    return bytes.subarray(0, file.read(bytes, { at: offset }));
  }

  async write(changes) {
    await this.#take();
    const failures = new Map();
    for (const change of changes) {
      // What comes after something that could not be written would stand behind a hole.
      if (failures.has(change.topic)) continue;
      try {
        await this.#write(change);
      } catch (error) {
        failures.set(change.topic, error);
      }
    }
    for (const open of this.#open.values()) {
      if (!open.dirty || failures.has(open.topic)) continue;
      try {
        flush(open);
      } catch (error) {
        failures.set(open.topic, error);
      }
    }
    if (failures.size === 0) return;
    const [[topic, cause]] = failures;
    const error = new Error(`${topic}: ${cause.message}`, { cause });
    throw Object.assign(error, { failures: [...failures].map(([topic, error]) => ({ topic, error })) });
  }

  async close() {
    for (const [key, open] of [...this.#open]) this.#let(key, open);
    const taken = this.#taken;
    this.#taken = undefined;
    (await taken?.catch(() => {}))?.release();
  }

  #take() {
    if (!this.#lock) return undefined;
    this.#taken ??= this.#lock().then(
      (lock) => {
        lock.lost.then((why) => {
          // What is open belongs to somebody else by now.
          for (const [key, open] of [...this.#open]) this.#let(key, open);
          this.#taken = Promise.reject(why);
          this.#taken.catch(() => {});
          this.#lose(why);
        });
        return lock;
      },
      (why) => {
        this.#taken = undefined;
        throw why;
      },
    );
    return this.#taken;
  }

  async #write(change) {
    const { topic, segment } = change;
    switch (change.kind) {
      case 'append': {
        const open = await this.#opened(topic, segment, { create: true });
        open.dirty = true;
        if (open.file.write(change.bytes, { at: change.offset }) < change.bytes.length) {
          throw new DOMException('the private file system has no room', 'QuotaExceededError');
        }
        break;
      }
      case 'cut': {
        const open = await this.#opened(topic, segment);
        open.dirty = true;
        open.file.truncate(change.size);
        break;
      }
      case 'drop':
        await this.#remove(topic, (number) => number === segment);
        break;
      case 'forget':
        await this.#remove(topic, (number) => number < change.before);
        break;
      case 'delete':
        await this.#remove(topic, () => true);
        await this.#root.removeEntry(directoryOf(topic), { recursive: true }).catch(ignoreMissing);
        break;
    }
  }

  /**
   * Directories of an earlier version have their capitals as they are, and some browsers keep names in a file system that folds
   * them together: the files move to a directory of the name that this version gives. In their order, so that what a crash
   * leaves is gone on with.
   */
  async #tidy() {
    const old = [];
    for await (const [name, handle] of this.#root) {
      const topic = handle.kind === 'directory' ? unfolded(name) : undefined;
      if (topic !== undefined && name !== directoryOf(topic)) old.push([name, handle, topic]);
    }
    for (const [name, from, topic] of old) {
      const to = await this.#root.getDirectoryHandle(directoryOf(topic), { create: true });
      const files = [];
      for await (const file of from.keys()) files.push(file);
      for (const file of files.sort()) await (await from.getFileHandle(file)).move(to, file);
      await this.#root.removeEntry(name);
    }
  }

  async #file(topic, segment) {
    return (await this.#opened(topic, segment)).file;
  }

  /** One after another: a file can be opened only once. */
  #opened(topic, segment, how) {
    const opened = this.#opening.then(() => this.#find(topic, segment, how));
    this.#opening = opened.catch(() => {});
    return opened;
  }

  #opening = Promise.resolve();

  async #find(topic, segment, how) {
    const key = `${segment}/${topic}`;
    let open = this.#open.get(key);
    if (!open) {
      const directory = await this.#root.getDirectoryHandle(directoryOf(topic), how);
      const handle = await directory.getFileHandle(fileOf(segment), how);
      // The one that was not used for longest goes, but for one that was written to just now.
      for (const [key, old] of [...this.#open].filter(([, old]) => !old.dirty).slice(0, Math.max(0, this.#open.size + 1 - FILES))) {
        this.#let(key, old);
      }
      open = { topic, file: await handle.createSyncAccessHandle(), dirty: false };
    }
    this.#open.delete(key);
    this.#open.set(key, open);
    return open;
  }

  #let(key, { file }) {
    this.#open.delete(key);
    file.close();
  }

  async #remove(topic, isToGo) {
    const directory = await this.#root.getDirectoryHandle(directoryOf(topic)).catch(ignoreMissing);
    if (!directory) return;
    const numbers = [];
    for await (const name of directory.keys()) numbers.push(segmentOf(name));
    // In their order: a crash may leave no gap.
    const gone = numbers.filter((number) => number !== undefined && isToGo(number)).sort((one, other) => one - other);
    for (const number of gone) {
      const key = `${number}/${topic}`;
      const open = this.#open.get(key);
      if (open) this.#let(key, open);
      await directory.removeEntry(fileOf(number));
    }
  }
}

function flush(open) {
  open.file.flush();
  open.dirty = false;
}

function ignoreMissing(why) {
  if (why.name !== 'NotFoundError') throw why;
}
