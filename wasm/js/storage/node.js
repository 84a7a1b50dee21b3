// Logs as files, in Node: a directory for each topic, in it a file for each segment, as the server has them.
import { open, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { directoryOf, fileOf, segmentOf, topicOf } from './names.js';

export class FileStorage {
  #topics;
  /** The file that was written to last in each topic. */
  #open = new Map();

  /** @param {string} path a directory; it is made where it is not there */
  constructor(path) {
    this.#topics = join(path, 'topics');
  }

  async list() {
    await mkdir(this.#topics, { recursive: true });
    const found = [];
    for (const entry of await readdir(this.#topics, { withFileTypes: true })) {
      const topic = entry.isDirectory() ? topicOf(entry.name) : undefined;
      if (topic === undefined) continue;
      const segments = [];
      for (const name of await readdir(join(this.#topics, entry.name))) {
        const number = segmentOf(name);
        if (number === undefined) continue;
        segments.push({ number, size: (await stat(join(this.#topics, entry.name, name))).size });
      }
      found.push({ topic, segments });
    }
    return found;
  }

  async read(topic, segment, offset, length) {
    const file = await open(this.#path(topic, segment), 'r');
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

  async write(changes) {
    const written = new Set();
    for (const change of changes) {
      const { topic, segment } = change;
      switch (change.kind) {
        case 'append': {
          const file = await this.#file(topic, segment, written);
          for (let at = 0; at < change.bytes.length; ) {
            at += (await file.write(change.bytes, at, change.bytes.length - at, change.offset + at)).bytesWritten;
          }
          written.add(file);
          break;
        }
        case 'cut': {
          const file = await this.#file(topic, segment, written);
          await file.truncate(change.size);
          written.add(file);
          break;
        }
        case 'drop':
          await this.#let(topic, written);
          await rm(this.#path(topic, segment), { force: true });
          break;
        case 'forget':
          // What stays is durable: it was written by an earlier call.
          for (const name of await readdir(this.#directory(topic))) {
            const number = segmentOf(name);
            if (number !== undefined && number < change.before) await rm(join(this.#directory(topic), name));
          }
          break;
        case 'delete':
          await this.#let(topic, written);
          await rm(this.#directory(topic), { recursive: true, force: true });
          await sync(this.#topics);
          break;
      }
    }
    await Promise.all([...written].map((file) => file.datasync()));
  }

  async close() {
    for (const { file } of this.#open.values()) await file.close();
    this.#open.clear();
  }

  #directory(topic) {
    return join(this.#topics, directoryOf(topic));
  }

  #path(topic, segment) {
    return join(this.#directory(topic), fileOf(segment));
  }

  /** The file of a segment, open to be written to. */
  async #file(topic, segment, written) {
    const last = this.#open.get(topic);
    if (last?.segment === segment) return last.file;
    await this.#let(topic, written);
    const path = this.#path(topic, segment);
    let file;
    try {
      file = await open(path, 'r+');
    } catch (why) {
      if (why.code !== 'ENOENT') throw why;
      await mkdir(this.#directory(topic), { recursive: true });
      file = await open(path, 'w+');
      await sync(this.#directory(topic));
      await sync(this.#topics);
    }
    this.#open.set(topic, { segment, file });
    return file;
  }

  /** Lets go of the file of a topic, synced if it was written to. */
  async #let(topic, written) {
    const last = this.#open.get(topic);
    if (!last) return;
    this.#open.delete(topic);
    if (written.delete(last.file)) await last.file.datasync();
    await last.file.close();
  }
}

/** Makes the names in a directory durable. */
async function sync(path) {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
