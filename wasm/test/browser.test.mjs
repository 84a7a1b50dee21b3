// Logs in a real Chromium: a tab that is killed while it publishes, a browser that is, two tabs, and no network.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';

import { executable, launchToKill, serveFiles } from './browser.mjs';

const home = await mkdtemp(join(tmpdir(), 'shelfmq-'));
let files;

before(async () => {
  files = await serveFiles();
});
after(async () => {
  files.close();
  await rm(home, { recursive: true, force: true });
});

/** A browser that keeps what it has in a directory; it is closed with the test, also with one that fails. */
async function profile(t, name) {
  const context = await chromium.launchPersistentContext(join(home, name), {
    executablePath: executable,
    args: ['--no-sandbox'],
  });
  t.after(() => context.close());
  return context;
}

async function open(context, place) {
  const page = await context.newPage();
  await page.goto(`${files.url}/test/durable.html?${place}`);
  await page.waitForFunction(() => globalThis.ready !== undefined);
  assert.equal(await page.evaluate(() => globalThis.ready), true);
  return page;
}

/** The bodies of all messages that are there. */
const bodies = (page) =>
  page.evaluate(async () => {
    const found = [];
    for (;;) {
      const { status, text } = await globalThis.ask('/sub?topic=t&channel=c&max=1000&wait=1s&ack=auto&format=json');
      if (status === 204) return found;
      found.push(...JSON.parse(text).messages.map(({ body }) => body));
    }
  });

/** Publishes until so many got their OK; then the page is killed by `kill`. */
async function publishUntil(page, from, count, sure, kill) {
  const enough = new Promise((done) => {
    let left = count;
    page.on('console', (message) => {
      sure.add(message.text());
      left -= 1;
      if (left === 0) done();
    });
  });
  page.evaluate((from) => globalThis.publish(from), from).catch(() => {});
  await enough;
  await kill();
}

for (const place of ['opfs', 'indexeddb']) {
  test(`${place}: a tab that is killed while it publishes loses nothing that got its OK`, async (t) => {
    const context = await profile(t, place);
    const sure = new Set();
    for (let round = 0; round < 4; round += 1) {
      const page = await open(context, place);
      await publishUntil(page, round * 100_000, 60 + 31 * round, sure, () => page.close());
    }
    const found = new Set(await bodies(await open(context, place)));
    assert.deepEqual([...sure].filter((body) => !found.has(body)), []);
    assert.ok(sure.size > 400, String(sure.size));
  });

  test(`${place}: a browser that is killed while a page publishes loses nothing that got its OK`, async (t) => {
    for (let attempt = 1; ; attempt += 1) {
      const { sure, found } = await killThrice(t, place, join(home, `${place}-killed-${attempt}`));
      if (found === undefined && attempt < 5) {
        t.diagnostic('the browser began anew: a database that was nobody else\'s is gone, too');
        continue;
      }
      assert.ok(found, 'the browser kept its databases once');
      assert.deepEqual([...sure].filter((body) => !found.has(body)), []);
      assert.ok(sure.size > 250, String(sure.size));
      return;
    }
  });
}

/**
 * Whether a database that was made in an earlier round is there; it is made if not. A browser that comes upon files that it
 * cannot make sense of begins anew, with all databases of an origin: that is rare, and no loss of ours.
 */
const isMarked = (page) =>
  page.evaluate(async () => {
    const isThere = (await indexedDB.databases()).some(({ name }) => name === 'marker');
    await new Promise((done, failed) => {
      const request = indexedDB.open('marker');
      request.onsuccess = () => done(request.result.close());
      request.onerror = () => failed(request.error);
    });
    return isThere;
  });

/**
 * What got its OK while a browser was killed three times, and what is there afterwards; undefined where the browser began
 * anew meanwhile.
 */
async function killThrice(t, place, profile) {
  const sure = new Set();
  const launch = async () => {
    const browser = await launchToKill(profile);
    t.after(browser.kill);
    return browser;
  };
  for (let round = 0; round < 3; round += 1) {
    const { context, kill } = await launch();
    const page = await open(context, place);
    if (!(await isMarked(page)) && round > 0) return { sure };
    await publishUntil(page, round * 100_000, 60 + 31 * round, sure, kill);
  }
  const { context, kill } = await launch();
  const page = await open(context, place);
  const found = (await isMarked(page)) ? new Set(await bodies(page)) : undefined;
  await kill();
  return { sure, found };
}

test('all tabs of an origin share one broker by plain fetch, and another takes over when its tab goes', async (t) => {
  const context = await profile(t, 'tabs');
  const one = await open(context, 'tabs');
  await one.evaluate(() => globalThis.opened);
  const two = await open(context, 'tabs');
  const waiting = two.evaluate(() => globalThis.ask('/sub?topic=t&channel=c&ack=auto&wait=20s'));
  assert.equal((await one.evaluate(() => globalThis.ask('/pub?topic=t', 'POST', 'across'))).text, 'OK');
  assert.equal((await waiting).text, 'across');
  await one.evaluate(() => globalThis.ask('/pub?topic=t', 'POST', 'kept'));
  await context.setOffline(true);
  await one.close();
  await two.evaluate(() => globalThis.opened);
  assert.deepEqual(await bodies(two), ['kept']);
});
