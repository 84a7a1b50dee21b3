// The guide and the terminal: what runs there, and what the lessons run there.
import { signal } from '@preact/signals';
import { Broker, VirtualClock } from 'shelfmq';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { Api } from '../../src/broker/api.js';
import { keepReceipts, receipts } from '../../src/broker/receipts.js';
import type { Session } from '../../src/broker/session.js';
import { Guide } from '../../src/lessons/guide.js';
import { run } from '../../src/lessons/lesson.js';
import { keep, progress } from '../../src/lessons/progress.js';
import { type Machine, machineOf } from '../../src/terminal/machine.js';

const told: string[] = [];
vi.mock('../../src/ui/toast.js', async (original) => ({ ...(await original<object>()), tell: (text: string) => void told.push(text) }));

let broker: Broker;
let session: Session;
let guide: Guide;
let machine: Machine;

beforeEach(async () => {
  vi.stubGlobal('document', { querySelector: () => null });
  told.length = 0;
  receipts.value = {};
  keep({ done: [] });
  const clock = new VirtualClock(1_800_000_000_000);
  broker = await Broker.open({ clock });
  const fetch = keepReceipts((at, init) => broker.fetch(at, init));
  session = { life: 'playground', fetch, api: new Api(fetch), health: signal('OK'), base: 'http://localhost:4151', now: () => clock.now() };
  guide = new Guide(session);
  machine = machineOf(session);
  await guide.open('publish');
  await guide.start();
});

afterEach(async () => {
  machine.interrupt();
  await broker.close();
  vi.unstubAllGlobals();
});

const PUB = "curl -d 'Dune' 'localhost:4151/pub?topic=books'";
/** It waits for ever: time stands still. */
const SUB = "curl 'localhost:4151/sub?topic=books&channel=xiaoming'";
const published = async () => (await session.api.stats({ topic: 'books' })).topics[0]?.message_count ?? 0;
const runs = (does = true) => vi.waitFor(() => expect(machine.running.value).toBe(does));

test('what is the user’s is not deleted without a question; what the lesson made is', async () => {
  await session.api.topic('create', 'books');
  await guide.start();
  expect([guide.asks.value, await published()]).toEqual([undefined, 0]);
  await session.api.topic('create', 'books');
  await guide.open(undefined);
  await guide.open('publish');
  await guide.start();
  expect(guide.asks.value).toEqual([{ topic: 'books', messages: 0 }]);
  expect(progress.value.step).toBe(undefined);
  await guide.start(true);
  expect(progress.value.step).toBe(0);
});

test.each([true, false])('who leaves while a lesson is being started (%s) is not taken back, and does not begin the next one', async (sure) => {
  const starts = guide.start(sure);
  await guide.open('copies');
  await starts;
  expect(progress.value).toEqual({ done: [], open: 'copies' });
});

test('where the terminal runs something, the buttons say so, and nothing is left behind', async () => {
  const follows = machine.enter('sleep 1000');
  await runs();
  await guide.run(PUB);
  await guide.act([run(PUB)]);
  expect(told).toEqual(Array(2).fill('The terminal is busy: stop it first.'));
  expect(guide.busy.value).toBe(false);
  machine.interrupt();
  expect(await follows).toBe(130);
  await runs(false);
  expect(await published()).toBe(0);
  await guide.act([run(PUB)]);
  expect(await published()).toBe(1);
});

test('time may pass while the terminal runs something', async () => {
  void machine.enter('sleep 1000');
  await runs();
  await guide.act([{ pass: 1_000 }]);
  expect([told, guide.busy.value]).toEqual([[], false]);
});

test('what is stopped in the terminal does not go on', async () => {
  const acts = guide.act([run(SUB), run(PUB)]);
  await runs();
  expect(guide.busy.value).toBe(true);
  machine.interrupt();
  await acts;
  expect(guide.busy.value).toBe(false);
  expect(await published()).toBe(0);
});

test.each([
  ['to another lesson', () => guide.open('copies')],
  ['back to the list', () => guide.open(undefined)],
  ['to the start', () => guide.start(true)],
])('who goes %s leaves nothing that is still being done', async (_, leaves) => {
  const acts = guide.act([run(SUB), run(PUB)]);
  await runs();
  await leaves();
  expect(guide.busy.value).toBe(false);
  await acts;
  await runs(false);
  expect(await published()).toBe(0);
  // The next one can be done at once.
  if (progress.value.open === undefined) return;
  await guide.act([run(PUB)]);
  expect([guide.busy.value, await published()]).toEqual([false, 1]);
});
