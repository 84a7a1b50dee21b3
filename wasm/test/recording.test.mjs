// What came to a broker is written down, and any moment of it can be gone to.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Broker, Client, MemoryStorage, VirtualClock } from '../js/index.js';
import { Recording } from '../js/recording.js';

const TARGET = process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL('../../target', import.meta.url));
const SERVER = join(TARGET, 'debug/shelfmq');
const NOON = 1_800_000_000_000;
const LOOKS = ['/stats?format=json&include_mem=true', '/stats', '/peek?topic=t&max=20', '/peek?topic=t&channel=c&state=in_flight', '/dead?topic=t&channel=c', '/topics', '/channels?topic=t', '/lookup?topic=t', '/metrics', '/info', '/ping'];
const home = await mkdtemp(join(tmpdir(), 'shelfmq-'));
after(() => rm(home, { recursive: true }));

const look = async (on, path) => {
  const answer = await on.fetch(path);
  return `${answer.status} ${[...answer.headers]} ${await answer.text()}`;
};
const lookAtAll = async (on) => Promise.all(LOOKS.map((path) => look(on, path)));

/** A broker at work; and what was seen at moments of it, with the number of the step that each was. */
async function work(options, rounds = 30) {
  const clock = new VirtualClock(NOON);
  const broker = await Broker.open({ clock, seed: 7, record: true, ...options });
  const client = new Client({ fetch: broker.fetch });
  await broker.fetch('/topic/create?topic=t', { method: 'POST' });
  await broker.fetch('/channel/create?topic=t&channel=c&max_attempts=2', { method: 'POST' });
  const moments = [];
  const ids = [];
  for (let round = 0; round < rounds; round += 1) {
    ids.push((await client.publish('t', `message ${round}`, round % 5 === 4 ? { defer: '3s' } : {})).id);
    const answer = await broker.fetch('/sub?topic=t&channel=c&client=worker-1&max=2&wait=0&timeout=2s&format=json', { peer: '10.0.0.1:1000' });
    const { messages } = answer.status === 200 ? await answer.json() : { messages: [] };
    if (round % 3 === 0 && messages[0]) await client.finish('t', 'c', messages[0].receipt);
    if (round % 3 === 1 && messages[0]) await client.requeue('t', 'c', messages[0].receipt);
    clock.advance(700);
    await broker.settled();
    if (round % 4 === 0) moments.push({ at: clock.now(), seen: await lookAtAll(broker) });
    clock.advance(1);
  }
  return { broker, clock, moments, ids };
}

for (const [what, storage] of [['in memory', () => undefined], ['with a log', () => new MemoryStorage()]]) {
  test(`every moment is what it was live, ${what}, however one comes to it`, async () => {
    const { broker, moments, ids } = await work({ storage: storage(), segmentBytes: 2_000, cacheBytes: 4_000 });
    const recording = await Recording.open(broker.recording());
    assert.equal(recording.broken, undefined);
    assert.equal(recording.torn, 0);
    assert.deepEqual([recording.madeBy, recording.shards], ['0.1.0', 1]);
    assert.deepEqual(recording.position, { step: 0, at: recording.from });
    const order = [...moments, ...moments.toReversed(), ...moments.map((_, nth) => moments[(nth * 5) % moments.length])];
    for (const { at, seen } of order) {
      recording.seek({ at });
      assert.equal(recording.position.at, at);
      assert.deepEqual(await lookAtAll(recording), seen);
      const { step } = recording.position;
      const before = recording.previous();
      assert.equal(before.step, step);
      assert.deepEqual(recording.next(), before);
      assert.deepEqual(recording.seek({ step }).step, step);
    }
    // The timeline, in pages and at once.
    const all = recording.steps(1, 100_000);
    assert.equal(all.length, recording.stepCount);
    assert.deepEqual(all.map(({ step }) => step), all.map((_, nth) => nth + 1));
    assert.deepEqual([...recording.steps(1, 7), ...recording.steps(8, 100_000)], all);
    assert.deepEqual(recording.steps(40, 1), [all[39]]);
    const publish = all.find(({ by }) => by?.path === '/pub');
    assert.deepEqual([publish.kind, publish.topic, publish.by.method, publish.by.bytes], ['request', 't', 'POST', 9]);
    const handed = all.flatMap((step) => step.handed);
    assert.ok(handed.length > 10);
    assert.equal(handed[0].to.client, 'worker-1');
    assert.equal(handed[0].to.peer, '10.0.0.1:1000');
    assert.deepEqual([handed[0].topic, handed[0].channel, handed[0].messages[0].id, handed[0].messages[0].attempts], ['t', 'c', ids[0], 1]);
    // What happened since a step, message by message.
    const happened = all.flatMap((step) => step.happened);
    const idsOf = (code) => happened.filter((one) => one.code === code).flatMap((one) => one.ids);
    assert.deepEqual(idsOf('published'), ids);
    const { finish_count, requeue_count, timeout_count, dead_count } = await (async () => {
      const { topics } = await (await broker.look('/stats?format=json')).json();
      return topics[0].channels[0];
    })();
    assert.ok(finish_count > 0 && requeue_count > 0 && timeout_count > 0 && dead_count > 0);
    // Who dies was given back, or not settled in time.
    const died = (why) => happened.filter((one) => one.because_code === why).flatMap((one) => one.ids).length;
    assert.equal(idsOf('finished').length, finish_count);
    assert.equal(idsOf('requeued').length + died('requeued'), requeue_count);
    assert.equal(idsOf('timed_out').length + died('lease_ran_out'), timeout_count);
    assert.equal(idsOf('died').length, dead_count);
    assert.ok(happened.every(({ topic, channel, code }) => topic === 't' && channel === (code === 'published' ? undefined : 'c')));
    // A story, at the end and in the middle.
    recording.seek({ step: recording.stepCount });
    const story = recording.story('t', ids[1]);
    assert.equal(story[0].what, 'published');
    assert.ok(story.some((line) => line.what === 'leased' && line.to.client === 'worker-1'));
    assert.equal(story.at(-1).what, 'now');
    assert.equal(story.at(-1).channels[0].channel, 'c');
    // For programs, by codes.
    assert.deepEqual([story[0].code, story[0].by_code, story.at(-1).code], ['published', 'request', 'now']);
    for (const { what, code, by, by_code } of story) {
      assert.match(code, /^[a-z_]+$/, what);
      assert.equal(by === undefined, by_code === undefined, what);
    }
    for (const { because, because_code } of [...story, ...story.at(-1).channels]) {
      assert.equal(because === undefined, because_code === undefined, because);
    }
    recording.seek({ step: 3 });
    const unknown = recording.story('t', ids[5]).at(-1);
    assert.match(unknown.because, /no message of this id/);
    assert.equal(unknown.because_code, 'unknown');
    recording.close();
    await broker.close();
  });
}

/** What has the same as a storage, for a broker whose predecessor went without letting go of that. */
const anotherOn = (storage) => ({
  list: () => storage.list(),
  read: (...given) => storage.read(...given),
  write: (changes) => storage.write(changes),
  close: () => {},
});

test('what is kept as it comes, of one broker after another, is one past', async () => {
  const kept = [];
  /** Takes what is new of a broker. */
  const keep = (broker, parts, known) => {
    for (const { part, at, bytes } of broker.recordingSince(known)) {
      parts[part] = Buffer.concat([(parts[part] ?? Buffer.alloc(0)).subarray(0, at), bytes]);
      known = { part, bytes: at + bytes.length };
    }
    return known;
  };
  const storage = new MemoryStorage();
  const moments = [];
  let ids;
  for (const run of [1, 2, 3]) {
    const parts = [];
    let known;
    const clock = new VirtualClock(NOON + run * 60_000);
    const broker = await Broker.open({ clock, seed: run, record: { bytes: 40_000 }, storage: anotherOn(storage) });
    const client = new Client({ fetch: broker.fetch });
    for (let round = 0; round < 100; round += 1) {
      const { id } = await client.publish('t', `message ${round} of ${run}`);
      ids ??= [id];
      const answer = await broker.fetch(`/sub?topic=t&channel=c&client=worker-${run}&wait=0&format=json`);
      const { messages } = await answer.json();
      if (round % 10 !== 0) await client.finish('t', 'c', messages[0].receipt);
      clock.advance(100);
      if (round % 30 === 0) {
        known = keep(broker, parts, known);
        assert.deepEqual(broker.recordingSince(known), []);
        moments.push({ at: clock.now(), seen: await lookAtAll({ fetch: broker.look }) });
        clock.advance(1);
      }
    }
    keep(broker, parts, known);
    assert.deepEqual(broker.recording().map((part) => Buffer.from(part)), parts.filter(Boolean).slice(-broker.recording().length));
    kept.push(...parts.filter(Boolean));
    // It ends as if by a power cut: what it had was stored.
    await broker.settled();
  }
  const recording = await Recording.open(kept);
  assert.equal(recording.broken, undefined);
  for (const { at, seen } of [...moments, ...moments.toReversed()]) {
    recording.seek({ at });
    assert.deepEqual(await lookAtAll(recording), seen);
  }
  recording.seek({ at: recording.to });
  const story = recording.story('t', ids[0]).map(({ what }) => what);
  assert.deepEqual(story.slice(0, 2), ['published', 'leased']);
  assert.ok(recording.to - recording.from > 120_000);
  await assert.rejects(Recording.open(kept.toReversed()), /another order/);
});

test('a recording grows as its broker goes on, and is the same as one that was opened then', async () => {
  const { broker, clock, ids } = await work({}, 10);
  const client = new Client({ fetch: broker.fetch });
  const growing = await Recording.open(broker.recording(), { imageBytes: 100_000 });
  growing.seek({ step: 7 });
  growing.steps(5, 5);
  for (const round of [1, 2, 3]) {
    for (let n = 0; n < 50; n += 1) {
      ids.push((await client.publish('t', `more ${round} ${n}`)).id);
      clock.advance(10);
    }
    await broker.settled();
    const parts = broker.recording();
    const known = growing.stepCount;
    assert.equal(growing.grow(parts), true);
    assert.deepEqual(growing.position.step, 7);
    const opened = await Recording.open(parts);
    assert.deepEqual([growing.stepCount, growing.from, growing.to], [opened.stepCount, opened.from, opened.to]);
    assert.ok(growing.stepCount >= known + 50);
    assert.deepEqual(growing.steps(1, 10_000), opened.steps(1, 10_000));
    for (const step of [known, growing.stepCount, 7]) {
      growing.seek({ step });
      opened.seek({ step });
      assert.deepEqual(await lookAtAll(growing), await lookAtAll(opened));
    }
    opened.close();
  }
  assert.equal(growing.grow(broker.recording()), true);
  // What is not more of the same is left alone.
  const { broker: other } = await work({}, 12);
  const before = growing.stepCount;
  assert.equal(growing.grow(other.recording()), false);
  assert.throws(() => growing.grow([new Uint8Array(3)]), /is no recording/);
  assert.deepEqual([growing.stepCount, growing.position.step], [before, 7]);
  assert.equal((await growing.fetch('/ping')).status, 200);
  await Promise.all([broker.close(), other.close()]);
});

test('a recording can be looked at, and not be changed', async () => {
  const { broker } = await work({}, 3);
  const recording = await Recording.open(broker.recording());
  recording.seek({ step: recording.stepCount });
  const before = await lookAtAll(recording);
  for (const [path, method] of [['/pub?topic=t', 'POST'], ['/sub?topic=t&channel=c', 'GET'], ['/topic/delete?topic=t', 'POST'], ['/config/log_level', 'PUT']]) {
    const answer = await recording.fetch(path, { method, body: method === 'GET' ? undefined : 'debug' });
    assert.equal(answer.status, 403, path);
    assert.equal((await answer.json()).message, 'READ_ONLY');
  }
  assert.equal((await recording.fetch('/nothing')).status, 404);
  assert.equal((await recording.fetch('/peek?topic=none')).status, 404);
  assert.deepEqual(await lookAtAll(recording), before);
  await broker.close();
});

test('what is only in the log is shown without what it says', async () => {
  const { broker } = await work({ storage: new MemoryStorage(), segmentBytes: 500, cacheBytes: 0 });
  const recording = await Recording.open(broker.recording());
  recording.seek({ step: recording.stepCount });
  const { messages } = await (await recording.fetch('/peek?topic=t&max=100')).json();
  assert.ok(messages.some(({ absent }) => absent));
  assert.ok(messages.every(({ id, absent, body }) => id && absent === (body === undefined ? true : undefined)));
  await broker.close();
});

test('what is recorded has its bounds, and begins with a whole state', async () => {
  const bytes = 100_000;
  const { broker, clock } = await work({ record: { bytes } }, 600);
  const parts = broker.recording();
  const size = parts.reduce((sum, part) => sum + part.length, 0);
  assert.ok(parts.length > 1 && size <= bytes + 10_000, `${parts.length} parts, ${size} bytes`);
  for (const kept of [parts, parts.slice(-1)]) {
    const recording = await Recording.open(kept);
    assert.equal(recording.broken, undefined);
    recording.seek({ at: clock.now() });
    const [now] = await lookAtAll(broker);
    assert.deepEqual(JSON.parse(now.slice(now.indexOf('{'))).topics, (await (await recording.fetch(LOOKS[0])).json()).topics);
  }
  await broker.close();
  assert.deepEqual((await Broker.open()).recording(), []);
});

test('a broker says when something is due next, and a clock that stands still knows it', async () => {
  const clock = new VirtualClock(NOON);
  const broker = await Broker.open({ clock });
  assert.equal(broker.nextTimeout(), undefined);
  await broker.fetch('/pub?topic=t', { method: 'POST', body: 'x' });
  await broker.fetch('/sub?topic=t&channel=c&timeout=5s');
  assert.equal(broker.nextTimeout(), NOON + 5_000);
  assert.equal(clock.next(), NOON + 5_000);
  await broker.close();
});

test('bytes that are torn, damaged or something else are told from a recording', async () => {
  const { broker } = await work({}, 10);
  const [part] = broker.recording();
  const whole = await Recording.open([part]);
  for (let cut = part.length - 1; cut > 0; cut -= Math.ceil(part.length / 50)) {
    const opened = await Recording.open([part.slice(0, cut)]).catch((why) => why);
    if (opened instanceof Error) assert.match(opened.message, /^shelfmq: (this|a part|part 1|the recording has no engine)/);
    else assert.ok(opened.stepCount < whole.stepCount && (opened.torn > 0 || opened.stepCount === 0));
  }
  for (let at = 0; at < part.length; at += Math.ceil(part.length / 100)) {
    const flipped = part.slice();
    flipped[at] ^= 4;
    const opened = await Recording.open([flipped]).catch((why) => why);
    if (opened instanceof Error) assert.match(opened.message, /^shelfmq: (this|a part|part 1|the recording has no engine)/);
    else assert.ok(opened.stepCount < whole.stepCount);
  }
  await assert.rejects(Recording.open([]), /is no recording/);
  await assert.rejects(Recording.open([new TextEncoder().encode('GET / HTTP/1.1')]), /is no recording/);
  await broker.close();
});

test('the server replays what was recorded here', async () => {
  const { broker, ids } = await work({});
  const path = join(home, 'recording');
  await writeFile(path, broker.recording()[0]);
  const run = (...more) => execFileSync(SERVER, ['replay', path, ...more], { encoding: 'utf8' }).trim().split('\n').map((line) => JSON.parse(line));
  const [head, stats] = run();
  const recording = await Recording.open(broker.recording());
  recording.seek({ step: recording.stepCount });
  assert.equal(head.inputs, recording.stepCount);
  assert.deepEqual(stats, await (await recording.fetch('/stats?format=json')).json());
  assert.deepEqual(run('--topic', 't', '--explain', ids[2]), recording.story('t', ids[2]));
  await broker.close();
});

test('what a server recorded is stepped through, from any of its parts', async () => {
  const path = join(home, 'server');
  const args = ['serve', '--http-address', '127.0.0.1:0', '--data-path', join(home, 'data'), '--record', path, '--record-bytes', '4194304', '--cache-bytes', '0'];
  const server = spawn(SERVER, args, { cwd: home, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((done) => server.once('exit', done));
  let url;
  for await (const line of createInterface({ input: server.stdout })) {
    url = /listens on (\S+)/.exec(line)?.[1];
    if (url) break;
  }
  const client = new Client({ url });
  const topics = ['a', 'b', 'c', 'd'];
  const body = 'x'.repeat(20_000);
  const ids = {};
  for (let round = 0; round < 40; round += 1) {
    for (const topic of topics) ids[topic] = (await client.publish(topic, body)).id;
    await fetch(`${url}/sub?topic=${topics[round % 4]}&channel=c&max=3&client=${round}&ack=auto`);
  }
  const seen = await (await fetch(`${url}/stats?format=json`)).json();
  server.kill('SIGTERM');
  await ended;
  const [before, last] = [await readFile(`${path}.1`), await readFile(path)];
  for (const parts of [[before, last], [last]]) {
    const recording = await Recording.open(parts);
    assert.equal(recording.broken, undefined);
    assert.ok(recording.shards >= 1);
    // Just before it was told to end.
    const steps = recording.steps(1, 10_000);
    assert.equal(steps.length, recording.stepCount);
    const stats = steps.findLast(({ by }) => by?.path === '/stats');
    // The last part may have begun after it.
    if (stats === undefined && parts.length === 1) continue;
    recording.seek({ step: stats.step });
    const { topics: told } = await (await recording.fetch('/stats?format=json')).json();
    assert.deepEqual(told, seen.topics);
    const { messages } = await (await recording.fetch('/peek?topic=a&max=1000')).json();
    assert.equal(messages.at(-1).id, ids.a);
    assert.equal(recording.story('a', ids.a).at(-1).what, 'now');
    recording.close();
  }
  await assert.rejects(Recording.open([last, before]), /has its parts in another order/);
});

test('images have their bounds, and a long recording is stepped through in pages', async () => {
  const clock = new VirtualClock(NOON);
  const broker = await Broker.open({ clock, seed: 1, record: true });
  const client = new Client({ fetch: broker.fetch });
  for (let round = 0; round < 3_000; round += 1) {
    await client.publish('t', 'x');
    if (round % 4 === 0) await broker.fetch('/sub?topic=t&channel=c&max=5&ack=auto');
    clock.advance(1);
  }
  const parts = broker.recording();
  const [few, many] = [await Recording.open(parts, { imageBytes: 1 }), await Recording.open(parts)];
  for (let step = many.stepCount; step > 0; step -= 700) {
    assert.deepEqual(few.seek({ step }), many.seek({ step }));
    assert.equal(await look(few, LOOKS[0]), await look(many, LOOKS[0]));
    assert.deepEqual(few.steps(step, 3), many.steps(step, 3));
  }
  const told = [];
  for (let page; (page = many.steps(told.length + 1, 500)).length > 0; ) told.push(...page);
  assert.equal(told.length, many.stepCount);
  await broker.close();
});

/** CRC-32C, for frames that are made up. */
function crc(bytes) {
  let sum = ~0;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit += 1) sum = (sum >>> 1) ^ (sum & 1 ? 0x82f63b78 : 0);
  }
  return ~sum >>> 0;
}

test('what has good checksums and makes no sense ends in a sentence, and harms nothing else', async () => {
  const { broker } = await work({ storage: new MemoryStorage(), segmentBytes: 2_000 });
  const [whole] = broker.recording();
  const numbers = new DataView(whole.buffer);
  const frames = [];
  for (let at = 12; at < whole.length; at += 17 + numbers.getUint32(at + 5, true)) frames.push(at);
  let seed = 1;
  const random = (below) => (seed = (seed * 48_271) % 0x7fffffff) % below;
  const sentences = new Map();
  for (let round = 0; round < 400; round += 1) {
    const bytes = whole.slice();
    const view = new DataView(bytes.buffer);
    const frame = frames[1 + random(frames.length - 1)];
    const payload = bytes.subarray(frame + 17, frame + 17 + view.getUint32(frame + 5, true));
    payload[random(payload.length)] = round % 2 ? 255 : random(256);
    view.setUint32(frame + 9, crc(payload), true);
    view.setUint32(frame + 13, crc(bytes.subarray(frame, frame + 13)), true);
    try {
      const recording = await Recording.open([bytes]);
      if (recording.broken) sentences.set(recording.broken, round);
      recording.seek({ step: recording.stepCount });
      await lookAtAll(recording);
      recording.steps(1, 1_000);
      recording.story('t', '0000000000000002');
    } catch (why) {
      sentences.set(why.message, round);
    }
  }
  for (const sentence of sentences.keys()) assert.match(sentence, /^(shelfmq: )?(this recording tells|a part of the recording|part 1 of the recording cannot be understood from byte \d+ on|the recording has no engine|engine 0 came)/);
  assert.ok(sentences.size > 0);
  assert.match(await look(broker, '/ping'), /OK/);
  assert.equal((await Recording.open([whole])).broken, undefined);
  await broker.close();
});

test('what only looks is answered beside the recording', async () => {
  const clock = new VirtualClock(1_764_000_000_000);
  const broker = await Broker.open({ clock, record: true });
  await broker.fetch('/pub?topic=t', { method: 'POST', body: 'hello' });
  const size = () => broker.recording().reduce((sum, part) => sum + part.length, 0);
  for (const path of ['/stats?format=json', '/peek?topic=t', '/topics', '/peek?topic=nothing']) {
    const before = size();
    const looked = await broker.look(path);
    assert.equal(size(), before, path);
    const fetched = await broker.fetch(path);
    assert.ok(size() > before, path);
    assert.equal(looked.status, fetched.status, path);
    assert.equal(await looked.text(), await fetched.text(), path);
    assert.deepEqual([...looked.headers], [...fetched.headers], path);
  }
  const refused = await broker.look('/pub?topic=t', { method: 'POST', body: 'no' });
  assert.equal(refused.status, 403);
  assert.equal((await refused.json()).message, 'READ_ONLY');
  await broker.close();
});
