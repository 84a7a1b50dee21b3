import { expect, test } from 'vitest';

import type { Message } from '../../src/broker/api.js';
import { faceText } from '../../src/picture/Tokens.js';

test('a message shows what tells it from others', () => {
  const face = (body: string) => faceText({ body } as Message);
  expect(face('order 4711 is paid')).toBe('order 471');
  expect(face('{"order": 4711, "paid": true}')).toBe('4711');
  expect(face('{"title":"Middlemarch"}')).toBe('Middlemar');
  for (const body of ['{}', '{"order":{"id":1}}', '{"a":[1]}', '{"a":""}', '[1,2]', '{ it is not JSON']) expect(face(body)).toBe(body.slice(0, 9));
});
