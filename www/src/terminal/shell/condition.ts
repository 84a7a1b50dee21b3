// Whether what stands in `[[ … ]]` holds.
import { regex, source } from '../commands/pattern.js';
import { arithmetic } from './arithmetic.js';
import { type Scope, matching, single } from './expand.js';
import type { Condition, Word } from './syntax.js';

/** A regular expression; what is quoted in it stands for itself. */
async function expression(word: Word, scope: Scope): Promise<RegExp> {
  let all = '';
  for (const part of word) {
    const text = await single([part], scope);
    all += part.quoted ? source(text, 'fixed') : text;
  }
  return regex(source(all, 'extended'), '');
}

export async function holds(condition: Condition, scope: Scope): Promise<boolean> {
  if (condition.kind === 'not') return !(await holds(condition.of, scope));
  if (condition.kind === 'both') return (await holds(condition.left, scope)) && holds(condition.right, scope);
  if (condition.kind === 'either') return (await holds(condition.left, scope)) || holds(condition.right, scope);
  const { operator, left, right } = condition;
  const text = await single(left, scope);
  switch (operator) {
    case '-n':
      return text !== '';
    case '-z':
      return text === '';
    case '-v':
      return scope.get(text) !== undefined;
    case '=':
    case '==':
      return new RegExp(`^(?:${await matching(right, scope)})$`).test(text);
    case '!=':
      return !new RegExp(`^(?:${await matching(right, scope)})$`).test(text);
    case '=~':
      return (await expression(right, scope)).test(text);
  }
  const other = await single(right, scope);
  if (operator === '<') return text < other;
  if (operator === '>') return text > other;
  const [a, b] = [arithmetic(text, scope), arithmetic(other, scope)];
  return { '-eq': a === b, '-ne': a !== b, '-lt': a < b, '-le': a <= b, '-gt': a > b, '-ge': a >= b }[operator];
}
