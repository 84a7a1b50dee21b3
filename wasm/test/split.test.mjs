// A broker in two parts: the second is there when something is asked, and not before.
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { Broker, MemoryStorage } from '../js/index.js';

const PACKAGE = fileURLToPath(new URL('..', import.meta.url));

/** A copy of the package, which a test may take files away from; and its broker in two parts, not loaded yet. */
async function copied(t) {
  const copy = mkdtempSync(join(tmpdir(), 'shelfmq-'));
  t.after(() => rmSync(copy, { recursive: true }));
  for (const part of ['js', 'pkg', 'package.json']) cpSync(join(PACKAGE, part), join(copy, part), { recursive: true });
  const rest = join(copy, 'pkg/shelfmq_split_rest.wasm');
  return {
    split: await import(pathToFileURL(join(copy, 'js/split.js'))),
    hide: () => renameSync(rest, `${rest}.hidden`),
    show: () => renameSync(`${rest}.hidden`, rest),
  };
}

async function publishAndTake(broker) {
  const published = await broker.fetch('/pub?topic=books', { method: 'POST', body: 'hello' });
  assert.equal(await published.text(), 'OK');
  const taken = await broker.fetch('/sub?topic=books&channel=c&format=json&max=10');
  return (await taken.json()).messages.map(({ body }) => body);
}

test('what a visit begins with goes without the rest, and the rest comes when something is asked', async (t) => {
  const { split, hide, show } = await copied(t);
  hide();
  const broker = await split.Broker.open({ storage: new split.MemoryStorage(), record: true });
  const looked = await broker.look('/stats?format=json&include_mem=false&include_clients=true');
  assert.deepEqual((await looked.json()).topics, []);
  assert.equal(broker.recordingSince().length, 1);
  assert.equal(broker.nextTimeout(), undefined);
  await broker.settled();
  show();
  assert.deepEqual(await publishAndTake(broker), ['hello']);
  assert.match(await (await broker.fetch('/openapi.json')).text(), /"openapi":"3/);
  await broker.close();
});

test('what comes while the rest is loaded is taken in in its order, and settled waits for it', async (t) => {
  const { split } = await copied(t);
  const broker = await split.Broker.open();
  const body = new TextEncoder().encode('first');
  const given = [broker.fetch('/pub?topic=t', { method: 'POST', body })];
  // It is as it was when it was given.
  body.fill(0);
  given.push(broker.fetch('/pub?topic=t', { method: 'POST', body: 'second' }));
  let answered = 0;
  for (const answer of given) answer.then(() => (answered += 1));
  await broker.settled();
  assert.equal(answered, 2);
  const taken = await broker.fetch('/sub?topic=t&channel=c&format=json&max=10');
  assert.deepEqual((await taken.json()).messages.map(({ body }) => body), ['first', 'second']);
  await broker.close();
});

test('each call of what cannot be loaded is told why, and nothing breaks', async (t) => {
  const { split, hide, show } = await copied(t);
  hide();
  const storage = new split.MemoryStorage();
  const broker = await split.Broker.open({ storage });
  const calls = {
    fetch: () => broker.fetch('/pub?topic=t', { method: 'POST', body: '' }),
    look: () => broker.look('/stats'),
    exportLog: () => broker.exportLog('t'),
    importLog: () => split.Broker.importLog(storage, new Uint8Array()),
    close: () => broker.close(),
  };
  for (const [name, call] of Object.entries(calls)) {
    await assert.rejects(call, /shelfmq_split_rest/, name);
    await broker.settled();
    assert.ok((await broker.look('/stats?format=json')).ok);
  }
  show();
  assert.deepEqual(await publishAndTake(broker), ['hello']);
  await broker.close();
});

test('a storage that has something in it is opened with the rest', async (t) => {
  const { split, hide, show } = await copied(t);
  const storage = new MemoryStorage();
  const before = await Broker.open({ storage });
  await before.fetch('/pub?topic=books', { method: 'POST', body: 'kept' });
  await before.close();
  hide();
  await assert.rejects(split.Broker.open({ storage }), /shelfmq_split_rest/);
  show();
  const broker = await split.Broker.open({ storage });
  assert.deepEqual(await publishAndTake(broker), ['kept', 'hello']);
  await broker.close();
});

test('the rest can be loaded before it is called', async (t) => {
  const { split, hide } = await copied(t);
  await split.loadRest();
  hide();
  const broker = await split.Broker.open();
  assert.match(await (await broker.fetch('/openapi.json')).text(), /"openapi":"3/);
  await split.loadRest();
  await broker.close();
});

test('a call of what cannot be loaded is told why, and later it can be', async (t) => {
  const { split, hide, show } = await copied(t);
  hide();
  await assert.rejects(split.loadRest(), /ENOENT/);
  const broker = await split.Broker.open();
  await assert.rejects(broker.fetch('/openapi.json'), /shelfmq_split_rest/);
  show();
  await split.loadRest();
  assert.deepEqual(await publishAndTake(broker), ['hello']);
});

test('modules cannot be handed in', async (t) => {
  const { split } = await copied(t);
  await assert.rejects(split.Broker.open({ module: new Uint8Array() }), /cannot be handed in/);
});
