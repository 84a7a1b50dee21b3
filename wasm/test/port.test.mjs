// A fetch function over a message port: nothing is kept of an answer that is over, whoever read it or not.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Client } from '../js/client.js';
import { Broker } from '../js/index.js';
import { fetchOver, serve } from '../js/port.js';

/** A fetch function over a port, and what either end told the other, by number. */
function over(t, fetch) {
  const { port1, port2 } = new MessageChannel();
  t.after(() => port1.close());
  const [asked, answered] = [port1, port2].map((port) => {
    const told = [];
    const post = port.postMessage.bind(port);
    port.postMessage = (message) => {
      told.push(message);
      post(message);
    };
    return told;
  });
  serve(fetch, port2);
  return { fetch: fetchOver(port1), asked, answered };
}

/** Waits until all that is on its way over the port is there. */
const quiet = () => new Promise((resume) => setTimeout(resume, 20));
const ended = (told) => told.filter(({ end, failed }) => end || failed !== undefined).length;

test('answers that nobody reads are over at both ends', async (t) => {
  const broker = await Broker.open();
  const { fetch, asked, answered } = over(t, broker.fetch);
  const hangUp = new AbortController();
  for (let i = 0; i < 50; i += 1) {
    assert.ok((await fetch('http://x/pub?topic=t', { method: 'POST', body: 'm', signal: hangUp.signal })).ok);
  }
  await quiet();
  assert.equal(ended(answered), 50);
  // Who asked is through with them, too: there is nothing to hang up.
  hangUp.abort();
  assert.equal(asked.filter(({ abort }) => abort).length, 0);
  await broker.close();
});

test('an answer without a body, and one of many chunks, come as they are', async (t) => {
  const chunks = ['a', 'b', 'c', 'd', 'e'];
  const { fetch, answered } = over(t, async ({ url }) => {
    if (url.endsWith('/none')) return new Response(null, { status: 204 });
    return new Response(ReadableStream.from(chunks.map((chunk) => new TextEncoder().encode(chunk))));
  });
  const none = await fetch('http://x/none');
  assert.deepEqual([none.status, none.body], [204, null]);
  assert.equal(await (await fetch('http://x/many')).text(), 'abcde');
  await quiet();
  assert.equal(ended(answered), 2);
});

test('a stream goes no further than its reader wants, and is over when nobody wants it any more', async (t) => {
  let given = 0;
  const { fetch, answered } = over(t, async () => {
    const pull = (controller) => controller.enqueue(new Uint8Array([(given += 1)]));
    return new Response(new ReadableStream({ pull }));
  });
  const hangUp = new AbortController();
  const answer = await fetch('http://x/', { signal: hangUp.signal });
  const other = await fetch('http://x/');
  await quiet();
  assert.ok(given <= 8, String(given));
  assert.equal(ended(answered), 0);
  hangUp.abort();
  await assert.rejects(answer.text(), { name: 'AbortError' });
  await other.body.cancel();
  await quiet();
  assert.equal(ended(answered), 2);
});

test('the client reads what it is answered, so that nothing waits for its reader', async () => {
  const unread = new Set();
  const broker = await Broker.open();
  const client = new Client({
    fetch: async (...given) => {
      const answer = await broker.fetch(...given);
      unread.add(answer);
      return answer;
    },
  });
  await client.publish('t', 'a');
  await client.publishMany('t', ['b', 'c']);
  for await (const message of client.subscribe('t', 'c', { max: 3 })) {
    await message.touch();
    await message.finish();
    break;
  }
  assert.ok(unread.size > 5);
  assert.deepEqual([...unread].filter((answer) => answer.body && !answer.bodyUsed).map(({ url, status }) => [url, status]), []);
  await broker.close();
});
