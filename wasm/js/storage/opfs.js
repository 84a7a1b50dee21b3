// Logs in the origin's private file system, from a dedicated worker: only there, files can be written in place.
import { directoryOf, fileOf, segmentOf, topicOf } from './names.js';

export class OpfsStorage {
  #root;
  /** Open files, by topic and segment. */
  #open = new Map();

  constructor(root) {
    this.#root = root;
  }

  /**
   * Opens a directory of this name at the root of the private file system. Only one place may have it open: where it is
   * not certain that nobody else has, hold a lock of the browser (navigator.locks) meanwhile.
   */
  static async open(name = 'shelfmq') {
    const top = await navigator.storage.getDirectory();
    return new OpfsStorage(await top.getDirectoryHandle(name, { create: true }));
  }

  async list() {
    const found = [];
    for await (const [name, handle] of this.#root) {
      const topic = handle.kind === 'directory' ? topicOf(name) : undefined;
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
    const file = await this.#file(topic, segment);
    const bytes = new Uint8Array(Math.max(0, Math.min(length, file.getSize() - offset)));
    return bytes.subarray(0, file.read(bytes, { at: offset }));
  }

  async write(changes) {
    const written = new Set();
    for (const change of changes) {
      const { topic, segment } = change;
      switch (change.kind) {
        case 'append': {
          const file = await this.#file(topic, segment, { create: true });
          if (file.write(change.bytes, { at: change.offset }) < change.bytes.length) {
            throw new DOMException('the private file system has no room', 'QuotaExceededError');
          }
          written.add(file);
          break;
        }
        case 'cut': {
          const file = await this.#file(topic, segment);
          file.truncate(change.size);
          written.add(file);
          break;
        }
        case 'drop':
          await this.#remove(topic, (number) => number === segment, written);
          break;
        case 'forget':
          await this.#remove(topic, (number) => number < change.before, written);
          break;
        case 'delete':
          await this.#remove(topic, () => true, written);
          await this.#root.removeEntry(directoryOf(topic), { recursive: true }).catch(ignoreMissing);
          break;
      }
    }
    for (const file of written) file.flush();
  }

  async close() {
    for (const file of this.#open.values()) file.close();
    this.#open.clear();
  }

  async #file(topic, segment, how) {
    const key = `${segment}/${topic}`;
    let file = this.#open.get(key);
    if (!file) {
      const directory = await this.#root.getDirectoryHandle(directoryOf(topic), how);
      const handle = await directory.getFileHandle(fileOf(segment), how);
      file = await handle.createSyncAccessHandle();
      this.#open.set(key, file);
    }
    return file;
  }

  async #remove(topic, isToGo, written) {
    const directory = await this.#root.getDirectoryHandle(directoryOf(topic)).catch(ignoreMissing);
    if (!directory) return;
    const names = [];
    for await (const name of directory.keys()) names.push(name);
    for (const name of names) {
      const number = segmentOf(name);
      if (number === undefined || !isToGo(number)) continue;
      const key = `${number}/${topic}`;
      const file = this.#open.get(key);
      if (file) {
        this.#open.delete(key);
        written.delete(file);
        file.close();
      }
      await directory.removeEntry(name);
    }
  }
}

function ignoreMissing(why) {
  if (why.name !== 'NotFoundError') throw why;
}
