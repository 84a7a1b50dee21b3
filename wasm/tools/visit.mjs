// Visits a broker as a page does before anybody asks anything of it, and prints which functions of its module that takes:
// what `split cut` leaves in the first part. `node visit.mjs MODULE`, with what `split count` made.
import { readFileSync } from 'node:fs';

import { brokerOn } from '../js/broker.js';
import { isFirstLook } from '../js/first.js';
import { MemoryStorage, VirtualClock } from '../js/index.js';
import { instantiate } from '../js/instance.js';
import { bind } from '../pkg/shelfmq_wasm.js';

const LOOK = '/stats?format=json&include_clients=true';
if (!isFirstLook(LOOK)) throw new Error('what is visited is what waits for nothing');

let exports;
const Broker = brokerOn(async (module, told) => {
  const instance = await instantiate(bind, await WebAssembly.compile(readFileSync(process.argv[2])), told);
  ({ exports } = instance);
  return instance;
});
const clock = new VirtualClock(1_700_000_000_000);
const limits = { maxWait: 86_400_000_000 };
const broker = await Broker.open({ storage: new MemoryStorage(), clock, limits, seed: 1, record: true });

async function look() {
  const response = await broker.look(LOOK);
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  await response.text();
}

await look();
clock.advance(1_000);
await broker.settled();
await look();
broker.nextTimeout();
// What happens is taken away to be kept, again and again.
for (const known of [undefined, { part: 1, bytes: 10 }, { part: 2, bytes: 0 }]) broker.recordingSince(known);

const called = Object.entries(exports).filter(([name, value]) => /^\d+$/.test(name) && value.value === 1);
console.log(called.map(([name]) => name).join('\n'));
