// What has gone through leaves nothing behind.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Broker } from '../js/index.js';
import { BATCH, batch, round } from './rounds.js';

test('memory does not grow over a million messages', async () => {
  const broker = await Broker.open();
  const body = batch();
  for (let rounds = 0; rounds < 100_000 / BATCH; rounds += 1) await round(broker, body);
  const before = broker.memoryBytes;
  for (let rounds = 0; rounds < 900_000 / BATCH; rounds += 1) await round(broker, body);
  assert.equal(broker.memoryBytes, before);
  await broker.close();
});
