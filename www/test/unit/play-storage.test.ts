// The broker of the playground where the browser stores nothing any more: whoever begins anew gets one that works.
import type { Change, StoredTopic } from 'shelfmq/split';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

type How = 'well' | 'full' | 'gone' | 'stuck';

const disk = vi.hoisted(() => ({ opens: 0, fails: 0, connections: [] as { how: How }[] }));

vi.mock('shelfmq/storage/indexeddb', async () => {
  const { MemoryStorage } = await import('shelfmq/split');
  const all = new MemoryStorage();
  /** A connection to the one storage that there is. */
  class Connection {
    how: How = 'well';
    async list(): Promise<StoredTopic[]> {
      this.#there();
      return all.list();
    }
    async read(topic: string, segment: number, offset: number, length: number): Promise<Uint8Array> {
      this.#there();
      return all.read(topic, segment, offset, length);
    }
    async write(changes: Change[]): Promise<void> {
      this.#there();
      if (this.how === 'stuck') await new Promise(() => {});
      if (this.how === 'full' && changes.some(({ kind }) => kind === 'append')) throw new DOMException('no room', 'QuotaExceededError');
      await all.write(changes);
    }
    async close(): Promise<void> {
      this.how = 'gone';
    }
    #there(): void {
      if (this.how === 'gone') throw new DOMException('the connection is closed', 'InvalidStateError');
    }
  }
  const open = async () => {
    disk.opens += 1;
    if (disk.fails > 0) {
      disk.fails -= 1;
      throw new Error('no database');
    }
    const connection = new Connection();
    disk.connections.push(connection);
    return connection;
  };
  return { IndexedDbStorage: { open } };
});

const values = vi.hoisted(() => ({ gone: false }));

vi.mock('../../src/playground/host/kept.js', async (original) => {
  const { forgetful } = await original<typeof import('../../src/playground/host/kept.js')>();
  const openKept = async () => {
    values.gone = false;
    const kept = forgetful();
    const there = () => {
      if (values.gone) throw new DOMException('the connection is closed', 'InvalidStateError');
    };
    return {
      get: async <T>(key: string) => (there(), kept.get<T>(key)),
      set: async (key: string, value: unknown) => (there(), kept.set(key, value)),
      recorded: { ...kept.recorded, change: async (...args: Parameters<typeof kept.recorded.change>) => (there(), kept.recorded.change(...args)) },
    };
  };
  return { forgetful, openKept };
});

import { Host } from '../../src/playground/host/host.js';

let host: Host;
const ask = (at: string, body?: string) => host.fetch(new Request(`http://localhost:4151${at}`, body === undefined ? {} : { method: 'POST', body }));
const topics = async () => ((await (await ask('/topics')).json()) as { topics: string[] }).topics;
const becomes = (how: How) => (disk.connections.at(-1)!.how = how);

beforeEach(async () => {
  disk.fails = 0;
  host = new Host(true, () => 1, () => {});
  await host.opened();
  host.setSpeed(0);
  expect((await ask('/pub?topic=t', 'one')).status).toBe(200);
});
afterEach(() => host.reset());

test('where there is no room, all can be begun anew', async () => {
  becomes('full');
  expect((await ask('/pub?topic=t', 'two')).status).toBe(507);
  // The broker itself waits for room now, in a time that stands still.
  const waits = ask('/pub?topic=t', 'three');
  await new Promise((go) => setTimeout(go, 100));
  await host.reset();
  await waits;
  expect(await topics()).toEqual([]);
  expect((await ask('/pub?topic=u', 'four')).status).toBe(200);
});

test('where site data were cleared, all can be begun anew', async () => {
  becomes('gone');
  values.gone = true;
  expect((await ask('/pub?topic=t', 'two')).status).toBe(503);
  await host.reset();
  expect(await topics()).toEqual([]);
  expect((await ask('/pub?topic=u', 'three')).status).toBe(200);
});

test('where the storage does not answer, all can be begun anew', async () => {
  becomes('stuck');
  void ask('/pub?topic=t', 'two');
  await new Promise((go) => setTimeout(go, 100));
  await host.reset();
  expect(await topics()).toEqual([]);
  expect((await ask('/pub?topic=u', 'three')).status).toBe(200);
}, 10_000);

test.each<How>(['full', 'gone'])('what cannot be stored is not put in, and the broker goes on: the storage is %s', async (how) => {
  const log = await host.exportLog('t');
  becomes(how);
  expect((await ask('/pub?topic=t', 'two')).status).toBeGreaterThan(500);
  await expect(host.importLog(log)).rejects.toThrow();
  expect(await topics()).toEqual(['t']);
});

test('where the storage cannot be opened, that is said, and another time it may', async () => {
  disk.fails = 1;
  await expect(host.reset()).rejects.toThrow('no database');
  await expect(ask('/topics')).rejects.toThrow('no database');
  await host.reset();
  expect(await topics()).toEqual([]);
});

test('where the storage fails while it is put in, the broker is there again', async () => {
  const state = await host.exportState();
  disk.fails = 1;
  await expect(host.importState(state)).rejects.toThrow('no database');
  await host.importState(state);
  expect(await topics()).toEqual(['t']);
});
