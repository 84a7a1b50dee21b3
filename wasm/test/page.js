// Where the broker runs is said by the query: in this page, or in a worker that it talks to.
import { ScenarioHost } from './scenario-host.js';

const place = location.search.slice(1);

async function hostIn() {
  if (place === 'page') {
    const host = new ScenarioHost();
    return (verb, given) => host[verb](given);
  }
  if (place === 'worker') {
    const worker = new Worker(new URL('scenario-worker.js', import.meta.url), { type: 'module' });
    worker.onerror = (event) => (globalThis.ready = `the worker failed: ${event.message}`);
    return caller((message, port) => worker.postMessage(message, [port]));
  }
  const url = new URL('scenario-worker.js', import.meta.url);
  await navigator.serviceWorker.register(url, { type: 'module', scope: '/test/' });
  const { active } = await navigator.serviceWorker.ready;
  return caller((message, port) => active.postMessage(message, [port]));
}

/** Calls somebody who answers on a port of each message's own. */
function caller(send) {
  return (verb, given) =>
    new Promise((done, fail) => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = ({ data }) => {
        port1.close();
        if (data.error === undefined) done(data.value);
        else fail(new Error(data.error));
      };
      send({ verb, given }, port2);
    });
}

try {
  globalThis.call = await hostIn();
  globalThis.ready ??= true;
} catch (why) {
  globalThis.ready = String(why);
}
