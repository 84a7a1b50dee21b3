// Storages in a real Chromium: who has them, how much of them is read, and what happens where there is no room; and brokers
// that are forgotten, or that break off.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';

import { executable, serveFiles } from './browser.mjs';
import { small } from './small.mjs';

const MIB = 1024 * 1024;
const home = await mkdtemp(join(tmpdir(), 'shelfmq-'));
let files;

before(async () => (files = await serveFiles()));
after(async () => {
  files.close();
  await rm(home, { recursive: true, force: true });
});

let profiles = 0;
async function profile(t) {
  profiles += 1;
  const args = ['--no-sandbox', '--js-flags=--expose-gc'];
  const context = await chromium.launchPersistentContext(join(home, String(profiles)), { executablePath: executable, args });
  t.after(() => context.close());
  return context;
}

/** A page, and how its verbs are called; those of `opfs` are called in a worker. */
async function open(context, place, init) {
  const page = await context.newPage();
  page.errors = [];
  page.on('pageerror', (error) => page.errors.push(String(error)));
  if (init) await page.addInitScript(init);
  await page.goto(`${files.url}/test/ground.html?${place === 'opfs' ? 'worker' : ''}`);
  await page.waitForFunction(() => globalThis.ready);
  page.call = (verb, given) => page.evaluate(([verb, given]) => globalThis.call(verb, given), [verb, given]);
  return page;
}

for (const place of ['indexeddb', 'opfs']) {
  test(`${place}: two tabs do not have one storage, and whoever comes second is told so`, async (t) => {
    const context = await profile(t);
    const one = await open(context, place);
    assert.equal(await one.call('open', { place }), 'open');
    assert.equal(await one.call('publish', { body: 'from one' }), 'OK');
    const two = await open(context, place);
    assert.equal(await two.call('open', { place }), 'STORAGE_IN_USE');
    // Nor in the same tab.
    assert.equal(await one.call('open', { place }), 'STORAGE_IN_USE');
    assert.equal(await one.call('publish', { body: 'from one again' }), 'OK');
    // Another storage is another.
    assert.equal(await two.call('open', { place, name: 'other' }), 'open');
    assert.equal(await two.call('close'), 'closed');
    await one.close();
    assert.equal(await two.call('open', { place }), 'open');
    assert.deepEqual(await two.call('bodies'), ['from one', 'from one again']);
    assert.equal(await two.call('close'), 'closed');
  });

  test(`${place}: a broker whose lock is taken away ends, and says so`, async (t) => {
    const context = await profile(t);
    const one = await open(context, place);
    await one.call('open', { place });
    assert.equal(await one.call('publish', { body: 'kept' }), 'OK');
    await one.call('steal', { lock: `shelfmq:${place}:shelfmq` });
    assert.equal(await one.call('failed'), 'STORAGE_LOST');
    assert.equal(await one.call('publish', { body: 'lost' }), 'STORAGE_LOST');
    assert.equal(await one.call('close'), 'closed');
    assert.deepEqual(one.errors, []);
  });

  test(`${place}: no room is 507 with Retry-After, and passes by itself`, async (t) => {
    const context = await profile(t);
    const page = await open(context, place);
    await page.call('open', { place, options: { segmentBytes: MIB } });
    assert.equal(await page.call('publish', { body: 'kept' }), 'OK');
    const browser = await context.newCDPSession(page);
    await browser.send('Storage.overrideQuotaForOrigin', { origin: files.url, quotaSize: 4 * MIB });
    const filling = page.call('fill', { count: 40, bytes: MIB / 2 });
    for (;;) {
      const given = { path: '/pub?topic=other', method: 'POST', body: 'x' };
      const { status, retryAfter } = await Promise.race([page.call('status', given), new Promise((done) => setTimeout(done, 200, {}))]);
      if (status === 507) {
        assert.ok(retryAfter);
        break;
      }
    }
    await browser.send('Storage.overrideQuotaForOrigin', { origin: files.url });
    // What waited is stored.
    await filling.catch(() => {});
    let answer;
    do answer = await page.call('publish', { body: 'after' });
    while (answer === 'STORAGE_FULL');
    assert.equal(answer, 'OK');
    assert.equal(await page.call('close'), 'closed');
    await page.call('open', { place });
    assert.deepEqual(await page.call('bodies'), ['kept', 'after']);
  });
}

test('without locks, whoever opens a database last has it, and nothing that got its OK is lost', async (t) => {
  const context = await profile(t);
  const unlocked = () => Object.defineProperty(navigator, 'locks', { value: undefined });
  const one = await open(context, 'indexeddb', unlocked);
  const two = await open(context, 'indexeddb', unlocked);
  await one.call('open', { place: 'indexeddb' });
  const sure = [];
  for (const body of ['a', 'b']) if ((await one.call('publish', { body })) === 'OK') sure.push(body);
  assert.equal(await two.call('open', { place: 'indexeddb' }), 'open');
  assert.equal(await two.call('publish', { body: 'c' }), 'OK');
  assert.equal(await one.call('publish', { body: 'd' }), 'STORAGE_LOST');
  assert.equal(await one.call('failed'), 'STORAGE_LOST');
  assert.equal(await one.call('close'), 'closed');
  assert.deepEqual(await two.call('bodies'), [...sure, 'c']);
});

test('a database that somebody deletes is let go of, and the broker says so', async (t) => {
  const context = await profile(t);
  const [one, two] = [await open(context, 'indexeddb'), await open(context, 'indexeddb')];
  await one.call('open', { place: 'indexeddb' });
  assert.equal(await one.call('publish', { body: 'x' }), 'OK');
  assert.equal(await two.call('deleteDatabase'), 'deleted');
  assert.equal(await one.call('failed'), 'STORAGE_LOST');
  assert.equal(await one.call('close'), 'closed');
  assert.equal(await one.call('open', { place: 'indexeddb' }), 'open');
  assert.deepEqual(await one.call('bodies'), []);
});

test('a database is opened without reading all of it, and one of an earlier version is opened', async (t) => {
  const context = await profile(t);
  const page = await open(context, 'indexeddb');
  const options = { segmentBytes: MIB / 2 };
  await page.call('open', { place: 'indexeddb', options });
  await page.call('fill', { count: 80, bytes: 100_000 });
  await page.call('close');
  // Of 8 MB it reads the last segment, and of each other one piece, for its header.
  const read = await page.call('readToOpen');
  assert.ok(read < 4 * MIB, `${read} bytes were read`);
  assert.equal((await page.call('bodies', { topic: 't0' })).length, 80);
  await page.call('close');

  await page.call('open', { place: 'indexeddb', options });
  for (const body of ['one', 'two', 'three']) await page.call('publish', { topic: 'old', body });
  await page.call('close');
  assert.ok((await page.call('asBefore')) > 3);
  await page.call('open', { place: 'indexeddb', options });
  assert.equal(await page.call('publish', { topic: 'old', body: 'four' }), 'OK');
  await page.call('close');
  await page.call('open', { place: 'indexeddb', options });
  assert.deepEqual(await page.call('bodies', { topic: 'old' }), ['one', 'two', 'three', 'four']);
});

test('the private file system has few open files, and none once it is closed', async (t) => {
  const context = await profile(t);
  const page = await open(context, 'opfs');
  await page.call('countFiles');
  await page.call('open', { place: 'opfs', options: { segmentBytes: 4_000, cacheBytes: 0 } });
  await page.call('fill', { count: 600, bytes: 1_000, topics: 100 });
  assert.equal((await page.call('bodies', { topic: 't7' })).length, 6);
  const { open: now, most } = await page.call('filesOpen');
  assert.ok(most >= 60 && most <= 70, `${most} were open at once, ${now} are`);
  assert.equal(await page.call('close'), 'closed');
  assert.equal((await page.call('filesOpen')).open, 0);
  await page.call('open', { place: 'opfs' });
  assert.equal((await page.call('bodies', { topic: 't8' })).length, 6);
});

test('directories of the private file system have names that no file system folds together, and earlier ones get them', async (t) => {
  const page = await open(await profile(t), 'opfs');
  await page.call('open', { place: 'opfs' });
  for (const topic of ['Orders', 'orders']) assert.equal(await page.call('publish', { topic, body: `of ${topic}` }), 'OK');
  await page.call('close');
  assert.deepEqual(await page.call('directories'), ['+orders.topic', 'orders.topic']);
  assert.deepEqual((await page.call('asBeforeFiles', { topic: 'Orders' })).sort(), ['Orders.topic', 'orders.topic']);
  assert.equal(await page.call('open', { place: 'opfs' }), 'open');
  assert.deepEqual(await page.call('directories'), ['+orders.topic', 'orders.topic']);
  assert.deepEqual(await page.call('bodies', { topic: 'Orders' }), ['of Orders']);
  assert.deepEqual(await page.call('bodies', { topic: 'orders' }), ['of orders']);
});

test('brokers that nobody holds any more are nothing to the page', async (t) => {
  const page = await open(await profile(t), 'page');
  assert.deepEqual(await page.call('forget'), Array.from({ length: 10 }, () => 204));
  assert.deepEqual(page.errors, []);
});

test('a broker that has no memory left says so, and what got its OK is there', async (t) => {
  const page = await open(await profile(t), 'page');
  const bytes = small(await readFile(new URL('../pkg/shelfmq_wasm_bg.wasm', import.meta.url)), 24 * MIB);
  const { told, sure, found } = await page.call('exhaust', { module: bytes.toString('base64') });
  assert.deepEqual(told, Array.from({ length: 4 }, () => 'BROKER_FAILED'));
  assert.ok(sure > 10, String(sure));
  assert.ok(found >= sure, `${found} of ${sure}`);
  assert.deepEqual(page.errors, []);
});

test('a broker for all tabs that breaks off is opened again by its worker, for those who have a port to it', async (t) => {
  const context = await profile(t);
  const page = await context.newPage();
  await page.goto(`${files.url}/test/hosted.html`);
  await page.waitForFunction(() => globalThis.ready);
  const bytes = small(await readFile(new URL('../pkg/shelfmq_wasm_bg.wasm', import.meta.url)), 24 * MIB);
  const given = [bytes.toString('base64'), 2];
  const { sure, found } = await page.evaluate((given) => globalThis.publishUntilBroken(...given), given);
  assert.ok(sure > 20, String(sure));
  assert.ok(found >= sure);
});
