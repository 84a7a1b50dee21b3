// A dedicated worker that has a broker, with its logs in the origin's private file system. Of all tabs of an origin one
// has it: the others wait for the lock, and take over when that tab goes.
import { brokerOn } from './broker.js';
import { find, load } from './load.js';
import { serve } from './port.js';
import { OpfsStorage } from './storage/opfs.js';

let ports = [];
let broker;

/** The broker that there is at the moment: one that broke off is followed by another. */
const fetchOf = (...given) => broker.fetch(...given);

self.addEventListener('message', async ({ data, ports: [port] }) => {
  if (data.shelfmq === 'port') {
    if (broker) serve(fetchOf, port);
    else ports.push(port);
  } else if (data.shelfmq === 'open') {
    await open(data);
  }
});

async function open({ name = 'shelfmq', options = {} }) {
  const tell = (why) => self.postMessage({ shelfmq: 'failed', why: String(why?.message ?? why) });
  try {
    // Whoever takes over may be offline by then.
    await find(options.module);
  } catch (why) {
    return tell(why);
  }
  self.postMessage({ shelfmq: 'standby' });
  // The lock is held for as long as the worker lives, and can open the broker.
  await navigator.locks.request(`shelfmq:${name}`, async () => {
    try {
      for (;;) {
        broker = await brokerOn(load).open({ ...options, storage: await OpfsStorage.open(name) });
        for (const port of ports) serve(fetchOf, port);
        ports = [];
        self.postMessage({ shelfmq: 'open' });
        await broker.failed;
        await broker.close();
      }
    } catch (why) {
      tell(why);
    }
  });
}
