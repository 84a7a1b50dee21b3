// A scenario host in a dedicated worker or a service worker.
import { Broker as Whole } from '../js/index.js';
import { Broker as Split } from '../js/split.js';
import { ScenarioHost } from './scenario-host.js';

// In a dedicated worker, with its module in two parts; a service worker could not wait for the second one.
const host = new ScenarioHost(typeof XMLHttpRequest === 'undefined' ? Whole : Split);

self.addEventListener('message', ({ data: { verb, given }, ports: [port] }) => {
  host[verb](given).then(
    (value) => port.postMessage({ value }),
    (why) => port.postMessage({ error: String(why?.stack ?? why) }),
  );
});
