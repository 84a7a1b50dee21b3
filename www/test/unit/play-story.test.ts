import { afterEach, expect, test } from 'vitest';

import { language } from '../../src/app/texts.js';
import { becauseText, shortId, whatText } from '../../src/playground/storyTexts.js';

afterEach(() => {
  language.value = 'en';
});

const until = '2027-01-15T08:00:00.250000000Z';
const at = /\d\d:\d\d:\d\d\.250$/;

test('a story is told by its codes, in both languages', () => {
  const held = { because: 'whatever', because_code: 'held', behind: '00000000000000a0' } as const;
  const leased = { because_code: 'leased', client: 'ann', until } as const;
  expect([whatText('timed_out'), becauseText(held)]).toEqual(['timed out', 'held behind message a0 of its key']);
  expect(becauseText(leased)).toMatch(/^leased to ann until /);
  expect(becauseText(leased)).toMatch(at);
  language.value = 'zh';
  expect([whatText('timed_out'), becauseText(held)]).toEqual(['租约到期', '排在同键消息 a0 之后']);
  expect(becauseText(leased)).toMatch(/^租给 ann，至 /);
  expect(becauseText(leased)).toMatch(at);
  expect(becauseText({})).toBe('');
});

test('an id is told without the zeros that it begins with', () => {
  expect(['0000000000000001', '00000000000000a0', '1000000000000000'].map(shortId)).toEqual(['1', 'a0', '1000000000000000']);
});
