import { expect, test } from 'vitest';

import { exported, hasAbsent, listed } from '../../src/console/export.js';

test('what is listed is taken as it is written', () => {
  const messages = ['{"id":"1","timestamp":1795600562405085257,"body":"} \\" {"}', '{"id":"2","headers":{"a":"{"},"body":"\\\\"}'];
  expect(listed(`{"messages":[${messages.join(',')}]}`)).toEqual(messages);
  expect(listed('{"messages":[]}')).toEqual([]);
});

/** So many messages with bodies of this size, as a broker tells them; and how many it was asked for each time. */
function broker(count: number, size: number) {
  const asked: number[] = [];
  const peek = async (max: number, from = '1') => {
    asked.push(max);
    const first = parseInt(from, 16);
    const told = Array.from({ length: Math.max(0, Math.min(max, count + 1 - first)) }, (_, n) => {
      return `{"id":"${(first + n).toString(16).padStart(16, '0')}","body":"${'x'.repeat(size)}"}`;
    });
    return `{"messages":[${told.join(',')}]}`;
  };
  return { asked, peek };
}

test('all pages make one file, and large messages come a few at a time', async () => {
  for (const [count, size] of [[0, 1], [1, 1], [100, 1], [250, 10], [30, 400_000], [3, 5_000_000]] as const) {
    const { asked, peek } = broker(count, size);
    const counts: number[] = [];
    const blob = await exported(peek, { signal: new AbortController().signal, onCount: (count) => counts.push(count) });
    const ids = (await blob.text()).split('\n').slice(0, -1).map((line) => parseInt((JSON.parse(line) as { id: string }).id, 16));
    expect(ids).toEqual(Array.from({ length: count }, (_, n) => n + 1));
    expect(counts.at(-1) ?? 0).toBe(count);
    for (const max of asked.slice(1)) expect(max === 1 || max * size <= 2 * 1024 * 1024).toBe(true);
  }
});

test('it stops where nobody wants it any more', async () => {
  const { asked, peek } = broker(1_000, 1);
  const abort = new AbortController();
  const done = exported(peek, { signal: abort.signal, onCount: () => abort.abort() });
  await expect(done).rejects.toThrow();
  expect(asked.length).toBe(2);
});

test('what only the storage has is told from a body that says so', () => {
  expect(hasAbsent('{"messages":[{"id":"1","state":"ready","attempts":0,"absent":true}]}')).toBe(true);
  expect(hasAbsent(JSON.stringify({ messages: [{ id: '1', body: '{"absent":true}' }] }))).toBe(false);
});
