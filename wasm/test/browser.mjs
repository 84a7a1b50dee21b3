// The package in a real Chromium: served as files by this process, driven by Playwright.
import { createReadStream, existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm' };

/** Serves the package's directory on loopback. */
export async function serveFiles(root = ROOT) {
  const server = createServer((request, response) => {
    const path = join(root, normalize(decodeURIComponent(new URL(request.url, 'http://x').pathname)));
    if (!path.startsWith(root) || !existsSync(path) || path.endsWith('/')) {
      response.writeHead(404).end();
      return;
    }
    const head = { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream', 'cache-control': 'no-store' };
    // A service worker may answer for the whole of this place.
    response.writeHead(200, { ...head, 'service-worker-allowed': '/' });
    createReadStream(path).pipe(response);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

/** The browser. */
export const executable = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** A scenario host in a page, a dedicated worker or a service worker. */
export async function hostIn(place) {
  const files = await serveFiles();
  const browser = await chromium.launch({ executablePath: executable, args: ['--no-sandbox'] });
  const page = await browser.newPage();
  page.on('pageerror', (error) => console.error(`${place}: ${error}`));
  await page.goto(`${files.url}/test/page.html?${place}`);
  await page.waitForFunction(() => globalThis.ready !== undefined);
  const ready = await page.evaluate(() => globalThis.ready);
  if (ready !== true) throw new Error(`${place}: ${ready}`);
  return {
    call: (verb, given) => page.evaluate(([verb, given]) => globalThis.call(verb, given), [verb, given]),
    close: async () => {
      await browser.close();
      files.close();
    },
  };
}
