// Visits a broker as somebody does for the first time, and prints which functions of its module that takes: what
// `split cut` leaves in the first part. `node visit.mjs MODULE`, with what `split count` made.
import { readFileSync } from 'node:fs';

import init from '../pkg/shelfmq_wasm.js';
import { Broker, MemoryStorage, VirtualClock } from '../js/index.js';

const exports = await init({ module_or_path: readFileSync(process.argv[2]) });
const clock = new VirtualClock(1_700_000_000_000);
const limits = { maxWait: 86_400_000_000 };
const broker = await Broker.open({ storage: new MemoryStorage(), clock, limits, seed: 1, record: true, module: 'loaded' });

async function ask(path, init) {
  return answered(path, await broker.fetch(`http://localhost:4151${path}`, init));
}

async function answered(path, response) {
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return response.text();
}

const post = (path, body) => ask(path, { method: 'POST', body });

async function look(...states) {
  const peeks = states.map((state) => `/peek?topic=visit&channel=c&state=${state}&max=24`);
  for (const path of ['/stats?format=json&include_clients=true', ...peeks]) await answered(path, await broker.look(path));
}

await look();
// What happens is taken away to be kept, again and again.
broker.recordingSince();
clock.advance(1_000);
await broker.settled();
await look();
await post('/topic/create?topic=visit');
for (let i = 0; i < 100; i += 1) await post('/pub?topic=visit', `message ${i}`);
await post('/mpub?topic=visit', 'a\nb\nc');
await look();
// A consumer that waits, one that is answered at once, one whose leases end.
const waiting = ask('/sub?topic=other&channel=c&wait=60s');
await look();
await post('/pub?topic=other', 'for who waits');
await waiting;
const { messages } = JSON.parse(await ask('/sub?topic=visit&channel=c&max=10&format=json'));
await look('ready', 'in_flight');
await post('/fin?topic=visit&channel=c', messages[0].receipt);
await post('/req?topic=visit&channel=c', messages[1].receipt);
clock.advance(120_000);
await broker.settled();
await look('ready');
broker.nextTimeout();
for (const known of [undefined, { part: 1, bytes: 10 }, { part: 2, bytes: 0 }]) broker.recordingSince(known);

const called = Object.entries(exports).filter(([name, value]) => /^\d+$/.test(name) && value.value === 1);
console.log(called.map(([name]) => name).join('\n'));
