// What jq does to values.
import { binary } from '../../broker/headers.js';
import { Refused } from '../shell/command.js';
import { decode, encode } from '../shell/stream.js';

export type Json = unknown;

const kind = (value: Json) => (value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value);
const isObject = (value: Json): value is Record<string, Json> => kind(value) === 'object' && !isNumber(value);
/** Numbers that JavaScript would round are kept as they are written. */
const isNumber = (value: Json) => typeof value === 'number' || (typeof value === 'object' && value !== null && 'rawJSON' in value);

export function index(value: Json, key: Json): Json {
  if (value === null) return null;
  if (typeof key === 'string' && isObject(value)) return Object.hasOwn(value, key) ? value[key] : null;
  if (typeof key === 'number' && Array.isArray(value)) return (value as Json[]).at(key) ?? null;
  throw new Refused(`error: Cannot index ${kind(value)} with ${typeof key === 'string' ? `"${key}"` : kind(key)}`, 5);
}

export function each(value: Json): Json[] {
  if (Array.isArray(value)) return value as Json[];
  if (isObject(value)) return Object.values(value);
  throw new Refused(`error: Cannot iterate over ${kind(value)}`, 5);
}

export const isTrue = (value: Json): boolean => value !== null && value !== false;

/** As a part of a text. */
export const told = (value: Json): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** Two values that an operator stands between. */
export function operated(operator: string, a: Json, b: Json): Json {
  const numbers = isNumber(a) && isNumber(b);
  const [x, y] = numbers ? [Number(told(a)), Number(told(b))] : [NaN, NaN];
  const cannot = (what: string) => new Refused(`error: ${kind(a)} (${JSON.stringify(a)}) and ${kind(b)} (${JSON.stringify(b)}) cannot be ${what}`, 5);
  switch (operator) {
    case '+':
      if (a === null) return b;
      if (b === null) return a;
      if (numbers) return x + y;
      if (typeof a === 'string' && typeof b === 'string') return a + b;
      if (Array.isArray(a) && Array.isArray(b)) return [...(a as Json[]), ...(b as Json[])];
      if (isObject(a) && isObject(b)) return { ...a, ...b };
      throw cannot('added');
    case '-':
      if (numbers) return x - y;
      if (Array.isArray(a) && Array.isArray(b)) {
        const gone = new Set(b.map((one) => JSON.stringify(one)));
        return a.filter((one) => !gone.has(JSON.stringify(one)));
      }
      throw cannot('subtracted');
    case '*':
      if (numbers) return x * y;
      throw cannot('multiplied here');
    case '/':
      if (numbers && y !== 0) return x / y;
      if (typeof a === 'string' && typeof b === 'string') return a === '' ? [] : a.split(b);
      throw cannot(numbers ? 'divided because the divisor is zero' : 'divided');
    case '%':
      if (numbers && Math.trunc(y) !== 0) return Math.trunc(x) % Math.trunc(y);
      throw cannot(numbers ? 'divided because the divisor is zero' : 'divided');
    default:
      return compared(operator, a, b);
  }
}

function compared(operator: string, a: Json, b: Json): boolean {
  const [x, y] = [JSON.stringify(a), JSON.stringify(b)];
  if (operator === '==' || operator === '!=') return (x === y) === (operator === '==');
  const [left, right] = typeof a === 'string' && typeof b === 'string' ? [a, b] : [Number(x), Number(y)];
  const order = left < right ? -1 : left > right ? 1 : 0;
  return operator === '<' ? order < 0 : operator === '>' ? order > 0 : operator === '<=' ? order <= 0 : order >= 0;
}


export const FUNCTIONS: Record<string, (value: Json) => Json> = {
  length: (value) => (value === null ? 0 : typeof value === 'string' ? [...value].length : isNumber(value) ? Math.abs(Number(told(value))) : each(value).length),
  keys: (value) => (Array.isArray(value) ? [...value.keys()] : Object.keys(isObject(value) ? value : {}).sort()),
  add: (value) => each(value).reduce((sum: Json, one) => operated('+', sum, one), null),
  not: (value) => !isTrue(value),
  type: (value) => (isNumber(value) ? 'number' : kind(value)),
  tostring: told,
  tonumber: (value) => {
    if (isNumber(value)) return value;
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : NaN;
    if (Number.isNaN(number)) throw new Refused(`error: ${kind(value)} (${JSON.stringify(value)}) cannot be parsed as a number`, 5);
    return number;
  },
  '@base64': (value) => btoa(binary(encode(told(value)))),
  '@base64d': (value) => {
    try {
      return decode(Uint8Array.from(atob(told(value)), (c) => c.charCodeAt(0)));
    } catch {
      throw new Refused(`error: ${kind(value)} (${JSON.stringify(value)}) is not valid base64 data`, 5);
    }
  },
};

/** Functions of two values: what they are given, and what stands in parentheses. */
export const WITH: Record<string, (value: Json, given: Json) => Json> = {
  has: (value, key) => (Array.isArray(value) ? Number(key) >= 0 && Number(key) < value.length : isObject(value) && Object.hasOwn(value, told(key))),
  join: (value, by) =>
    each(value)
      .map((one) => {
        if (typeof one === 'object' && one !== null && !isNumber(one)) throw new Refused(`error: ${kind(one)} (${JSON.stringify(one)}) cannot be joined`, 5);
        return one === null ? '' : told(one);
      })
      .join(told(by)),
};
