// The package in a real Chromium: served as files by this process, driven by Playwright.
import { spawn } from 'node:child_process';
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

const launchOnce = () => chromium.launch({ executablePath: executable, args: ['--no-sandbox'] });

/** A browser. Now and then Chromium crashes while it starts, before any page, which is no fault of ours: it starts once more. */
export const launch = () => launchOnce().catch(launchOnce);

/**
 * A browser with this profile, in a process group of its own, so that all of it can be killed at once: Playwright does
 * not say which process is the one that it starts.
 */
export async function launchToKill(profile) {
  const flags = ['--headless', '--no-sandbox', '--no-first-run', '--remote-debugging-port=0', `--user-data-dir=${profile}`];
  const child = spawn(executable, [...flags, 'about:blank'], { detached: true, stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = new Promise((resolve) => child.once('close', resolve));
  const killNow = () => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid, 'SIGKILL');
  };
  process.once('exit', killNow);
  const kill = async () => {
    killNow();
    await ended;
    process.removeListener('exit', killNow);
  };
  let told = '';
  const place = new Promise((resolve, reject) => {
    child.stderr.setEncoding('utf8').on('data', (text) => {
      told += text;
      const found = /DevTools listening on (ws:\S+)/.exec(told);
      if (found) resolve(found[1]);
    });
    child.once('error', reject);
    child.once('close', () => reject(new Error(`the browser ended: ${told}`)));
  });
  const browser = await chromium.connectOverCDP(await place);
  return { context: browser.contexts()[0], kill };
}

/** A scenario host in a page, a dedicated worker or a service worker. */
export async function hostIn(place) {
  const files = await serveFiles();
  const browser = await launch();
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
