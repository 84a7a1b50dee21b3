// The files of a data directory in Node: their names, how many are open, and what happens where there is no room for more.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, open, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { Broker, Client } from '../js/index.js';
import { FileStorage } from '../js/storage/node.js';

const home = await mkdtemp(join(tmpdir(), 'shelfmq-'));
after(() => rm(home, { recursive: true, force: true }));

/** What all open files inherit. */
const probe = await open(join(home, 'probe'), 'w');
const File = Object.getPrototypeOf(probe);
await probe.close();
const real = { write: File.write, datasync: File.datasync, sync: File.sync };
/** Has a method of files fail, where `when` says so of a file's bytes. */
const failing = (code) => () => Promise.reject(Object.assign(new Error(`${code}: it is said`), { code }));

const bodies = async (broker, topic) => {
  const found = [];
  for (;;) {
    const answer = await broker.fetch(`/sub?topic=${topic}&channel=c&max=1000&wait=1s&ack=auto&format=json`);
    if (answer.status === 204) return found;
    found.push(...(await answer.json()).messages.map(({ body }) => body));
  }
};

test('topics whose names differ in capitals alone have directories that no file system folds together', async () => {
  const path = join(home, 'capitals');
  const broker = await Broker.open({ storage: new FileStorage(path) });
  const client = new Client({ fetch: broker.fetch });
  for (const topic of ['Orders', 'orders', 'ORDERS.x']) await client.publish(topic, `of ${topic}`);
  const names = await readdir(join(path, 'topics'));
  assert.deepEqual(names.sort(), ['+o+r+d+e+r+s.x.topic', '+orders.topic', 'orders.topic']);
  assert.equal(new Set(names.map((name) => name.toLowerCase())).size, 3);
  await broker.fetch('/topic/delete?topic=orders', { method: 'POST' });
  await broker.close();
  const again = await Broker.open({ storage: new FileStorage(path) });
  assert.deepEqual(await bodies(again, 'Orders'), ['of Orders']);
  await again.close();
});

test('directories of an earlier version, and what a killed broker left, are opened', async () => {
  const path = join(home, 'earlier');
  let broker = await Broker.open({ storage: new FileStorage(path), segmentBytes: 500 });
  const client = new Client({ fetch: broker.fetch });
  await broker.fetch('/channel/create?topic=Orders&channel=c', { method: 'POST' });
  for (let n = 0; n < 20; n += 1) await client.publish('Orders', `${n} ${'x'.repeat(100)}`);
  await broker.close();
  const topics = join(path, 'topics');
  const old = join(topics, 'Orders.topic');
  await rename(join(topics, '+orders.topic'), old);
  // There was no lock file then. A server gives a segment its name once it is durable.
  await rm(join(path, 'lock'));
  const last = (await readdir(old)).sort().at(-1);
  await rename(join(old, last), join(old, `${last}.new`));
  await writeFile(join(old, 'fffffff0.log.tmp'), 'unfinished');
  await writeFile(join(old, 'fffffff1.log.new'), Buffer.alloc(100));
  await mkdir(join(topics, 'gone.1.deleted'));
  broker = await Broker.open({ storage: new FileStorage(path) });
  assert.equal((await bodies(broker, 'Orders')).length, 20);
  await broker.close();
  assert.deepEqual(await readdir(topics), ['+orders.topic']);
  assert.deepEqual((await readdir(join(topics, '+orders.topic'))).filter((name) => !/^[0-9a-f]{8}\.log$/.test(name)), []);
});

test('thousands of topics need few open files', () => {
  const href = (path) => JSON.stringify(new URL(path, import.meta.url).href);
  const script = `
    import { Broker, Client } from ${href('../js/index.js')};
    import { FileStorage } from ${href('../js/storage/node.js')};
    const path = process.argv[1];
    let broker = await Broker.open({ storage: new FileStorage(path), cacheBytes: 0 });
    let client = new Client({ fetch: broker.fetch });
    const topics = Array.from({ length: 2_000 }, (_, n) => 't' + n);
    for (const round of [1, 2]) await Promise.all(topics.map((topic) => client.publish(topic, 'message ' + round)));
    await broker.close();
    broker = await Broker.open({ storage: new FileStorage(path), cacheBytes: 0 });
    const got = await Promise.all(topics.map(async (topic) => {
      const answer = await broker.fetch('/sub?topic=' + topic + '&channel=c&max=10&wait=20s&format=json');
      return (await answer.json()).messages.length;
    }));
    console.log(got.every((count) => count === 2));
    await broker.close();`;
  const given = ['-c', 'ulimit -n 256 && exec "$@"', 'sh', process.execPath, '--input-type=module', '-e', script, join(home, 'many')];
  assert.equal(execFileSync('sh', given, { encoding: 'utf8' }).trim(), 'true');
});

/** A broker with a topic that has something already. */
async function opened(t, name) {
  const path = join(home, name);
  const broker = await Broker.open({ storage: new FileStorage(path) });
  const client = new Client({ fetch: broker.fetch });
  await client.publish('t', 'kept');
  t.after(() => Object.assign(File, real));
  const reopened = async () => {
    Object.assign(File, real);
    return Broker.open({ storage: new FileStorage(path) });
  };
  return { broker, client, reopened };
}

/** Waits until a publish is answered so. */
async function until(client, code) {
  for (;;) {
    const signal = AbortSignal.timeout(50);
    const why = await client.publish('other', 'x', { signal }).catch((why) => why);
    if (why.code === code) return why;
  }
}

for (const [method, code] of [['write', 'ENOSPC'], ['write', 'EDQUOT'], ['datasync', 'ENOSPC']]) {
  test(`${code} by ${method} is 507 with Retry-After for as long as it lasts, and passes by itself`, async (t) => {
    const { broker, client, reopened } = await opened(t, `full-${method}-${code}`);
    File[method] = failing(code);
    const waits = client.publish('t', 'waits');
    await until(client, 'STORAGE_FULL');
    const refused = await broker.fetch('/pub?topic=t', { method: 'POST', body: 'refused' });
    assert.equal(refused.status, 507);
    assert.ok(refused.headers.has('retry-after'));
    Object.assign(File, real);
    assert.equal((await waits).id.length, 16);
    await client.publish('t', 'after');
    await broker.close();
    const again = await reopened();
    assert.deepEqual(await bodies(again, 't'), ['kept', 'waits', 'after']);
    await again.close();
  });
}

test('closing while there is no room comes to an end, and says what is missing', async (t) => {
  const { broker, client, reopened } = await opened(t, 'closing');
  File.write = failing('ENOSPC');
  const waits = client.publish('t', 'waits');
  const refused = assert.rejects(waits, { status: 503, code: 'STORAGE_UNKNOWN' });
  await until(client, 'STORAGE_FULL');
  await assert.rejects(broker.close(), { code: 'NOT_WRITTEN', message: /ENOSPC/ });
  await refused;
  const again = await reopened();
  assert.equal((await bodies(again, 't'))[0], 'kept');
  await again.close();
});

test('a topic that cannot be written is nothing to those that are written with it', async (t) => {
  const { broker, client, reopened } = await opened(t, 'mates');
  File.write = function (bytes, ...place) {
    const isBad = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes('bad');
    return isBad ? failing('EIO')() : real.write.call(this, bytes, ...place);
  };
  const given = ['t', 'u', 'v'].map((topic) => client.publish(topic, topic === 'u' ? 'bad' : 'good'));
  const [t1, u, v] = await Promise.allSettled(given);
  assert.equal(t1.status, 'fulfilled');
  assert.equal(v.status, 'fulfilled');
  assert.equal(u.reason.code, 'STORAGE_UNKNOWN');
  await client.publish('v', 'goes on');
  await broker.close();
  const again = await reopened();
  assert.deepEqual(await bodies(again, 'v'), ['good', 'goes on']);
  await again.close();
});

test('running out of files is refused while it lasts, for the topic alone', async (t) => {
  const { client, broker, reopened } = await opened(t, 'files');
  await mkdir(join(home, 'files/topics/u.topic'));
  File.write = function (bytes, ...place) {
    const isOne = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes('one');
    return isOne ? failing('EMFILE')() : real.write.call(this, bytes, ...place);
  };
  const waits = client.publish('u', 'one');
  let why;
  while (why?.code !== 'STORAGE_FAILED') {
    why = await client.publish('u', 'two', { signal: AbortSignal.timeout(50) }).catch((why) => why);
  }
  await client.publish('t', 'goes on');
  Object.assign(File, real);
  await waits;
  await broker.close();
  const again = await reopened();
  assert.equal((await bodies(again, 'u'))[0], 'one');
  assert.deepEqual(await bodies(again, 't'), ['kept', 'goes on']);
  await again.close();
});

test('where a directory cannot be synced, names are as durable as they can be', async (t) => {
  for (const code of ['EPERM', 'EINVAL', 'ENOTSUP']) {
    const { broker, client, reopened } = await opened(t, `names-${code}`);
    File.sync = async function () {
      if ((await this.stat()).isDirectory()) await failing(code)();
      return real.sync.call(this);
    };
    await client.publish('new', 'kept');
    await broker.fetch('/topic/delete?topic=t', { method: 'POST' });
    await broker.close();
    const again = await reopened();
    assert.deepEqual(await bodies(again, 'new'), ['kept']);
    await again.close();
  }
});

test('a directory that could not be synced once is synced before anything in it is durable', async (t) => {
  const { broker, client } = await opened(t, 'once');
  let failures = 0;
  const directories = [];
  File.sync = async function () {
    if ((await this.stat()).isDirectory()) {
      if (failures++ === 0) await failing('ENOSPC')();
      directories.push(this);
    }
    return real.sync.call(this);
  };
  await client.publish('new', 'kept');
  assert.ok(directories.length >= 2, `${directories.length} directories were synced`);
  Object.assign(File, real);
  await broker.close();
});
