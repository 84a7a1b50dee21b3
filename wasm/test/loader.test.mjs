// What loads a module, from hosts that do and do not say what they send.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';

import { compile } from '../js/loader.js';

/** The shortest module there is. */
const MODULE = Buffer.from([0, 97, 115, 109, 1, 0, 0, 0]);

for (const type of ['application/wasm', 'application/octet-stream', 'application/wasm; charset=utf-8', undefined]) {
  test(`a module that is sent as ${type} is compiled`, async (t) => {
    const server = createServer((_, response) => response.writeHead(200, type && { 'content-type': type }).end(MODULE));
    await new Promise((done) => server.listen(0, '127.0.0.1', done));
    t.after(() => server.close());
    const module = await compile(new URL(`http://127.0.0.1:${server.address().port}/`));
    assert.ok(module instanceof WebAssembly.Module);
  });
}

test('a module that is not there is told of', async (t) => {
  const server = createServer((_, response) => response.writeHead(404).end('no such file'));
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  t.after(() => server.close());
  await assert.rejects(compile(new URL(`http://127.0.0.1:${server.address().port}/`)), /404/);
});
