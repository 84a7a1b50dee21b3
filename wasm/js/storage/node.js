// Logs as files, in Node: a data directory as the server has it, with its lock, so that either opens what the other wrote, and
// neither writes beside the other.
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { directoryOf, fileOf, folded, segmentOf, unfolded } from './names.js';
import { lockDirectory, lockFile } from './node-lock.js';

/** How many files are open at most to be written to, and how many to be read. */
const FILES = 64;
const READS = 16;
/** How many bytes a segment begins with that say which one it is. */
const HEADER_BYTES = 44;
/** What the server's files and directories end with that are being made or removed: see server/src/disk/dir.rs. */
const [COUNTS, MAKING, DELETED] = ['.log.new', '.log.tmp', '.deleted'];
/** Errors of file systems, and of systems, that cannot sync a directory: then names are as durable as they make them. */
const NO_DIRECTORY_SYNC = new Set(['EINVAL', 'EPERM', 'EISDIR', 'EACCES', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EBADF']);
const NO_FILES_LEFT = new Set(['EMFILE', 'ENFILE']);

/** Some topics could not be written: `failures` says which, and why. All others were. */
class WriteError extends Error {
  constructor(failures) {
    super(`${failures.map(({ topic }) => topic).join(', ')}: ${failures[0].error.message}`, { cause: failures[0].error });
    this.name = 'WriteError';
    this.code = failures[0].error.code;
    this.failures = failures;
  }
}

export class FileStorage {
  #path;
  #topics;
  /** The locks, once they are taken. */
  #taken;
  /** Files that are open to be written to, by topic, the one used last at the end; `dirty` was not synced. */
  #open = new Map();
  /** Directories whose names were not synced since something in them was made, by the topic that waits for it. */
  #unsynced = new Map();
  #reads = turns(READS);
  #removed = 0;

  /**
   * @param {string} path the data directory; it is made where it is not there. From the first call on it is locked, until it is
   *   closed.
   */
  constructor(path) {
    this.#path = path;
    this.#topics = join(path, 'topics');
  }

  async list() {
    await this.#take();
    const found = [];
    for (const { topic, path } of await this.#directories()) {
      const segments = [];
      for (const name of await readdir(path)) {
        const number = segmentOf(name);
        if (number !== undefined) segments.push({ number, size: (await stat(join(path, name))).size });
      }
      found.push({ topic, segments });
    }
    return found;
  }

  async read(topic, segment, offset, length) {
    await this.#take();
    return this.#reads(() => readFrom(this.#file(topic, segment), offset, length));
  }

  async write(changes) {
    await this.#take();
    const failures = new Map();
    for (const change of changes) {
      // What comes after something that could not be written would stand behind a hole.
      if (failures.has(change.topic)) continue;
      try {
        await this.#write(change, failures);
      } catch (error) {
        failures.set(change.topic, error);
      }
    }
    await this.#sync(failures);
    if (failures.size === 0) return;
    for (const topic of failures.keys()) await this.#drop(topic);
    throw new WriteError([...failures].map(([topic, error]) => ({ topic, error })));
  }

  async close() {
    const taken = this.#taken;
    this.#taken = undefined;
    for (const topic of [...this.#open.keys()]) await this.#drop(topic);
    for (const lock of (await taken?.catch(() => [])) ?? []) await lock?.close();
  }

  /** The lock was taken by a call, and nobody may know that it is there to be closed. */
  letGo() {
    return this.close();
  }

  async #write(change, failures) {
    const { topic, segment } = change;
    switch (change.kind) {
      case 'append': {
        const open = await this.#opened(topic, segment, failures);
        open.dirty = true;
        for (let at = 0; at < change.bytes.length; ) {
          at += (await open.file.write(change.bytes, at, change.bytes.length - at, change.offset + at)).bytesWritten;
        }
        break;
      }
      case 'cut': {
        const open = await this.#opened(topic, segment, failures);
        open.dirty = true;
        await open.file.truncate(change.size);
        break;
      }
      case 'drop':
        await this.#let(topic);
        await rm(this.#file(topic, segment), { force: true });
        break;
      case 'forget': {
        // What stays is durable: it was written by an earlier call. In their order, for a crash may leave no gap.
        const numbers = (await readdir(this.#directory(topic)).catch(ignoreMissing(() => []))).map(segmentOf);
        const gone = numbers.filter((number) => number < change.before).sort((one, other) => one - other);
        for (const number of gone) await rm(this.#file(topic, number), { force: true });
        break;
      }
      case 'delete':
        await this.#drop(topic);
        this.#unsynced.delete(topic);
        await this.#delete(topic);
        break;
    }
  }

  /** All that was written is durable, and the names by which it is found. */
  async #sync(failures) {
    const failing = (topic) => (error) => failures.set(topic, error);
    const dirty = [...this.#open].filter(([topic, open]) => open.dirty && !failures.has(topic));
    await Promise.all(dirty.map(([topic, open]) => synced(open).catch(failing(topic))));
    let topics;
    for (const [topic, directories] of this.#unsynced) {
      if (failures.has(topic)) continue;
      try {
        for (const directory of directories) {
          if (directory === this.#topics) await (topics ??= syncNames(directory));
          else await syncNames(directory);
        }
        this.#unsynced.delete(topic);
      } catch (error) {
        failures.set(topic, error);
      }
    }
  }

  /** Takes a topic's directory out of the way first: what is left of it after a crash in between is no topic. */
  async #delete(topic) {
    for (;;) {
      this.#removed += 1;
      const gone = join(this.#topics, `${folded(topic)}.${this.#removed}${DELETED}`);
      try {
        await rename(this.#directory(topic), gone);
      } catch (why) {
        if (why.code === 'ENOENT') return;
        if (['ENOTEMPTY', 'EEXIST'].includes(why.code)) continue;
        throw why;
      }
      await syncNames(this.#topics);
      // What stays of it is removed when the directory is opened the next time.
      await rm(gone, { recursive: true, force: true }).catch(() => {});
      return;
    }
  }

  #directory(topic) {
    return join(this.#topics, directoryOf(topic));
  }

  #file(topic, segment) {
    return join(this.#directory(topic), fileOf(segment));
  }

  /** Topics' directories. */
  async #directories() {
    const entries = await readdir(this.#topics, { withFileTypes: true });
    const found = entries.map((entry) => ({ topic: unfolded(entry.name), path: join(this.#topics, entry.name), entry }));
    return found.filter(({ topic, entry }) => topic !== undefined && entry.isDirectory());
  }

  #take() {
    this.#taken ??= this.#lock().catch((why) => {
      this.#taken = undefined;
      throw why;
    });
    return this.#taken;
  }

  async #lock() {
    await mkdir(this.#path, { recursive: true, mode: 0o700 });
    const locks = [await lockFile(join(this.#path, 'lock'), this.#path)];
    try {
      await mkdir(this.#topics, { recursive: true, mode: 0o700 });
      locks.push(await lockDirectory(this.#topics, this.#path));
      await syncNames(this.#path);
      await this.#tidy();
      return locks;
    } catch (why) {
      for (const lock of locks) await lock?.close();
      throw why;
    }
  }

  /** What was being made and removed when a broker was killed is so, and directories have the names of this version. */
  async #tidy() {
    for (const name of await readdir(this.#topics)) {
      if (name.endsWith(DELETED)) await rm(join(this.#topics, name), { recursive: true, force: true });
    }
    for (const { topic, path } of await this.#directories()) {
      let now = path;
      if (path !== this.#directory(topic)) {
        now = this.#directory(topic);
        await rename(path, now);
        await syncNames(this.#topics);
      }
      for (const name of await readdir(now)) {
        if (name.endsWith(MAKING)) await rm(join(now, name));
        else if (name.endsWith(COUNTS)) await adopt(now, name);
      }
    }
  }

  /** The file of a segment, open to be written to. */
  async #opened(topic, segment, failures) {
    let found = this.#open.get(topic);
    if (found && found.segment !== segment) {
      await this.#let(topic);
      found = undefined;
    }
    if (!found) {
      await this.#makeRoom(FILES - 1, failures);
      found = { segment, file: await this.#make(topic, segment, failures), dirty: false };
    }
    // The one used last is the last to go.
    this.#open.delete(topic);
    this.#open.set(topic, found);
    return found;
  }

  async #make(topic, segment, failures) {
    try {
      return await this.#openOrMake(topic, segment);
    } catch (why) {
      if (!NO_FILES_LEFT.has(why.code)) throw why;
      // Others of this process have them: those of ours are enough for one.
      await this.#makeRoom(0, failures);
      return this.#openOrMake(topic, segment);
    }
  }

  async #openOrMake(topic, segment) {
    const path = this.#file(topic, segment);
    try {
      return await open(path, 'r+');
    } catch (why) {
      if (why.code !== 'ENOENT') throw why;
    }
    // Noted before anything is made: what fails in between is tried again, and finds some of it there.
    this.#unsynced.set(topic, [this.#directory(topic), this.#topics]);
    await mkdir(this.#directory(topic), { recursive: true, mode: 0o700 });
    return open(path, 'w+', 0o600);
  }

  /** Closes files until so many are left, each synced before. */
  async #makeRoom(left, failures) {
    for (const topic of [...this.#open.keys()].slice(0, Math.max(0, this.#open.size - left))) {
      await this.#let(topic).catch((error) => failures.set(topic, error));
    }
  }

  /** Lets go of the file of a topic, synced if it was written to. */
  async #let(topic) {
    const found = this.#open.get(topic);
    if (!found) return;
    this.#open.delete(topic);
    try {
      if (found.dirty) await synced(found);
    } finally {
      await found.file.close();
    }
  }

  /** Lets go of it as it is: what was not synced is written again, or is nobody's any more. */
  async #drop(topic) {
    const found = this.#open.get(topic);
    this.#open.delete(topic);
    await found?.file.close();
  }
}

async function synced(open) {
  await open.file.datasync();
  open.dirty = false;
}

async function readFrom(path, offset, length) {
  const file = await open(path, 'r');
  try {
    const size = Math.max(0, Math.min(length, (await file.stat()).size - offset));
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size; ) {
      const { bytesRead } = await file.read(bytes, at, size - at, offset + at);
      if (bytesRead === 0) return bytes.subarray(0, at);
      at += bytesRead;
    }
    return bytes;
  } finally {
    await file.close();
  }
}

/** A segment that a server began, and that counts, has its name from now on; one with nothing in it goes. */
async function adopt(directory, name) {
  const path = join(directory, name);
  const header = await readFrom(path, 0, HEADER_BYTES);
  if (header.length < HEADER_BYTES || header.every((byte) => byte === 0)) return rm(path);
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(path, join(directory, name.slice(0, -'.new'.length)));
  return syncNames(directory);
}

/** Makes the names in a directory durable, where that can be done. */
async function syncNames(path) {
  try {
    const directory = await open(path, 'r');
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  } catch (why) {
    if (!NO_DIRECTORY_SYNC.has(why.code)) throw why;
  }
}

const ignoreMissing = (instead) => (why) => {
  if (why.code !== 'ENOENT') throw why;
  return instead();
};

/** Does so many things at once at most; the others wait for their turn. */
function turns(most) {
  let left = most;
  const waiting = [];
  return async (act) => {
    if (left > 0) left -= 1;
    else await new Promise((go) => waiting.push(go));
    try {
      return await act();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else left += 1;
    }
  };
}
