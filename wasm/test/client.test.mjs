// The typed client on a broker in this process.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Broker, Client, VirtualClock } from '../js/index.js';

async function fresh(options) {
  const broker = await Broker.open(options);
  return { broker, client: new Client({ fetch: broker.fetch }) };
}

test('what is published is delivered, settled and gone', async () => {
  const { client, broker } = await fresh();
  const { id } = await client.publish('books', 'hello', { key: 'k', headers: { author: 'Le Guin' } });
  assert.equal(id, '0000000000000001');
  for await (const message of client.subscribe('books', 'readers', { timeout: '10s' })) {
    assert.equal(message.text(), 'hello');
    assert.equal(message.key, 'k');
    assert.equal(message.attempts, 1);
    assert.deepEqual(message.headers, { 'shelf-meta-author': 'Le Guin' });
    await message.touch();
    await message.finish();
    break;
  }
  const stats = await (await broker.fetch('/stats?format=json')).json();
  assert.equal(stats.topics[0].channels[0].depth, 0);
  assert.equal(stats.topics[0].channels[0].in_flight_count, 0);
  await broker.close();
});

test('many go as one, whatever their bytes, and come in order', async () => {
  const { client, broker } = await fresh();
  await broker.fetch('/channel/create?topic=t&channel=c', { method: 'POST' });
  const bodies = [new Uint8Array([0, 255, 10]), 'two\nlines', ''].slice(0, 2);
  await client.publishMany('t', bodies);
  const got = [];
  for await (const message of client.subscribe('t', 'c', { max: 10 })) {
    got.push([...message.bytes]);
    await message.finish();
    if (got.length === 2) break;
  }
  assert.deepEqual(got, [[0, 255, 10], [...new TextEncoder().encode('two\nlines')]]);
  await broker.close();
});

test('what a loop fetched and did not reach is given back', async () => {
  const { client, broker } = await fresh();
  await client.publishMany('t', ['a', 'b', 'c']);
  for await (const message of client.subscribe('t', 'c', { max: 3 })) {
    await message.finish();
    break;
  }
  const { messages } = await (await broker.fetch('/sub?topic=t&channel=c&max=9&wait=0&format=json')).json();
  assert.deepEqual(messages.map(({ body }) => body).sort(), ['b', 'c']);
  await broker.close();
});

test('a poll that is aborted hangs up', async () => {
  const { client, broker } = await fresh();
  const abort = new AbortController();
  const loop = (async () => {
    for await (const message of client.subscribe('t', 'c', { signal: abort.signal })) assert.fail(message.text());
  })();
  await broker.settled();
  abort.abort();
  await assert.rejects(loop, { name: 'AbortError' });
  const stats = await (await broker.fetch('/stats?format=json')).json();
  assert.equal(stats.topics[0].channels[0].waiting_count, 0);
  await broker.close();
});

test('an error says its status, its code and what is wrong', async () => {
  const { client, broker } = await fresh();
  await assert.rejects(client.publish('no topic', 'x'), { status: 400, code: 'INVALID_TOPIC', name: 'ShelfmqError' });
  await assert.rejects(Broker.open({ limits: { maxMsgSize: -1 } }), /maxMsgSize/);
  await assert.rejects(Broker.open({ limits: { nonsense: 1 } }), /no limit nonsense/);
  await broker.close();
});

test('time is what the clock says', async () => {
  const clock = new VirtualClock(1_800_000_000_000);
  const { client, broker } = await fresh({ clock });
  await client.publish('t', 'later', { defer: '1h' });
  const poll = broker.fetch('/sub?topic=t&channel=c&wait=1h');
  clock.advance(3_600_000);
  assert.equal(await (await poll).text(), 'later');
  await broker.close();
});

test('a broker ends: who waits is answered, and nothing is taken any more', async () => {
  const { broker } = await fresh();
  const poll = broker.fetch('/sub?topic=t&channel=c&wait=1h');
  await broker.close();
  assert.equal((await poll).status, 204);
  await assert.rejects(async () => broker.fetch('/ping'));
});
