// A broker for all tabs, in a worker, whose module has memory for little: it breaks off now and then, and is opened again.
import { Client } from '../js/client.js';
import { fetchOver } from '../js/port.js';
import { hostBroker } from '../js/tab.js';

/** Publishes until the broker broke off so often; answers what got its OK. */
globalThis.publishUntilBroken = async (module, times) => {
  const bytes = Uint8Array.from(atob(module), (char) => char.charCodeAt(0));
  const { opened, port } = hostBroker({ name: 'hosted', options: { module: bytes, cacheBytes: 2 ** 30 } });
  await opened;
  const client = new Client({ fetch: fetchOver(port()), url: location.origin });
  const sure = [];
  let n = 0;
  for (let broken = 0; broken < times; n += 1) {
    const body = `${n} ${'x'.repeat(400_000)}`;
    try {
      await client.publish('t', body);
      sure.push(n);
    } catch (why) {
      if (/broke off/.test(why.message)) broken += 1;
    }
  }
  const found = new Set();
  while (!sure.every((n) => found.has(n))) {
    try {
      for await (const message of client.subscribe('t', 'c')) {
        found.add(Number.parseInt(message.text(), 10));
        await message.finish();
        if (sure.every((n) => found.has(n))) break;
      }
    } catch (why) {
      // To hand out what there is takes memory, too.
      if (!/broke off/.test(why.message)) throw why;
    }
  }
  return { sure: sure.length, found: found.size };
};
globalThis.ready = true;
