// The console before a real server: the built app, as a server would serve it, with that server's API beside it.
import assert from 'node:assert/strict';
import { createServer, request as ask } from 'node:http';

import { serveApp, startServer } from './app.mjs';

/**
 * Serves the app in its life as a console, before the API of the server at `api`. `refuse(request)` may answer in the
 * server's place: with `[status, code, detail]`, or with 'gone', as a server that has ended.
 */
export async function serveConsole(api, { refuse = () => undefined } = {}) {
  const app = await serveApp();
  const asked = [];
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://x');
    const asset = await fetch(new URL(pathname.slice(1), app.url));
    if (request.method === 'GET' && asset.ok) {
      const isPage = pathname === '/';
      const body = isPage ? (await asset.text()).replace('data-life="playground"', 'data-life="console"') : Buffer.from(await asset.arrayBuffer());
      response.writeHead(200, { 'content-type': asset.headers.get('content-type') }).end(body);
      return;
    }
    asked.push(`${request.method} ${request.url}`);
    const no = refuse(request);
    if (no === 'gone') return void response.destroy();
    if (no) {
      const [status, message, detail] = no;
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ message, detail }));
      return;
    }
    const onward = ask(new URL(request.url, api), { method: request.method, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    /** `METHOD path` of all that the API was asked. */
    asked,
    close: () => {
      server.close();
      server.closeAllConnections();
      app.close();
    },
  };
}

/** A server, and a console before it, that end with the test. */
export async function startConsole(t, { refuse, args = ['--sync', 'never'] } = {}) {
  const server = await startServer(...args);
  const console = await serveConsole(server.url, { refuse });
  t.after(async () => {
    console.close();
    await server.stop();
    server.remove();
  });
  const call = async (path, init) => {
    const response = await fetch(server.url + path, init);
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response;
  };
  /** Posts to the server itself, as somebody else would. */
  const post = (path, body = '') => call(path, { method: 'POST', body });
  return { server, url: console.url, asked: console.asked, call, post };
}

/** A button with exactly this name. */
export const button = (page, name) => page.getByRole('button', { name, exact: true });
/** A number of the page. */
export const tile = (page, name) => page.locator('dl > div').filter({ has: page.locator('dt', { hasText: new RegExp(`^${name}$`) }) }).locator('dd');

/** Waits until a number of the page is that. */
export async function tileIs(page, name, value) {
  await tile(page, name).filter({ hasText: new RegExp(`^${value}(?![\\d,])`) }).waitFor();
}

/** The browser itself tells of answers that are errors: those that a test is about, it takes back. */
export function expected(wrong, status) {
  assert.ok(wrong.length > 0 && wrong.every((line) => line.includes('Failed to load resource') && status.test(line)), wrong.join('\n'));
  wrong.length = 0;
}

/** A topic, as the server has it. */
export async function stats(call, topic) {
  return (await (await call(`/stats?format=json&topic=${topic}`)).json()).topics[0];
}

/** Leases messages, as a consumer somewhere else. */
export async function lease(call, topic, channel, max = 1) {
  const answer = await call(`/sub?topic=${topic}&channel=${channel}&client=bob&format=json&wait=0&max=${max}`);
  return answer.status === 204 ? [] : (await answer.json()).messages;
}
