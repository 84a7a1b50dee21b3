// Logs in a private file system that is only told of here: what a real one does is in browser.test.mjs.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { directoryOf } from '../js/storage/names.js';
import { OpfsStorage } from '../js/storage/opfs.js';

class Directory {
  kind = 'directory';
  #entries = new Map();

  #get(name, create, make) {
    if (!this.#entries.has(name)) {
      if (!create) throw new DOMException(name, 'NotFoundError');
      this.#entries.set(name, make());
    }
    return this.#entries.get(name);
  }

  async getDirectoryHandle(name, { create } = {}) {
    return this.#get(name, create, () => new Directory());
  }

  async getFileHandle(name, { create } = {}) {
    return this.#get(name, create, () => new File());
  }

  async removeEntry(name) {
    this.#entries.delete(name);
  }

  async *keys() {
    yield* [...this.#entries.keys()];
  }

  async *[Symbol.asyncIterator]() {
    yield* [...this.#entries];
  }
}

class File {
  #bytes = new Uint8Array();

  async createSyncAccessHandle() {
    return this;
  }

  getSize() {
    return this.#bytes.length;
  }

  read(into, { at }) {
    into.set(this.#bytes.subarray(at, at + into.length));
    return Math.min(into.length, this.#bytes.length - at);
  }

  write(bytes, { at }) {
    const all = new Uint8Array(Math.max(this.#bytes.length, at + bytes.length));
    all.set(this.#bytes);
    all.set(bytes, at);
    this.#bytes = all;
    return bytes.length;
  }

  flush() {}

  close() {}
}

const append = (segment) => ({ kind: 'append', topic: 't', segment, offset: 0, bytes: new Uint8Array([segment]) });

test('to read a segment that was forgotten does not make it again', async () => {
  const storage = new OpfsStorage(new Directory());
  await storage.write([append(1), append(2)]);
  await storage.write([{ kind: 'forget', topic: 't', before: 2 }]);
  await assert.rejects(storage.read('t', 1, 0, 1), { name: 'NotFoundError' });
  await assert.rejects(storage.read('none', 1, 0, 1), { name: 'NotFoundError' });
  assert.deepEqual(await storage.list(), [{ topic: 't', segments: [{ number: 2, size: 1 }] }]);
  assert.deepEqual(await storage.read('t', 2, 0, 9), new Uint8Array([2]));
});

test('what is forgotten while it is listed is not listed, and not made again', async () => {
  const root = new Directory();
  const storage = new OpfsStorage(root);
  await storage.write([append(1), append(2)]);
  const directory = await root.getDirectoryHandle(directoryOf('t'));
  const names = [];
  for await (const name of directory.keys()) names.push(name);
  await storage.write([{ kind: 'forget', topic: 't', before: 2 }]);
  directory.keys = () => names;
  const left = [{ topic: 't', segments: [{ number: 2, size: 1 }] }];
  assert.deepEqual(await storage.list(), left);
  delete directory.keys;
  assert.deepEqual(await storage.list(), left);
});
