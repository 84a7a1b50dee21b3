// What a first visit downloads, the broker in it, packed as a web server packs it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

import { openBrowser, serveApp } from './app.mjs';

/** Bytes, gzip. */
const LIMIT = 280 * 1024;

test('a first visit downloads at most 280 KiB', async (t) => {
  const app = await serveApp();
  t.after(() => app.close());
  // What is kept for later, when there is no network, is not waited for by anybody.
  const { page } = await openBrowser(t, { serviceWorkers: 'block' });
  await page.goto(app.url);
  await page.getByRole('log').first().waitFor();
  // Everything that a first visit shows is there. (The load state `networkidle` never comes: the script of a shared worker
  // counts as being loaded for as long as that lives.)
  await page.waitForFunction(() => globalThis.shelfmq?.play.frame.value);
  await page.getByRole('heading', { name: 'Lessons' }).waitFor();
  const loaded = [...app.served].map(([path, body]) => [path, gzipSync(body, { level: 9 }).length]);
  const total = loaded.reduce((sum, [, size]) => sum + size, 0);
  const list = loaded.sort((a, b) => b[1] - a[1]).map(([path, size]) => `${size} ${path}`);
  t.diagnostic(`${total} bytes\n${list.join('\n')}`);
  assert.ok(loaded.some(([path]) => path.endsWith('.wasm')), 'the broker is among it');
  assert.ok(total <= LIMIT, `${total} of ${LIMIT}:\n${list.join('\n')}`);
});
