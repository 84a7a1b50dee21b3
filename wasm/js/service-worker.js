// Brings a page's own requests of the broker's API to the broker, which runs in a worker of one of the tabs: see tab.js.
// It keeps nothing: the browser stops it when it likes.
import { fetchOver } from './port.js';
import { isPath } from './routes.js';

/** How long a tab is waited for that has the broker, in milliseconds. */
const PATIENCE = 5_000;

/** A fetch function, and the tab that has the broker behind it. */
let broker;
let found = () => {};
/** The search for it, which all that come meanwhile wait for. */
let finding;

self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));

self.addEventListener('message', ({ data, source, ports: [port] }) => {
  if (data?.shelfmq !== 'broker') return;
  const before = broker;
  const offered = { fetch: fetchOver(port), tab: source.id };
  broker = offered;
  port.addEventListener('close', () => {
    if (broker === offered) broker = undefined;
  });
  found(offered);
  // Another tab has it now: what waits for the last one waits in vain.
  if (before && before.tab !== offered.tab) before.fetch.end();
});

self.addEventListener('fetch', (event) => {
  const url = new URL(event.request.url);
  // A page's own files are let through, and the first of them is not the broker's page of commands.
  if (url.origin !== self.location.origin || url.pathname === '/' || !isPath(url.pathname)) return;
  event.respondWith(answer(event.request));
});

async function answer(request) {
  const asked = (await current()) ?? (await (finding ??= find().finally(() => (finding = undefined))));
  if (!asked) {
    const body = JSON.stringify({ message: 'NO_BROKER', detail: 'No tab of this origin has the broker open.' });
    return new Response(body, { status: 503, headers: { 'content-type': 'application/json' } });
  }
  // What is got is asked again of the tab that took over: what a poll leased, or finished by itself, its asker has not got
  // either way. What may have been done otherwise is not done twice.
  const again = request.method === 'GET' ? request.clone() : undefined;
  try {
    return await asked.fetch(request);
  } catch (why) {
    if (again && broker && broker !== asked) return broker.fetch(again);
    throw why;
  }
}

/** The broker that is known, where its tab is still there: not each browser tells when a port's other end goes. */
async function current() {
  const known = broker;
  if (known && !(await self.clients.get(known.tab))) {
    known.fetch.end();
    if (broker === known) broker = undefined;
  }
  return broker;
}

/** Asks all tabs which of them has the broker. */
async function find() {
  const answered = new Promise((resolve) => (found = resolve));
  const late = new Promise((resolve) => setTimeout(resolve, PATIENCE));
  for (const tab of await self.clients.matchAll({ includeUncontrolled: true, type: 'window' })) {
    tab.postMessage({ shelfmq: 'wanted' });
  }
  return Promise.race([answered, late]);
}
