// Brings a page's own requests of the broker's API to the broker, which runs in a worker of one of the tabs: see tab.js.
// It keeps nothing: the browser stops it when it likes.
import { fetchOver } from './port.js';

/** Paths of the API, so that a page's own files are let through. */
const API = /^\/(pub|mpub|sub|fin|req|touch|settle|peek|dead|ping|info|stats|metrics|openapi\.json|config\/|topic\/|channel\/|dead\/|topics|channels|lookup|nodes)/;
/** How long a tab is waited for that has the broker, in milliseconds. */
const PATIENCE = 5_000;

let broker;
let found = () => {};

self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));

self.addEventListener('message', ({ data, ports: [port] }) => {
  if (data?.shelfmq !== 'broker') return;
  const fetch = fetchOver(port);
  broker = fetch;
  port.addEventListener('close', () => {
    if (broker === fetch) broker = undefined;
  });
  found(fetch);
});

self.addEventListener('fetch', (event) => {
  const url = new URL(event.request.url);
  if (url.origin !== self.location.origin || !API.test(url.pathname)) return;
  event.respondWith(answer(event.request));
});

async function answer(request) {
  const fetch = broker ?? (await find());
  if (!fetch) {
    const body = JSON.stringify({ message: 'NO_BROKER', detail: 'No tab of this origin has the broker open.' });
    return new Response(body, { status: 503, headers: { 'content-type': 'application/json' } });
  }
  return fetch(request);
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
