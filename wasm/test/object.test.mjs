// Logs in a Durable Object's storage: what is written there can be opened again, in the memory that an object has.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Broker, Client } from '../js/index.js';
import { DurableObjectStorage } from '../js/storage/durable-object.js';
import { objectStorage } from './object-storage.mjs';

const MIB = 1024 * 1024;

test('an object with 60 MB in it is opened by reading little of it, and little at once', async () => {
  const { ctx, counted } = objectStorage();
  let broker = await Broker.open({ storage: new DurableObjectStorage(ctx) });
  const client = new Client({ fetch: broker.fetch });
  await broker.fetch('/channel/create?topic=t&channel=c', { method: 'POST' });
  for (let n = 0; n < 120; n += 1) await client.publish('t', `${n} ${'x'.repeat(MIB / 2)}`);
  await client.publish('other.topic', 'short');
  await broker.close();

  Object.assign(counted, { most: 0, all: 0 });
  broker = await Broker.open({ storage: new DurableObjectStorage(ctx) });
  assert.ok(counted.most < 2 * MIB, `${counted.most} bytes at once`);
  assert.ok(counted.all < 30 * MIB, `${counted.all} bytes`);
  const seen = [];
  for (;;) {
    const answer = await broker.fetch('/sub?topic=t&channel=c&max=5&wait=1s&ack=auto&format=json');
    if (answer.status === 204) break;
    seen.push(...(await answer.json()).messages.map(({ body }) => Number(body.split(' ')[0])));
  }
  assert.deepEqual(seen, Array.from({ length: 120 }, (_, n) => n));
  await broker.close();
});

test('pieces are read from anywhere to anywhere, cut and removed, and neighbours stay', async () => {
  const { ctx, kept } = objectStorage();
  const storage = new DurableObjectStorage(ctx);
  const bytes = Uint8Array.from({ length: 700_000 }, (_, at) => (at * 7) % 251);
  const append = (topic, segment, offset, bytes) => ({ kind: 'append', topic, segment, offset, bytes });
  await storage.write([append('t', 1, 0, bytes), append('t', 1, bytes.length, bytes.subarray(0, 10)), append('t', 2, 0, bytes.subarray(0, 5))]);
  await storage.write([append('t.', 1, 0, bytes.subarray(0, 3)), append('s', 0xffffffff, 0, bytes.subarray(0, 4))]);
  for (const [offset, length] of [[0, 1], [0, 700_010], [119_999, 3], [122_880, 5], [300_000, 400_000], [699_999, 2], [700_009, 9], [800_000, 1]]) {
    const wanted = [...bytes, ...bytes.subarray(0, 10)].slice(offset, offset + length);
    assert.deepEqual([...(await storage.read('t', 1, offset, length))], wanted, `${offset} ${length}`);
  }
  const sizes = async () => Object.fromEntries((await storage.list()).map(({ topic, segments }) => [topic, segments.map(({ number, size }) => `${number}:${size}`)]));
  assert.deepEqual(await sizes(), { s: ['4294967295:4'], t: ['1:700010', '2:5'], 't.': ['1:3'] });
  await storage.write([{ kind: 'cut', topic: 't', segment: 1, size: 300_001 }]);
  assert.deepEqual((await sizes()).t, ['1:300001', '2:5']);
  assert.deepEqual([...(await storage.read('t', 1, 299_999, 9))], [...bytes.subarray(299_999, 300_001)]);
  await storage.write([{ kind: 'forget', topic: 't', before: 2 }]);
  assert.deepEqual((await sizes()).t, ['2:5']);
  await storage.write([{ kind: 'drop', topic: 's', segment: 0xffffffff }, { kind: 'delete', topic: 't' }]);
  assert.deepEqual(await sizes(), { 't.': ['1:3'] });
  assert.equal(kept.size, 1);
});
