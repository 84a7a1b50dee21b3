// A broker whose logs outlive this page, by what the query says: indexeddb has it in the page, opfs in a worker that is
// spoken to over a port, tabs behind a service worker, where plain `fetch` reaches it.
import { Broker, Client } from '../js/index.js';
import { fetchOver } from '../js/port.js';
import { IndexedDbStorage } from '../js/storage/indexeddb.js';
import { hostBroker } from '../js/tab.js';

const place = location.search.slice(1);

async function brokersFetch() {
  if (place === 'indexeddb') return (await Broker.open({ storage: await IndexedDbStorage.open() })).fetch;
  if (place === 'tabs') {
    await navigator.serviceWorker.register('../js/service-worker.js', { type: 'module', scope: '/' });
    const { standby, opened } = hostBroker({ name: 'tabs' });
    globalThis.opened = opened.then(() => true);
    await standby;
    await navigator.serviceWorker.ready;
    if (!navigator.serviceWorker.controller) {
      await new Promise((done) => navigator.serviceWorker.addEventListener('controllerchange', done, { once: true }));
    }
    return (path, init) => fetch(path, init);
  }
  const { opened, port } = hostBroker({ name: 'opfs' });
  await opened;
  const over = fetchOver(port());
  return (path, init) => over(new URL(path, location.origin), init);
}

try {
  const ask = await brokersFetch();
  globalThis.ask = async (path, method = 'GET', body = undefined) => {
    const answer = await ask(path, { method, body });
    return { status: answer.status, text: await answer.text() };
  };
  const client = new Client({ fetch: ask, url: location.origin });
  /** Publishes for as long as this page lives; what got its OK is told. */
  globalThis.publish = async (from) => {
    for (let n = from; ; n += 3) {
      await Promise.all([0, 1, 2].map((k) => client.publish('t', `#${n + k}`).then(() => console.log(`#${n + k}`))));
    }
  };
  globalThis.ready = true;
} catch (why) {
  globalThis.ready = String(why?.stack ?? why);
}
