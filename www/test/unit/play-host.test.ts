// The broker with its time, consumers and producers, as the worker has it; without a page and without a storage.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { Api } from '../../src/broker/api.js';
import { path } from '../../src/broker/fetch.js';
import type { Behaviour, Flow, Frame } from '../../src/broker/play.js';
import { Host } from '../../src/playground/host/host.js';
import type { News } from '../../src/playground/wire.js';

let host: Host;
let api: Api;
let frames: Frame[];

async function open(): Promise<void> {
  frames = [];
  host = new Host(false, () => 1, (news: News) => void ('frame' in news && frames.push(news.frame)));
  await host.opened();
  host.setSpeed(0);
  api = new Api((at, init) => host.fetch(new Request(`http://localhost:4151${at}`, init)));
}

beforeEach(open);
afterEach(() => host.reset());

const channel = async (topic: string, name: string) =>
  (await api.stats({ topic, include_clients: true })).topics[0]!.channels.find((one) => one.channel_name === name)!;

/** Publishes so many messages to a topic whose channels are there. */
async function given(count: number, ...channels: string[]): Promise<void> {
  await api.topic('create', 't');
  for (const one of channels) await api.channel('create', 't', one);
  const body = Array.from({ length: count }, (_, n) => `m${n}`).join('\n');
  await api.fetch('/mpub?topic=t', { method: 'POST', body });
}

/** Kept once a frame fulfils this. */
/** Waits for such a frame. The newest of all may be another: of a broker that a test before this one had, even. */
async function shown(what: (frame: Frame) => boolean): Promise<Frame> {
  let found;
  while (!(found = frames.findLast(what))) await new Promise((go) => setTimeout(go, 10));
  return found;
}

describe('consumers', () => {
  const consumer = (behaviour: Behaviour, timeout?: string) =>
    host.actors.addConsumer({ topic: 't', channel: 'c', behaviour, ...(timeout === undefined ? {} : { timeout }) });

  test('a fast one finishes all there is, without time', async () => {
    await given(1_000, 'c');
    consumer('fast');
    await host.advance(0);
    expect(await channel('t', 'c')).toMatchObject({ finish_count: 1_000, depth: 0, in_flight_count: 0 });
    expect(host.actors.consumers).toMatchObject([{ finished: 1_000, requeued: 0, holds: [] }]);
  });

  test('a slow one takes two seconds for each', async () => {
    await given(10, 'c');
    consumer('slow');
    await host.advance(1_999);
    expect(await channel('t', 'c')).toMatchObject({ finish_count: 0, in_flight_count: 1 });
    expect(host.actors.consumers[0]!.holds).toEqual(['0000000000000001']);
    await host.advance(4_002);
    expect(await channel('t', 'c')).toMatchObject({ finish_count: 3, in_flight_count: 1 });
  });

  test('a flaky one puts every third back', async () => {
    await given(9, 'c');
    consumer('flaky');
    await host.advance(500);
    expect(await channel('t', 'c')).toMatchObject({ finish_count: 6, requeue_count: 3, deferred_count: 3 });
    await host.advance(60_000);
    expect(await channel('t', 'c')).toMatchObject({ finish_count: 9, depth: 0, deferred_count: 0 });
  });

  test('one that crashes lets its leases run out', async () => {
    await given(1, 'c');
    consumer('crashes', '5s');
    await host.advance(4_999);
    expect(await channel('t', 'c')).toMatchObject({ in_flight_count: 1, timeout_count: 0 });
    await host.advance(6_000);
    expect(await channel('t', 'c')).toMatchObject({ finish_count: 0, timeout_count: 2 });
  });

  test('an ordered one makes its channel an ordered one, and keeps the order', async () => {
    consumer('ordered');
    host.actors.addProducer({ topic: 't', rate: 10, keys: 2 });
    await host.advance(10_400);
    const ordered = await channel('t', 'c');
    expect(ordered.options.ordered).toBe(true);
    // The first message came after a tenth of a second.
    expect(ordered.finish_count).toBe(20);
  });

  test('one that goes hangs up', async () => {
    await given(0, 'c');
    const id = consumer('fast');
    await host.advance(1);
    expect(await channel('t', 'c')).toMatchObject({ waiting_count: 1 });
    host.actors.remove(id);
    expect(await channel('t', 'c')).toMatchObject({ waiting_count: 0 });
    expect(host.actors.consumers).toEqual([]);
  });

  test('who lives by a topic goes with it', async () => {
    await given(3, 'c', 'd');
    consumer('slow');
    const other = host.actors.addConsumer({ topic: 't', channel: 'd', behaviour: 'slow' });
    host.actors.addProducer({ topic: 't', rate: 1 });
    await host.advance(100);
    await api.channel('delete', 't', 'c');
    expect(host.actors.consumers.map(({ id }) => id)).toEqual([other]);
    await api.topic('delete', 't');
    await host.advance(10_000);
    expect((await api.stats()).topics ?? []).toEqual([]);
    expect([host.actors.consumers, host.actors.producers]).toEqual([[], []]);
  });

  test('who lives by a topic that nobody may delete stays', async () => {
    await given(3, 'c');
    consumer('slow');
    host.actors.addProducer({ topic: 't', rate: 1 });
    const { consumers, producers } = host.actors.cast;
    await host.advance(2_500);
    expect((await api.fetch('/topic/delete?topic=t')).status).toBe(405);
    expect(host.actors.consumers[0]!.finished).toBe(1);
    expect((await api.fetch('/channel/delete?topic=t&channel=none', { method: 'POST' })).status).toBe(404);
    host.actors.addConsumer({ topic: 'none', channel: 'c', behaviour: 'fast' });
    host.actors.addProducer({ topic: 'later', rate: 0.1 });
    expect((await api.fetch('/topic/delete?topic=later', { method: 'POST' })).status).toBe(404);
    expect(host.actors.cast.consumers[0]).toEqual(consumers[0]);
    expect(host.actors.producers).toMatchObject([{ topic: 't', published: 2 }, { topic: 'later', rate: 0.1, published: 0 }]);
    expect(producers[0]!.id).toBe(host.actors.producers[0]!.id);
  });

  test('names that no topic may have are refused', () => {
    expect(() => host.actors.addConsumer({ topic: 'a b', channel: 'c', behaviour: 'fast' })).toThrow('no name of a topic');
    expect(() => host.actors.addConsumer({ topic: 't', channel: 'c', behaviour: 'fast', timeout: 'soon' })).toThrow('no time');
    expect(() => host.actors.addProducer({ topic: 't', rate: Number.NaN })).toThrow('a rate');
  });
});

test('a producer publishes what it says, in the mean', async () => {
  for (const rate of [0.5, 40, 1_000]) host.actors.addProducer({ topic: `t${rate}`, rate });
  await host.advance(10_000);
  const { topics } = await api.stats();
  expect(topics.map(({ topic_name, message_count }) => [topic_name, message_count])).toEqual([
    ['t0.5', 5],
    ['t1000', 10_000],
    ['t40', 400],
  ]);
});

describe('time', () => {
  test('how it is cut changes nothing', async () => {
    const run = async (cuts: number[]) => {
      await given(0, 'c', 'd', 'e');
      host.actors.addProducer({ topic: 't', rate: 7, keys: 3 });
      host.actors.addConsumer({ topic: 't', channel: 'c', behaviour: 'flaky' });
      host.actors.addConsumer({ topic: 't', channel: 'd', behaviour: 'slow', timeout: '1s' });
      host.actors.addConsumer({ topic: 't', channel: 'e', behaviour: 'ordered' });
      for (const ms of cuts) await host.advance(ms);
      return (await api.stats()).topics[0]!.channels.map(({ finish_count, requeue_count, timeout_count, depth, in_flight_count }) => [
        finish_count,
        requeue_count,
        timeout_count,
        depth,
        in_flight_count,
      ]);
    };
    const whole = await run([20_000]);
    await host.reset();
    host.setSpeed(0);
    const cut = await run([1, 999, 37, 9_963, ...Array.from({ length: 90 }, () => 100)]);
    expect(cut).toEqual(whole);
    expect(whole[0]![0]).toBeGreaterThan(50);
  });

  test('a step goes to what is next, whoever waits for it; a deadline is the broker’s own', async () => {
    await given(3, 'c', 'd');
    host.actors.addConsumer({ topic: 't', channel: 'c', behaviour: 'slow' });
    await host.advance(1);
    await api.fetch(path('/sub', { topic: 't', channel: 'd', timeout: '7s' }));
    await host.step();
    expect(await channel('t', 'c')).toMatchObject({ finish_count: 1 });
    expect(await channel('t', 'd')).toMatchObject({ timeout_count: 0 });
    expect(await host.nextDeadline()).toBe(true);
    expect(await channel('t', 'd')).toMatchObject({ timeout_count: 1, in_flight_count: 0 });
  });

  test('without anything that is due there is no next deadline, and a step stays where it is', async () => {
    await given(1, 'c');
    host.actors.addConsumer({ topic: 't', channel: 'd', behaviour: 'fast' });
    await host.advance(1);
    const before = (await host.recording()).length;
    expect(await host.nextDeadline()).toBe(false);
    await host.step();
    expect(before).toBeGreaterThan(0);
  });

  test('who only looks leaves no trace in what happened', async () => {
    await given(3, 'c');
    const size = async () => (await host.recording()).reduce((sum, { length }) => sum + length, 0);
    const before = await size();
    const paths = ['/stats?format=json', '/stats', '/topics', '/channels?topic=t', '/metrics', '/ping', '/info', '/lookup?topic=t', '/nodes', '/stats?topic=none'];
    for (const at of paths) expect((await api.fetch(at)).status, at).toBeLessThan(500);
    expect(await size()).toBe(before);
    expect((await (await api.fetch('/peek?topic=t&channel=c')).json())).toMatchObject({ messages: [{ body: 'm0' }, { body: 'm1' }, { body: 'm2' }] });
    expect((await api.fetch('/openapi.json')).status).toBe(200);
    expect((await api.fetch('/config/log_level')).status).toBe(200);
    expect((await api.fetch('/')).status).toBe(200);
  });

  test('goes on by itself, as fast as it is told', async () => {
    await given(0, 'c');
    host.actors.addProducer({ topic: 't', rate: 10 });
    host.setSpeed(100);
    await shown((frame) => (frame.producers[0]?.published ?? 0) >= 200);
    host.setSpeed(0);
    await host.advance(0);
    const { published } = host.actors.producers[0]!;
    await new Promise((go) => setTimeout(go, 50));
    expect(host.actors.producers[0]!.published).toBe(published);
  });

  test('only sensible speeds', () => {
    expect(() => host.setSpeed(-1)).toThrow('a speed is');
    expect(() => host.setSpeed(Number.NaN)).toThrow('a speed is');
  });
});

test('frames tell what moved: all of it, and who moved it', async () => {
  await given(0, 'c', 'd');
  await shown((frame) => frame.snapshot.topics[0]?.channels.length === 2);
  host.actors.addConsumer({ topic: 't', channel: 'c', behaviour: 'fast', name: 'joe' });
  host.actors.addProducer({ topic: 't', rate: 200 });
  await host.advance(1_000);
  for (let n = 0; n < 3; n += 1) {
    const poll = await api.fetch('/sub?topic=t&channel=d&client=ann');
    await api.fetch(path('/fin', { topic: 't', channel: 'd', receipt: poll.headers.get('shelf-receipt')! }), { method: 'POST' });
  }
  await shown((frame) => frame.snapshot.topics[0]?.channels[1]?.stats.finish_count === 3);
  const flows = frames.flatMap((frame) => frame.flows);
  const sum = (what: Partial<Flow>) =>
    flows.filter((flow) => Object.entries(what).every(([name, value]) => flow[name as keyof Flow] === value)).reduce((sum, { count }) => sum + count, 0);
  expect(sum({ kind: 'published' })).toBe(200);
  expect(sum({ kind: 'finished', channel: 'c' })).toBe(200);
  expect(sum({ kind: 'delivered', channel: 'd' })).toBe(3);
  expect(sum({ kind: 'finished', channel: 'd' })).toBe(3);
  expect(flows.filter(({ kind, channel }) => kind === 'delivered' && channel === 'd').every(({ client }) => client === 'ann')).toBe(true);
  expect(flows.filter(({ channel }) => channel === 'd').flatMap(({ kind, ids }) => (kind === 'finished' ? ids : []))).toEqual([
    '0000000000000001',
    '0000000000000002',
    '0000000000000003',
  ]);
});

test('frames tell what no counter does: a lease that was extended', async () => {
  await given(1, 'c');
  const poll = await api.fetch('/sub?topic=t&channel=c&timeout=5s');
  const until = (frame: Frame) => frame.snapshot.topics[0]?.channels[0]?.piles.in_flight.first[0]?.until ?? 0;
  const before = until(await shown((frame) => until(frame) > 0));
  await api.fetch(path('/touch', { topic: 't', channel: 'c', receipt: poll.headers.get('shelf-receipt')!, timeout: '50s' }), { method: 'POST' });
  await shown((frame) => until(frame) > before);
});

test('frames look only into the first channels where there are many', async () => {
  await given(2, ...Array.from({ length: 50 }, (_, n) => `c${n}`));
  const full = await shown((frame) => frame.snapshot.topics[0]?.channels.length === 50 && frame.snapshot.topics[0].channels.every(({ piles }) => piles.ready.count === 2));
  const looked = full.snapshot.topics[0]!.channels.filter(({ piles }) => piles.ready.first.length > 0);
  expect(looked.length).toBeLessThanOrEqual(40);
});

describe('a state', () => {
  test('comes back after everything was emptied', async () => {
    await given(5, 'c');
    host.actors.addConsumer({ topic: 't', channel: 'c', behaviour: 'slow' });
    host.actors.addProducer({ topic: 't', rate: 2 });
    await host.advance(5_000);
    const before = await channel('t', 'c');
    const cast = host.actors.cast;
    const saved = await host.exportState();
    await host.reset();
    expect((await api.stats()).topics ?? []).toEqual([]);
    await host.importState(saved);
    const after = await channel('t', 'c');
    // Whoever has something leases it anew.
    expect(after.depth + after.in_flight_count).toBe(before.depth + before.in_flight_count);
    expect(host.actors.cast).toEqual(cast);
    expect(host.about.speed).toBe(0);
  });

  test('that makes no sense changes nothing', async () => {
    await given(5, 'c');
    await expect(host.importState(new TextEncoder().encode('shelfpg\x01 and nonsense'))).rejects.toThrow('no state');
    expect((await channel('t', 'c')).depth).toBe(5);
  });

  test('a log can be put in beside what is there; not twice', async () => {
    await given(5, 'c');
    const log = await host.exportLog('t');
    await expect(host.importLog(log.slice())).rejects.toThrow('already');
    expect((await channel('t', 'c')).depth).toBe(5);
    await api.topic('delete', 't');
    expect(await host.importLog(log)).toBe('t');
    expect((await channel('t', 'c')).depth).toBe(5);
  });
});
