// Keeps the app's own files, so that the page opens without a network. The build writes their names in.
const FILES = [];
const VERSION = 'unbuilt';

const PREFIX = 'shelfmq-app-';
/** How long the network has for the page itself, in milliseconds, before what is kept takes its place. */
const PATIENCE_MS = 3_000;

self.addEventListener('install', (event) => event.waitUntil(keep()));
self.addEventListener('activate', (event) => event.waitUntil(forget()));

async function keep() {
  const cache = await caches.open(PREFIX + VERSION);
  await cache.addAll(FILES);
  await self.skipWaiting();
}

/** Files of the build before this one stay: a tab that was open may still want one. */
async function forget() {
  const names = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== PREFIX + VERSION);
  await Promise.all(names.slice(0, -1).map((name) => caches.delete(name)));
  await self.clients.claim();
}

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  const scope = new URL(self.registration.scope);
  if (request.method !== 'GET' || url.origin !== scope.origin || !url.pathname.startsWith(scope.pathname)) return;
  const path = url.pathname.slice(scope.pathname.length);
  if (path.startsWith('assets/')) event.respondWith(kept(request));
  else if (request.mode === 'navigate' ? path === '' || path === 'index.html' : FILES.includes(path)) event.respondWith(fresh(request));
});

/** A file whose name changes with what is in it. */
async function kept(request) {
  return (await caches.match(request)) ?? fetch(request);
}

/** A file that may have changed. */
async function fresh(request) {
  const known = request.mode === 'navigate' ? './' : request;
  const late = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS)).then(() => caches.match(known));
  const asked = fetch(request).catch(async (why) => {
    const found = await caches.match(known);
    if (!found) throw why;
    return found;
  });
  return (await Promise.race([asked, late])) ?? asked;
}
