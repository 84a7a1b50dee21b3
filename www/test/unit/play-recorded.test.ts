// What happened, kept as it comes, of one broker after another.
import { Broker, MemoryStorage, type Storage, VirtualClock } from 'shelfmq';
import { Recording } from 'shelfmq/recording';
import { afterEach, expect, test } from 'vitest';

import { inMemory, Recorded, type Pieces } from '../../src/playground/host/recorded.js';

const NOON = 1_800_000_000_000;
const brokers: Broker[] = [];
afterEach(async () => {
  for (const broker of brokers.splice(0)) await broker.close();
});

/** A broker that records, and what publishes to it. */
async function opened(storage: Storage, run: number, bytes = 1_000_000) {
  const clock = new VirtualClock(NOON + run * 3_600_000);
  const broker = await Broker.open({ storage, clock, seed: run, record: { bytes } });
  brokers.push(broker);
  const publish = async (count: number, body: string) => {
    for (let n = 0; n < count; n += 1) await broker.fetch('/pub?topic=t', { method: 'POST', body: `${body} ${n}` });
    await broker.settled();
    clock.advance(1_000);
  };
  return { broker, clock, publish };
}

/** What has the same as a storage, for a broker whose predecessor went without letting go of that. */
const anotherOn = (storage: Storage): Storage => ({
  list: () => storage.list(),
  read: (...given) => storage.read(...given),
  write: (changes) => storage.write(changes),
  close: () => {},
});

/** What is kept, with how often something was written. */
function counted(): Pieces & { writes: number } {
  const pieces = inMemory();
  const counting = { ...pieces, writes: 0, change: (...args: Parameters<Pieces['change']>) => ((counting.writes += 1), pieces.change(...args)) };
  return counting;
}

const published = async (recording: Recording) =>
  ((await (await recording.fetch('/stats?format=json')).json()) as { topics: { message_count: number }[] }).topics[0]?.message_count;

test('a past goes over brokers that ended without a word', async () => {
  const [store, storage] = [counted(), new MemoryStorage()];
  for (const run of [1, 2]) {
    const recorded = await Recorded.open(store, 1_000_000);
    const { broker, clock, publish } = await opened(anotherOn(storage), run);
    recorded.begin(clock.now());
    await publish(10, 'one');
    await recorded.keep(broker, clock.now());
    await publish(10, 'two');
    await recorded.keep(broker, clock.now());
    expect(recorded.from).toBe(NOON + 3_600_000);
    // Nothing happened since: nothing is written.
    const { writes } = store;
    await recorded.keep(broker, clock.now());
    expect(store.writes).toBe(writes);
  }
  const recorded = await Recorded.open(store, 1_000_000);
  recorded.begin(NOON);
  const parts = await recorded.before();
  expect(parts.length).toBe(2);
  const recording = await Recording.open(parts);
  expect(recording.broken).toBeUndefined();
  const counts = [];
  for (const at of [NOON + 3_600_500, NOON + 3_601_500, NOON + 7_200_500, NOON + 7_201_500]) {
    recording.seek({ at });
    counts.push(await published(recording));
  }
  expect(counts).toEqual([10, 20, 30, 40]);
  recording.close();
});

test('the oldest parts go where all would be too much', async () => {
  const [store, storage] = [inMemory(), new MemoryStorage()];
  const recorded = await Recorded.open(store, 400_000);
  recorded.begin(NOON);
  // Its own limit is twice that.
  const { broker, clock, publish } = await opened(storage, 1, 800_000);
  for (let n = 0; n < 60; n += 1) {
    await publish(10, 'x'.repeat(1_000));
    await broker.fetch('/sub?topic=t&channel=c&max=100&ack=auto');
    await recorded.keep(broker, clock.now());
  }
  const pieces = await store.list();
  const size = pieces.reduce((sum, { length }) => sum + length, 0);
  expect(size).toBeLessThanOrEqual(400_000);
  expect(size).toBeGreaterThan(100_000);
  expect(pieces[0]!.part).toBeGreaterThan(1);
  expect(pieces.length).toBeLessThan(20);
  expect(recorded.from).toBe(pieces[0]!.begun);
  recorded.begin(NOON);
  const recording = await Recording.open(await recorded.before());
  expect(recording.broken).toBeUndefined();
  recording.seek({ at: recording.to });
  expect(await published(recording)).toBe(600);
  recording.close();
});

test('once it is cleared there is none', async () => {
  const recorded = await Recorded.open(inMemory(), 1_000_000);
  recorded.begin(NOON);
  const { broker, clock, publish } = await opened(new MemoryStorage(), 1);
  await publish(1, 'one');
  await recorded.keep(broker, clock.now());
  await recorded.clear();
  recorded.begin(NOON);
  expect(await recorded.before()).toEqual([]);
  expect(recorded.from).toBeUndefined();
});
