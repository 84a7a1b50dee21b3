// The built app in a real Chromium: served as files by this process, or by a shelfmq server.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const DIST = process.env.APP_DIST ?? fileURLToPath(new URL('../../dist/app/', import.meta.url));
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const TYPES = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
  '.webmanifest': 'application/manifest+json',
};

/** Serves the built app as any static host would; `served` has what was asked for, by path. */
export async function serveApp() {
  const served = new Map();
  const server = createServer((request, response) => {
    let path = join(DIST, normalize(decodeURIComponent(new URL(request.url, 'http://x').pathname)));
    if (path.endsWith('/')) path += 'index.html';
    if (!path.startsWith(DIST) || !existsSync(path) || !statSync(path).isFile()) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream' });
    const body = readFileSync(path);
    served.set(path.slice(DIST.length), body);
    response.end(body);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return { url: `http://127.0.0.1:${server.address().port}/`, served, close: () => (server.close(), server.closeAllConnections()) };
}

/** A real server: SERVER_BINARY says which, or it is the debug build. */
export const BINARY = process.env.SERVER_BINARY ?? join(process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target'), 'debug/shelfmq');

/** Starts a server with its data in a directory of its own. */
export async function startServer(...args) {
  const data = mkdtempSync(join(tmpdir(), 'shelfmq-'));
  const child = spawn(BINARY, ['--http-address', '127.0.0.1:0', '--data-path', data, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  // Also where a test ends without its hooks.
  process.once('exit', () => child.kill());
  let said = '';
  const url = await new Promise((resolve, reject) => {
    const listen = (chunk) => {
      said += chunk;
      const found = /https?:\/\/127\.0\.0\.1:\d+/.exec(said) ?? /127\.0\.0\.1:[1-9]\d*/.exec(said);
      if (found) resolve(found[0].startsWith('http') ? found[0] : `http://${found[0]}`);
    };
    child.stdout.on('data', listen);
    child.stderr.on('data', listen);
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`the server ended with ${code}: ${said}`)));
  });
  return {
    url,
    data,
    stop: async () => {
      const ended = new Promise((done) => child.once('exit', done));
      child.kill('SIGTERM');
      await ended;
    },
    remove: () => rmSync(data, { recursive: true, force: true }),
  };
}

/**
 * A browser with an empty profile that is closed with the test, and a page in it; what goes wrong in the page fails
 * the test.
 */
export async function openBrowser(t, { width = 1280, height = 800, locale = 'en-US', colorScheme = 'light', serviceWorkers = 'allow' } = {}) {
  const launch = () => chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--host-resolver-rules=MAP shelf.test 127.0.0.1'] });
  // Now and then Chromium crashes while it starts, before any page: no fault of the app.
  const browser = await launch().catch(launch);
  const context = await browser.newContext({ viewport: { width, height }, locale, colorScheme, serviceWorkers });
  const wrong = [];
  context.on('page', (page) => {
    page.on('pageerror', (error) => wrong.push(`page: ${error.stack ?? error}`));
    page.on('console', (message) => {
      // Where a test wants none, that is no news.
      if (message.text().includes('Service Worker registration blocked by Playwright')) return;
      if (message.type() === 'error' || message.type() === 'warning') wrong.push(`console: ${message.text()}`);
    });
  });
  t.after(async () => {
    await browser.close();
    if (wrong.length > 0) throw new Error(wrong.join('\n'));
  });
  return { browser, context, page: await context.newPage(), wrong };
}
