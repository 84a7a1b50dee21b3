// Brokers that are forgotten, that break off, and that are full: no process ends by them, no call hangs, nothing that got its
// OK is missing.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { Broker, Client, MemoryStorage, VirtualClock } from '../js/index.js';
import { smallModule } from './small.mjs';

const INDEX = JSON.stringify(new URL('../js/index.js', import.meta.url).href);
const MIB = 1024 * 1024;

/** The bodies of all messages that are there. */
const bodies = async (broker, query) => {
  const found = [];
  for (;;) {
    const answer = await broker.fetch(`/sub?${query}&max=1000&wait=1&ack=auto&format=json`);
    if (answer.status === 204) return found;
    found.push(...(await answer.json()).messages.map(({ body }) => body));
  }
};

test('brokers that nobody holds any more do what they have to, and go', () => {
  const script = `
    import { Broker, MemoryStorage } from ${INDEX};
    const storage = new MemoryStorage();
    const polls = [];
    const gone = [];
    const collected = new FinalizationRegistry(() => gone.push(1));
    async function forget(n) {
      const broker = await Broker.open({ storage: n === 0 ? storage : undefined, limits: { msgTimeout: 20 } });
      collected.register(broker, 0);
      await broker.fetch('/pub?topic=t', { method: 'POST', body: 'x' });
      await (await broker.fetch('/sub?topic=t&channel=c')).text();
      polls.push(broker.fetch('/sub?topic=t&channel=other&wait=60ms').then((answer) => answer.status));
      polls.push(broker.fetch('/sub?topic=t&channel=other&wait=80ms').then((answer) => answer.status));
    }
    for (let n = 0; n < 20; n += 1) await forget(n);
    for (let turn = 0; turn < 20; turn += 1) {
      globalThis.gc();
      await new Promise((done) => setTimeout(done, 10));
    }
    const answered = await Promise.all(polls);
    for (let turn = 0; turn < 200 && gone.length < 20; turn += 1) {
      globalThis.gc();
      await new Promise((done) => setTimeout(done, 10));
    }
    // Its storage is free again, too.
    const broker = await Broker.open({ storage });
    const { topics } = await (await broker.fetch('/stats?format=json')).json();
    console.log(JSON.stringify({ answered: [...new Set(answered)].sort(), gone: gone.length > 0, topics: topics.length }));
    process.exit(0);`;
  const told = execFileSync(process.execPath, ['--expose-gc', '--input-type=module', '-e', script], { encoding: 'utf8' });
  assert.deepEqual(JSON.parse(told), { answered: [204], gone: true, topics: 1 });
});

test('a broker that has no memory left says so to all who wait, closes, and is opened again', async () => {
  const storage = new MemoryStorage();
  const module = await smallModule(24 * MIB);
  const broker = await Broker.open({ storage, module, cacheBytes: 2 ** 30 });
  const poll = broker.fetch('/sub?topic=other&channel=c&wait=1h');
  const stream = await broker.fetch('/sub?topic=other&channel=d&stream=true&format=ndjson');
  const reading = stream.text();
  const settled = Promise.allSettled([poll, reading]);
  const sure = [];
  const publish = async (n) => {
    const body = `${n} ${'x'.repeat(MIB / 2)}`;
    const answer = await broker.fetch('/pub?topic=t', { method: 'POST', body });
    if (answer.status === 200) sure.push(body);
  };
  const broke = { name: 'BrokerError', code: 'BROKER_FAILED' };
  await assert.rejects(async () => {
    for (let n = 0; n < 100; n += 1) await Promise.all([publish(`${n}a`), publish(`${n}b`)]);
  }, broke);
  for (const { status, reason } of await settled) {
    assert.equal(status, 'rejected');
    assert.equal(reason.code, 'BROKER_FAILED');
  }
  const calls = {
    fetch: () => broker.fetch('/ping'),
    post: () => broker.fetch('/pub?topic=t', { method: 'POST', body: 'x' }),
    look: () => broker.look('/stats'),
    settled: () => broker.settled(),
    exportLog: () => broker.exportLog('t'),
    recording: async () => broker.recording(),
    nextTimeout: async () => broker.nextTimeout(),
  };
  for (const [name, call] of Object.entries(calls)) await assert.rejects(call, broke, name);
  const failed = await broker.failed;
  assert.ok(failed.cause instanceof WebAssembly.RuntimeError, String(failed.cause));
  assert.equal(broker.memoryBytes, 0);
  await broker.close();
  await broker.close();

  // Another beside it was not touched, and the storage is free.
  const again = await Broker.open({ storage });
  const found = new Set(await bodies(again, 'topic=t&channel=c'));
  assert.ok(sure.length > 10, String(sure.length));
  assert.deepEqual(sure.filter((body) => !found.has(body)), []);
  await again.close();
});

test('what a clock throws into a broker breaks that one off, and no other', async () => {
  const clock = new VirtualClock();
  const broker = await Broker.open({ clock });
  const other = await Broker.open();
  const poll = broker.fetch('/sub?topic=t&channel=c&wait=1s');
  const told = assert.rejects(poll, { code: 'BROKER_FAILED' });
  clock.now = () => {
    throw new Error('what time is it?');
  };
  // A timer is called by nobody who could be told.
  clock.advance(2_000);
  await told;
  assert.match((await broker.failed).message, /what time is it\?/);
  assert.equal((await other.fetch('/ping')).status, 200);
  await broker.close();
  await other.close();
});

test('a broker is full before its memory is, and goes on when there is room', async () => {
  const memory = 32 * MIB;
  const broker = await Broker.open({ limits: { memory } });
  const client = new Client({ fetch: broker.fetch });
  await broker.fetch('/channel/create?topic=t&channel=c', { method: 'POST' });
  const body = 'x'.repeat(MIB);
  let count = 0;
  await assert.rejects(
    async () => {
      for (; count < 100; count += 1) await client.publish('t', body);
    },
    { status: 507, code: 'STORAGE_FULL' },
  );
  assert.ok(count > 10, String(count));
  const refused = await broker.fetch('/pub?topic=t', { method: 'POST', body });
  assert.ok(refused.headers.has('retry-after'));
  assert.ok(broker.memoryBytes < 2 * memory, String(broker.memoryBytes));
  // What is there is handed out and finished, and makes room.
  let left = count;
  for await (const message of client.subscribe('t', 'c')) {
    await message.finish();
    left -= 1;
    if (left === 0) break;
  }
  for (let n = 0; n < 10; n += 1) await client.publish('t', body);
  await broker.close();
  for (const wrong of [0, -1, 2 ** 32, Number.NaN]) {
    await assert.rejects(Broker.open({ limits: { memory: wrong } }), { code: 'INVALID_LIMIT' });
  }
});

test('a closed broker says that it is', async () => {
  const broker = await Broker.open();
  await broker.close();
  for (const call of [() => broker.fetch('/ping'), () => broker.look('/ping'), () => broker.settled(), () => broker.exportLog('t')]) {
    await assert.rejects(call, { code: 'BROKER_CLOSED' });
  }
  assert.throws(() => broker.nextTimeout(), { code: 'BROKER_CLOSED' });
  await broker.close();
});

test('a dead letter on its way when the storage fails keeps nobody from closing', async () => {
  const storage = new MemoryStorage();
  const broker = await Broker.open({ storage });
  const client = new Client({ fetch: broker.fetch });
  await broker.fetch('/channel/create?topic=t&channel=c&max_attempts=1&dead_letter=dlq', { method: 'POST' });
  await client.publish('t', 'letter');
  const { messages } = await (await broker.fetch('/sub?topic=t&channel=c&format=json')).json();
  storage.write = () => Promise.reject(new Error('it broke'));
  await broker.fetch(`/req?topic=t&channel=c&receipt=${messages[0].receipt}`, { method: 'POST' });
  await broker.close().catch((why) => assert.equal(why.code, 'NOT_WRITTEN'));
});

test('a broker that lost its storage writes nothing more, and is closed once its last write is at its end', async () => {
  const storage = new MemoryStorage();
  let lose;
  let go;
  storage.lost = new Promise((resolve) => (lose = resolve));
  const broker = await Broker.open({ storage });
  const held = new Promise((resolve) => (go = resolve));
  let [writes, closed] = [0, false];
  storage.write = async () => {
    writes += 1;
    await held;
  };
  storage.close = async () => void (closed = true);
  const given = ['a', 'b'].map((body) => broker.fetch('/pub?topic=t', { method: 'POST', body }));
  const told = Promise.all(given.map((answer) => assert.rejects(answer, { code: 'BROKER_FAILED', message: /it was taken/ })));
  await new Promise((done) => setTimeout(done));
  lose(new Error('it was taken'));
  await told;
  await broker.failed;
  await assert.rejects(Broker.open({ storage }), { code: 'STORAGE_IN_USE' });
  assert.equal(closed, false);
  go();
  await broker.close();
  assert.deepEqual([writes, closed], [1, true]);
});

test('a storage that only says that something failed is asked for each topic', async () => {
  const storage = new MemoryStorage();
  const broker = await Broker.open({ storage });
  const client = new Client({ fetch: broker.fetch });
  const { write } = MemoryStorage.prototype;
  storage.write = async (changes) => {
    if (changes.some(({ topic }) => topic === 'bad')) throw new Error('it broke');
    return write.call(storage, changes);
  };
  const [good, bad, other] = await Promise.allSettled(['good', 'bad', 'other'].map((topic) => client.publish(topic, topic)));
  assert.deepEqual([good.status, other.status], ['fulfilled', 'fulfilled']);
  assert.equal(bad.reason.code, 'STORAGE_UNKNOWN');
  await client.publish('good', 'goes on');
  await broker.close();
  delete storage.write;
  const again = await Broker.open({ storage });
  assert.deepEqual(await bodies(again, 'topic=good&channel=c'), ['good', 'goes on']);
  await again.close();
});

test('who hangs up is seen to, whatever was collected meanwhile', async () => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc');
  const broker = await Broker.open();
  const waiting = async () => {
    const { topics } = await (await broker.fetch('/stats?format=json')).json();
    return topics[0].channels[0].waiting_count;
  };
  const hangUp = new AbortController();
  const { signal } = hangUp;
  const poll = broker.fetch('/sub?topic=t&channel=c&wait=1h', { signal });
  const stream = await broker.fetch('/sub?topic=t&channel=c&stream=true&format=ndjson', { signal });
  const told = Promise.allSettled([poll, stream.text()]);
  assert.equal(await waiting(), 2);
  for (let turn = 0; turn < 10; turn += 1) {
    gc();
    await new Promise((done) => setTimeout(done));
  }
  hangUp.abort();
  for (const { status, reason } of await told) assert.deepEqual([status, reason?.name], ['rejected', 'AbortError']);
  assert.equal(await waiting(), 0);
  await broker.close();
});
