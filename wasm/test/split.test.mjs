// A broker in two parts: the second is there when it is called, and not before.
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';

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

test('what a visit begins with goes without the rest, and the rest comes when it is called', async (t) => {
  const { split, hide, show } = await copied(t);
  hide();
  const broker = await split.Broker.open({ storage: new split.MemoryStorage() });
  assert.deepEqual(await publishAndTake(broker), ['hello']);
  show();
  assert.match(await (await broker.fetch('/openapi.json')).text(), /"openapi":"3/);
  assert.deepEqual(await publishAndTake(broker), ['hello']);
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
  assert.deepEqual(await publishAndTake(await split.Broker.open()), ['hello']);
});

test('modules cannot be handed in', async (t) => {
  const { split } = await copied(t);
  await assert.rejects(split.Broker.open({ module: new Uint8Array() }), /cannot be handed in/);
});
