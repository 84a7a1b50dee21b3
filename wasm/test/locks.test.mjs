// A storage has one broker: whoever else opens it is told so, wherever that one is, and loses nothing of the other's.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Broker, Client, MemoryStorage } from '../js/index.js';
import { DurableObjectStorage } from '../js/storage/durable-object.js';
import { FileStorage } from '../js/storage/node.js';
import { objectStorage } from './object-storage.mjs';

const SERVER = join(process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL('../../target', import.meta.url)), 'debug/shelfmq');
const home = await mkdtemp(join(tmpdir(), 'shelfmq-'));
after(() => rm(home, { recursive: true, force: true }));

const IN_USE = { name: 'BrokerError', code: 'STORAGE_IN_USE', message: /is in use by another broker/ };
const href = (path) => JSON.stringify(new URL(path, import.meta.url).href);

/** A process that has a storage of this path open, and says so. */
async function elsewhere(t, path) {
  const script = `
    import { Broker, Client } from ${href('../js/index.js')};
    import { FileStorage } from ${href('../js/storage/node.js')};
    const broker = await Broker.open({ storage: new FileStorage(process.argv[1]) });
    await new Client({ fetch: broker.fetch }).publish('t', 'from elsewhere');
    console.log('open');
    setInterval(() => broker, 1_000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  return begun(t, child, child.stdout, /open/);
}

/** The server on a data directory. */
async function server(t, path) {
  const given = ['serve', '--http-address', '127.0.0.1:0', '--data-path', path];
  const child = spawn('sh', ['-c', 'exec "$@" 2>&1', 'sh', SERVER, ...given], { stdio: ['ignore', 'pipe', 'inherit'] });
  return begun(t, child, child.stdout, /listens on/);
}

/** Comes back once a process says this; `end` kills it. */
async function begun(t, child, stream, what) {
  const ended = new Promise((done) => child.once('exit', done));
  const end = async () => {
    child.kill('SIGKILL');
    await ended;
  };
  t.after(end);
  let told = '';
  for await (const line of createInterface({ input: stream })) {
    told += `${line}\n`;
    if (what.test(line)) {
      stream.resume();
      return { end };
    }
  }
  throw new Error(`it ended: ${told}`);
}

const bodies = async (broker) => {
  const answer = await broker.fetch('/sub?topic=t&channel=c&max=100&wait=1&ack=auto&format=json');
  return answer.status === 204 ? [] : (await answer.json()).messages.map(({ body }) => body);
};

test('one storage object, and one object\'s storage at the edge, have one broker', async () => {
  const { ctx } = objectStorage();
  const memory = new MemoryStorage();
  for (const storage of [() => memory, () => new DurableObjectStorage(ctx)]) {
    const broker = await Broker.open({ storage: storage() });
    await new Client({ fetch: broker.fetch }).publish('t', 'kept');
    const log = await broker.exportLog('t');
    await assert.rejects(Broker.open({ storage: storage() }), IN_USE);
    await assert.rejects(Broker.importLog(storage(), log), IN_USE);
    await broker.close();
    const again = await Broker.open({ storage: storage() });
    assert.deepEqual(await bodies(again), ['kept']);
    await again.close();
  }
});

test('a data directory has one broker: in this process, by a module that was loaded twice, in another process', async (t) => {
  const path = join(home, 'nodes');
  const broker = await Broker.open({ storage: new FileStorage(path) });
  await new Client({ fetch: broker.fetch }).publish('t', 'first');
  await assert.rejects(Broker.open({ storage: new FileStorage(path) }), IN_USE);
  const twice = await import(new URL('../js/storage/node.js?again', import.meta.url));
  await assert.rejects(Broker.open({ storage: new twice.FileStorage(path) }), IN_USE);
  await assert.rejects(new FileStorage(path).write([]), IN_USE);
  await assert.rejects(elsewhere(t, path), /it ended/);
  // Nor where somebody makes a new lock file.
  await rm(join(path, 'lock'));
  await assert.rejects(Broker.open({ storage: new FileStorage(path) }), IN_USE);
  await broker.close();

  const other = await elsewhere(t, path);
  await assert.rejects(Broker.open({ storage: new FileStorage(path) }), IN_USE);
  // A lock goes with its process, however that ends.
  await other.end();
  const again = await Broker.open({ storage: new FileStorage(path) });
  assert.deepEqual(await bodies(again), ['first', 'from elsewhere']);
  await again.close();
});

test('a server and a storage in Node keep each other out', async (t) => {
  const path = join(home, 'both');
  const broker = await Broker.open({ storage: new FileStorage(path) });
  await new Client({ fetch: broker.fetch }).publish('t', 'from Node');
  await assert.rejects(server(t, path), /another server is running/);
  await broker.close();
  const running = await server(t, path);
  await assert.rejects(Broker.open({ storage: new FileStorage(path) }), IN_USE);
  await running.end();
  const again = await Broker.open({ storage: new FileStorage(path) });
  assert.deepEqual(await bodies(again), ['from Node']);
  await again.close();
  execFileSync(SERVER, ['log', 'verify', path]);
});

test('what could not be opened is free for the next', async () => {
  const path = join(home, 'failed');
  await assert.rejects(Broker.open({ storage: new FileStorage(path), limits: { nonsense: 1 } }), /no limit nonsense/);
  await assert.rejects(Broker.importLog(new FileStorage(path), new Uint8Array([1])), /no exported log/);
  const broker = await Broker.open({ storage: new FileStorage(path) });
  await broker.close();
});

test('a directory that is something else, or of another version, is left alone', async () => {
  for (const [said, code] of [['something', /is something else/], ['shelfmq data 9\n', /has version 9/]]) {
    const path = join(home, `other-${code.source.length}`);
    await mkdir(path);
    await writeFile(join(path, 'lock'), said);
    await assert.rejects(Broker.open({ storage: new FileStorage(path) }), { code: 'NO_DATA_DIRECTORY', message: code });
  }
});

test('where nothing can lock a directory, it is not opened, and the error says what is missing', () => {
  const script = `
    import { FileStorage } from ${href('../js/storage/node.js')};
    await new FileStorage(process.argv[1]).list().catch((why) => console.log(why.code, why.message));`;
  const given = ['--input-type=module', '-e', script, join(home, 'unlocked')];
  const told = execFileSync(process.execPath, given, { encoding: 'utf8', env: { PATH: join(home, 'nothing') } });
  // Elsewhere, opening a file takes the lock.
  if (process.platform === 'linux') assert.match(told, /^NO_LOCK .*flock/);
});

test('each of the programs that can take the lock takes the same one', async () => {
  if (process.platform !== 'linux') return;
  for (const program of ['flock', 'perl', 'python3']) {
    const tools = join(home, `only-${program}`);
    await mkdir(tools);
    const found = ['/usr/bin', '/bin'].map((directory) => join(directory, program)).find(existsSync);
    if (!found) continue;
    await symlink(found, join(tools, program));
    const path = join(home, `by-${program}`);
    const storage = new FileStorage(path);
    const script = `
      import { FileStorage } from ${href('../js/storage/node.js')};
      await new FileStorage(process.argv[1]).list().then(() => console.log('open'), (why) => console.log(why.code));
      process.exit(0);`;
    const ask = () =>
      execFileSync(process.execPath, ['--input-type=module', '-e', script, path], { encoding: 'utf8', env: { PATH: tools } }).trim();
    assert.equal(ask(), 'open', program);
    await storage.list();
    assert.equal(ask(), 'STORAGE_IN_USE', program);
    await storage.close();
    assert.equal(ask(), 'open', program);
  }
});
