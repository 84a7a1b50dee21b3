// A scenario host in a dedicated worker or a service worker.
import { ScenarioHost } from './scenario-host.js';

const host = new ScenarioHost();

self.addEventListener('message', ({ data: { verb, given }, ports: [port] }) => {
  host[verb](given).then(
    (value) => port.postMessage({ value }),
    (why) => port.postMessage({ error: String(why?.stack ?? why) }),
  );
});
