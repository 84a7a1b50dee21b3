// What a first visit downloads, the broker in it, packed as a web server packs it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

import { openBrowser, serveApp } from './app.mjs';

/** Bytes, gzip. */
const LIMIT = 165 * 1024;

test('a first visit downloads at most 165 KiB, and the rest once somebody does something', async (t) => {
  const app = await serveApp();
  t.after(() => app.close());
  // What is kept for later, when there is no network, is not waited for by anybody.
  const { page } = await openBrowser(t, { serviceWorkers: 'block' });
  const rest = () => [...app.served.keys()].find((path) => path.includes('split_rest'));
  await page.goto(app.url);
  await page.getByRole('log').first().waitFor();
  // Everything that a first visit shows is there. (The load state `networkidle` never comes: the script of a shared worker
  // counts as being loaded for as long as that lives.)
  await page.waitForFunction(() => globalThis.shelfmq?.play.frame.value);
  await page.getByRole('heading', { name: 'Lessons' }).waitFor();
  // By then it has been kept, too, that nothing happened.
  await page.waitForTimeout(2_000);
  const loaded = [...app.served].map(([path, body]) => [path, gzipSync(body, { level: 9 }).length]);
  const total = loaded.reduce((sum, [, size]) => sum + size, 0);
  const list = loaded.sort((a, b) => b[1] - a[1]).map(([path, size]) => `${size} ${path}`);
  t.diagnostic(`${total} bytes\n${list.join('\n')}`);
  assert.ok(loaded.some(([path]) => path.includes('split_first')), 'the broker is among it');
  assert.equal(rest(), undefined);
  assert.ok(total <= LIMIT, `${total} of ${LIMIT}:\n${list.join('\n')}`);
  await page.evaluate(() => globalThis.shelfmq.fetch('/pub?topic=books', { method: 'POST', body: 'hello' }));
  await page.waitForFunction(() => globalThis.shelfmq.play.frame.value.snapshot.topics.length === 1);
  for (const until = Date.now() + 10_000; !rest(); ) {
    assert.ok(Date.now() < until, 'the rest of the broker is loaded');
    await page.waitForTimeout(20);
  }
});
