import { describe, expect, it } from 'vitest';

import { bodyOf, durationParam, hexDump, isJson, nextId, prettyJson, preview } from '../../src/console/body.js';

describe('JSON with a line for each part', () => {
  it('is what JSON.stringify makes of it', () => {
    const value = { a: [1, -2.5e-7, 'x, "y": {z}\\', true, null], empty: [{}, []], 'k:ey': { deep: ['é', '\n'] } };
    for (const text of [JSON.stringify(value), JSON.stringify(value, null, 7), '[]', '{ }', '[[[]]]']) {
      expect(prettyJson(text)).toBe(JSON.stringify(JSON.parse(text), null, 2));
    }
  });

  it('keeps all digits of large numbers, and names that come twice', () => {
    expect(prettyJson('{"id":12345678901234567890,"id":1.10}')).toBe('{\n  "id": 12345678901234567890,\n  "id": 1.10\n}');
  });

  it('is nothing for what is no object and no list', () => {
    for (const text of ['', 'hello', '42', '"text"', '{broken', '[1,]']) expect(prettyJson(text)).toBeUndefined();
    expect(isJson(' {"a":1}')).toBe(true);
  });
});

describe('a body', () => {
  it('is text where it is UTF-8', () => {
    expect(bodyOf({ body: '你好' })).toEqual({ text: '你好', bytes: new TextEncoder().encode('你好') });
  });

  it('is bytes where it is no text', () => {
    const body = bodyOf({ body_base64: btoa('\xff\x00A') });
    expect([...body.bytes]).toEqual([255, 0, 65]);
    expect(body.text).toBeUndefined();
    expect(preview(body)).toBe('ff 00 41');
  });

  it('is one line in a list', () => {
    expect(preview(bodyOf({ body: 'a\n\tb' }))).toBe('a b');
    expect(preview(bodyOf({ body: 'x'.repeat(500) }))).toHaveLength(120);
  });
});

it('a hex dump has 16 bytes a line, with their ASCII', () => {
  const bytes = new TextEncoder().encode('shelfmq speaks HTTP\n');
  expect(hexDump(bytes)).toBe(
    '00000000  73 68 65 6c 66 6d 71 20 73 70 65 61 6b 73 20 48  shelfmq speaks H\n' +
      `00000010  54 54 50 0a${' '.repeat(36)}  TTP.`,
  );
  expect(hexDump(new Uint8Array(100), 32).split('\n')).toHaveLength(2);
  expect(hexDump(new Uint8Array(0))).toBe('');
});

it('the next id is one more, in 16 digits', () => {
  expect(nextId('0000000000000001')).toBe('0000000000000002');
  expect(nextId('00000000000000ff')).toBe('0000000000000100');
  expect(nextId('0fffffffffffffff')).toBe('1000000000000000');
});

it('a length of time is written with the largest unit that fits', () => {
  const written = [0, 1, 1_500, 30_000, 300_000, 7_200_000, 604_800_000, 90_000].map(durationParam);
  expect(written).toEqual(['0', '1ms', '1500ms', '30s', '5m', '2h', '7d', '90s']);
});
