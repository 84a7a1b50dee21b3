// A dedicated worker that has a broker, with its logs in the origin's private file system. Of all tabs of an origin one
// has it: the others wait for the lock, and take over when that tab goes.
import { brokerOn } from './broker.js';
import { load } from './load.js';
import { serve } from './port.js';
import { OpfsStorage } from './storage/opfs.js';

let ports = [];
let broker;

self.addEventListener('message', async ({ data, ports: [port] }) => {
  if (data.shelfmq === 'port') {
    if (broker) serve(broker.fetch, port);
    else ports.push(port);
  } else if (data.shelfmq === 'open') {
    await open(data);
  }
});

async function open({ name = 'shelfmq', options = {} }) {
  try {
    // Whoever takes over may be offline by then.
    await load(options.module);
  } catch (why) {
    self.postMessage({ shelfmq: 'failed', why: String(why?.message ?? why) });
    return;
  }
  self.postMessage({ shelfmq: 'standby' });
  await navigator.locks.request(`shelfmq:${name}`, async () => {
    try {
      broker = await brokerOn(load).open({ ...options, storage: await OpfsStorage.open(name) });
    } catch (why) {
      self.postMessage({ shelfmq: 'failed', why: String(why?.message ?? why) });
      return;
    }
    for (const port of ports) serve(broker.fetch, port);
    ports = [];
    self.postMessage({ shelfmq: 'open' });
    // The lock is held for as long as the worker lives.
    await new Promise(() => {});
  });
}
