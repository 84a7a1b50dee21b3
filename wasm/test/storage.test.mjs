// Logs in files, in Node: they outlive the process, and are the server's own.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Broker, Client, MemoryStorage } from '../js/index.js';
import { FileStorage } from '../js/storage/node.js';

const SERVER = join(process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL('../../target', import.meta.url)), 'debug/shelfmq');
const home = await mkdtemp(join(tmpdir(), 'shelfmq-'));
after(() => rm(home, { recursive: true }));

/** The bodies of all messages that are there. */
const bodies = async (broker, query) => {
  const found = [];
  for (;;) {
    const answer = await broker.fetch(`/sub?${query}&max=10000&wait=1&ack=auto&format=json`);
    if (answer.status === 204) return found;
    found.push(...(await answer.json()).messages.map(({ body }) => body));
  }
};

test('a storage keeps all that matters over a restart', async () => {
  for (const storage of [new MemoryStorage(), new FileStorage(join(home, 'restart'))]) {
    let broker = await Broker.open({ storage, segmentBytes: 2_000, cacheBytes: 0 });
    const client = new Client({ fetch: broker.fetch });
    await broker.fetch('/channel/create?topic=t&channel=c', { method: 'POST' });
    for (let n = 0; n < 100; n += 1) await client.publish('t', `message ${n}`);
    await client.publish('gone', 'x');
    await broker.fetch('/topic/delete?topic=gone', { method: 'POST' });
    for (let left = 90; left > 0; ) {
      const { messages } = await (await broker.fetch(`/sub?topic=t&channel=c&max=${left}&format=json`)).json();
      await client.finish('t', 'c', messages.map(({ receipt }) => receipt).join(','));
      left -= messages.length;
    }
    await broker.close();
    broker = await Broker.open({ storage, segmentBytes: 2_000, cacheBytes: 0 });
    const left = Array.from({ length: 10 }, (_, n) => `message ${90 + n}`);
    assert.deepEqual(await bodies(broker, 'topic=t&channel=c'), left);
    const stats = await (await broker.fetch('/stats?format=json')).json();
    assert.deepEqual(stats.topics.map(({ topic_name }) => topic_name), ['t']);
    await broker.close();
    assert.ok((await storage.list())[0].segments.length < 5, 'what nobody needs is removed');
  }
});

test('a process that is killed while it publishes loses nothing that got its OK', async () => {
  const path = join(home, 'killed');
  const script = `
    import { Broker, Client } from ${JSON.stringify(new URL('../js/index.js', import.meta.url).href)};
    import { FileStorage } from ${JSON.stringify(new URL('../js/storage/node.js', import.meta.url).href)};
    const broker = await Broker.open({ storage: new FileStorage(process.argv[1]), segmentBytes: 10_000 });
    const client = new Client({ fetch: broker.fetch });
    const from = Number(process.argv[2]);
    for (let n = from; ; n += 4) {
      await Promise.all([0, 1, 2, 3].map((k) => client.publish('t', String(n + k)).then(() => console.log(n + k))));
    }`;
  const sure = new Set();
  for (let round = 0; round < 5; round += 1) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, path, String(round * 1_000_000)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const before = sure.size;
    for await (const line of createInterface({ input: child.stdout })) {
      sure.add(line);
      if (sure.size === before + 150 + 37 * round) child.kill('SIGKILL');
    }
  }
  const broker = await Broker.open({ storage: new FileStorage(path) });
  const found = new Set(await bodies(broker, 'topic=t&channel=c'));
  assert.deepEqual([...sure].filter((body) => !found.has(body)), []);
  assert.ok(sure.size > 900);
  await broker.close();
});

test('the log is the server\'s: what one wrote the other opens', async () => {
  const path = join(home, 'shared');
  let broker = await Broker.open({ storage: new FileStorage(path) });
  await new Client({ fetch: broker.fetch }).publish('t', 'from here');
  const exported = await broker.exportLog('t');
  await broker.close();

  // As a data directory, and as one file.
  execFileSync(SERVER, ['log', 'verify', path]);
  await writeFile(join(home, 't.shelfmq'), exported);
  execFileSync(SERVER, ['log', 'import', '--into', join(home, 'imported'), join(home, 't.shelfmq')]);
  const output = join(home, 'again.shelfmq');
  execFileSync(SERVER, ['log', 'export', '--topic', 't', '--output', output, join(home, 'imported')]);
  const file = await readFile(output);

  const storage = new MemoryStorage();
  assert.equal(await Broker.importLog(storage, file), 't');
  await assert.rejects(Broker.importLog(storage, file), /already/);
  await assert.rejects(Broker.importLog(storage, file.subarray(0, 40)), /no exported log/);
  broker = await Broker.open({ storage });
  assert.deepEqual(await bodies(broker, 'topic=t&channel=c'), ['from here']);
  await broker.close();
});

test('an export is whole, whatever is forgotten meanwhile', async () => {
  for (const missing of ['told', 'empty']) {
    const storage = new MemoryStorage();
    const broker = await Broker.open({ storage, segmentBytes: 2_000 });
    const client = new Client({ fetch: broker.fetch });
    for (let n = 0; n < 100; n += 1) await client.publish('t', `message ${n}`);
    await broker.settled();
    const [{ segments }] = await storage.list();
    assert.ok(segments.length > 2);
    const last = segments.at(-1).number;
    let reads = 0;
    storage.read = async (topic, segment, ...part) => {
      reads += 1;
      // Of the second, the whole past goes.
      if (reads === 2) await storage.write([{ kind: 'forget', topic, before: last }]);
      const isGone = reads > 1 && segment < last;
      return isGone && missing === 'empty' ? new Uint8Array() : MemoryStorage.prototype.read.call(storage, topic, segment, ...part);
    };
    const exported = await broker.exportLog('t');
    const to = new MemoryStorage();
    assert.equal(await Broker.importLog(to, exported), 't');
    assert.deepEqual((await to.list())[0].segments.map(({ number }) => number), [last]);
    // A storage that has less than it says is not asked for ever.
    storage.read = async () => new Uint8Array();
    await assert.rejects(broker.exportLog('t'), /shorter than listed/);
    delete storage.read;
    await broker.close();
  }
});

test('a storage that fails says so, and what it did not take is not acknowledged', async () => {
  const storage = new MemoryStorage();
  const broker = await Broker.open({ storage });
  const client = new Client({ fetch: broker.fetch });
  await client.publish('t', 'kept');
  const { write } = MemoryStorage.prototype;
  storage.write = () => Promise.reject(new DOMException('no room', 'QuotaExceededError'));
  const waits = client.publish('t', 'waits');
  await new Promise((done) => setTimeout(done, 20));
  await assert.rejects(client.publish('t', 'refused'), { status: 507, code: 'STORAGE_FULL' });
  storage.write = write;
  await waits;
  storage.write = () => Promise.reject(new Error('it broke'));
  await assert.rejects(client.publish('t', 'lost'), { status: 503, code: 'STORAGE_UNKNOWN' });
  assert.equal((await broker.fetch('/ping')).status, 500);
});
