import { expect, test, vi } from 'vitest';

import type { Message } from '../../src/broker/api.js';
import type { Snapshot } from '../../src/broker/snapshot.js';
import { bodyText } from '../../src/picture/tip.js';
import { faceText, move } from '../../src/picture/Tokens.js';
import { clipped } from '../../src/playground/host/frames.js';

test('a message shows what tells it from others', () => {
  const face = (body: string) => faceText({ body } as Message);
  expect(face('order 4711 is paid')).toBe('order 471');
  expect(face('{"order": 4711, "paid": true}')).toBe('4711');
  expect(face('{"title":"Middlemarch"}')).toBe('Middlemar');
  for (const body of ['{}', '{"order":{"id":1}}', '{"a":[1]}', '{"a":""}', '[1,2]', '{ it is not JSON']) expect(face(body)).toBe(body.slice(0, 9));
});

test('arrows go from message to message, and at the end of a shelf they stay', () => {
  const buttons = [0, 1].map((left) => ({ focus: vi.fn(), getBoundingClientRect: () => ({ top: 0, left }) }));
  const press = (key: string, from: number) => {
    const preventDefault = vi.fn();
    move({ key, preventDefault, target: buttons[from], currentTarget: { querySelectorAll: () => buttons } } as unknown as KeyboardEvent);
    return preventDefault.mock.calls.length === 1;
  };
  expect(press('ArrowRight', 0)).toBe(true);
  expect(buttons[1]!.focus).toHaveBeenCalledTimes(1);
  // Time would go on with it.
  expect([press('ArrowRight', 1), press('ArrowLeft', 0), press(' ', 0)]).toEqual([true, true, false]);
  expect(buttons.map(({ focus }) => focus.mock.calls.length)).toEqual([0, 1]);
});

test('what is no text is as large as it is, however much of it is here', () => {
  const message = (size: number) => ({ body_base64: Buffer.alloc(size).toString('base64') }) as Message;
  const first = [message(5_000), message(768), message(4)];
  const before = first.map(bodyText);
  const shown = { topics: [{ backlog: { count: 3, first }, channels: [] }] } as unknown as Snapshot;
  clipped(clipped(shown));
  expect(first.map(bodyText)).toEqual(before);
  expect(before[0]).toMatch(/5[,.\s]?000/);
  expect(first[0]!.body_base64!.length).toBe(1_024);
});
