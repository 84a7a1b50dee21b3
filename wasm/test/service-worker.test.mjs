// The service worker without a browser: which requests it takes, and how it finds the tab that has the broker.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Broker } from '../js/index.js';
import { serve } from '../js/port.js';

const ORIGIN = 'http://localhost';
let copies = 0;

/** A service worker that was just started, and what the browser would do to it. */
async function started(t, tab) {
  const listeners = {};
  globalThis.self = {
    location: { origin: ORIGIN },
    addEventListener: (type, listener) => (listeners[type] = listener),
    clients: { get: async (id) => (id === tab?.id ? tab : undefined), matchAll: async () => (tab ? [tab] : []) },
  };
  t.after(() => delete globalThis.self);
  copies += 1;
  await import(`../js/service-worker.js?${copies}`);
  return {
    message: (data, ...ports) => listeners.message({ data, source: tab, ports }),
    /** What it answers; undefined where it lets the request through. */
    fetch: (path, init) => {
      let answer;
      listeners.fetch({ request: new Request(ORIGIN + path, init), respondWith: (given) => (answer = given) });
      return answer;
    },
  };
}

test('all paths of the API go to the broker, and a page\'s own files do not', async (t) => {
  const broker = await Broker.open();
  const { paths } = await (await broker.fetch('/openapi.json')).json();
  await broker.close();
  // No tab is waited for.
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { fetch } = await started(t);
  // The page of commands would be in the place of the page's own.
  const known = Object.keys(paths).filter((path) => path !== '/');
  assert.ok(known.includes('/config/{opt}') && known.includes('/nodes/register'), known.join());
  for (const path of known) assert.ok(fetch(`${path}?topic=t`), path);
  const own = ['/', '/public/app.js', '/subscribe.html', '/finance', '/pub/', '/stats.css', '/configure', '/topic', '/a/pub'];
  for (const path of own) assert.equal(fetch(path), undefined, path);
});

test('a worker that was stopped finds the broker again, however many ask at once', async (t) => {
  const broker = await Broker.open();
  const { port1, port2 } = new MessageChannel();
  t.after(() => port1.close());
  serve(broker.fetch, port2);
  let asked = 0;
  const tab = { id: 'tab', postMessage: () => (asked += 1) };
  const { fetch, message } = await started(t, tab);
  const answers = ['/ping', '/ping', '/ping'].map((path) => fetch(path));
  while (asked === 0) await new Promise((resume) => setImmediate(resume));
  message({ shelfmq: 'broker' }, port1);
  assert.deepEqual((await Promise.all(answers)).map(({ status }) => status), [200, 200, 200]);
  assert.equal(asked, 1);
  await broker.close();
});
