// A little of jq: paths, `|`, `,`, and a few functions.
import { reason } from '../../broker/fetch.js';
import { type Call, Refused, onlyInput, options } from '../shell/command.js';

type Json = unknown;
type Filter = (value: Json) => Json[];

const TOKEN = /\s*(\.\.|\.?\[|\.[A-Za-z_]\w*|\."(?:\\.|[^"\\])*"|"(?:\\.|[^"\\])*"|-?\d+(?:\.\d+)?|==|!=|<=|>=|[A-Za-z_]\w*|[.|,()\]?:<>])/y;
const KNOWN = '.a .a.b .[0] .[] .[1:3] | , == != < > length keys map(f) select(f) add not';

const kind = (value: Json) => (value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value);
const isObject = (value: Json): value is Record<string, Json> => kind(value) === 'object' && !isNumber(value);
/** Numbers that JavaScript would round are kept as they are written. */
const isNumber = (value: Json) => typeof value === 'number' || (typeof value === 'object' && value !== null && 'rawJSON' in value);

function index(value: Json, key: Json): Json {
  if (value === null) return null;
  if (typeof key === 'string' && isObject(value)) return value[key] ?? null;
  if (typeof key === 'number' && Array.isArray(value)) return (value as Json[]).at(key) ?? null;
  throw new Refused(`error: Cannot index ${kind(value)} with ${typeof key === 'string' ? `"${key}"` : kind(key)}`, 5);
}

function each(value: Json): Json[] {
  if (Array.isArray(value)) return value as Json[];
  if (isObject(value)) return Object.values(value);
  throw new Refused(`error: Cannot iterate over ${kind(value)}`, 5);
}

const FUNCTIONS: Record<string, (value: Json) => Json> = {
  length: (value) => (value === null ? 0 : typeof value === 'string' ? [...value].length : isNumber(value) ? Math.abs(Number(value)) : each(value).length),
  keys: (value) => (Array.isArray(value) ? [...value.keys()] : Object.keys(isObject(value) ? value : {}).sort()),
  add: (value) => each(value).reduce((sum: Json, one) => (sum === null ? one : typeof sum === 'number' ? sum + Number(one) : `${sum}${one}`), null),
  not: (value) => value === null || value === false,
};

class Reader {
  readonly #tokens: string[] = [];
  #at = 0;

  constructor(text: string) {
    TOKEN.lastIndex = 0;
    for (let at = 0; text.slice(at).trim() !== ''; at = TOKEN.lastIndex) {
      const token = TOKEN.exec(text)?.[1];
      if (token === undefined) throw this.#wrong(text.slice(at).trim());
      this.#tokens.push(token);
    }
  }

  #wrong(at: string | undefined): Refused {
    return new Refused(`error: ${at === undefined ? 'the filter has no end' : `"${at}" is not understood here`}; this small jq knows ${KNOWN}`, 3);
  }

  #take(token: string): boolean {
    if (this.#tokens[this.#at] !== token) return false;
    this.#at += 1;
    return true;
  }

  #want(token: string): void {
    if (!this.#take(token)) throw this.#wrong(this.#tokens[this.#at]);
  }

  whole(): Filter {
    const filter = this.pipe();
    if (this.#at < this.#tokens.length) throw this.#wrong(this.#tokens[this.#at]);
    return filter;
  }

  pipe(): Filter {
    const first = this.comma();
    if (!this.#take('|')) return first;
    const then = this.pipe();
    return (value) => first(value).flatMap(then);
  }

  comma(): Filter {
    const all = [this.comparison()];
    while (this.#take(',')) all.push(this.comparison());
    return (value) => all.flatMap((one) => one(value));
  }

  comparison(): Filter {
    const left = this.path();
    const operator = this.#tokens[this.#at] ?? '';
    if (!/^(==|!=|[<>]=?)$/.test(operator)) return left;
    this.#at += 1;
    const right = this.path();
    return (value) => right(value).flatMap((b) => left(value).map((a) => compared(operator, a, b)));
  }

  path(): Filter {
    let filter = this.#first();
    for (;;) {
      const token = this.#tokens[this.#at] ?? '';
      const before = filter;
      if (token === '[' || token === '.[') {
        this.#at += 1;
        const then = this.#bracket();
        filter = (value) => before(value).flatMap(then);
      } else if (/^\.["A-Za-z_]/.test(token)) {
        this.#at += 1;
        const key = name(token);
        filter = (value) => before(value).map((one) => index(one, key));
      } else if (this.#take('?')) {
        filter = (value) => {
          try {
            return before(value);
          } catch {
            return [];
          }
        };
      } else {
        return filter;
      }
    }
  }

  #first(): Filter {
    const token = this.#tokens[this.#at];
    if (token === undefined) throw this.#wrong(undefined);
    if (token === '.[' || /^\.["A-Za-z_]/.test(token)) return (value) => [value];
    this.#at += 1;
    if (token === '.') return (value) => [value];
    if (token === '(') {
      const inner = this.pipe();
      this.#want(')');
      return inner;
    }
    if (/^["\d-]/.test(token) || token === 'null' || token === 'true' || token === 'false') {
      const constant = JSON.parse(token) as Json;
      return () => [constant];
    }
    if (token === 'map' || token === 'select') {
      this.#want('(');
      const inner = this.pipe();
      this.#want(')');
      if (token === 'map') return (value) => [each(value).flatMap(inner)];
      return (value) => inner(value).flatMap((yes) => (yes === null || yes === false ? [] : [value]));
    }
    const known = Object.hasOwn(FUNCTIONS, token) ? FUNCTIONS[token] : undefined;
    if (!known) throw this.#wrong(token);
    return (value) => [known(value)];
  }

  #bracket(): Filter {
    if (this.#take(']')) return each;
    const token = this.#tokens[this.#at++] ?? '';
    const from: Json = token === ':' ? 0 : /^["\d-]/.test(token) ? JSON.parse(token) : undefined;
    if (from === undefined) throw this.#wrong(token);
    if (token === ':' || this.#take(':')) {
      const to = this.#take(']') ? undefined : Number(this.#tokens[this.#at++]);
      if (to !== undefined) this.#want(']');
      return (value) => [value === null ? null : (value as Json[] | string).slice(Number(from), to)];
    }
    this.#want(']');
    return (value) => [index(value, from)];
  }
}

function name(token: string): string {
  const text = token.slice(1);
  return text.startsWith('"') ? (JSON.parse(text) as string) : text;
}

function compared(operator: string, a: Json, b: Json): boolean {
  const [x, y] = [JSON.stringify(a), JSON.stringify(b)];
  if (operator === '==' || operator === '!=') return (x === y) === (operator === '==');
  const [left, right] = typeof a === 'string' && typeof b === 'string' ? [a, b] : [Number(x), Number(y)];
  const order = left < right ? -1 : left > right ? 1 : 0;
  return operator === '<' ? order < 0 : operator === '>' ? order > 0 : operator === '<=' ? order <= 0 : order >= 0;
}

type Raw = typeof JSON & { rawJSON?(text: string): unknown };

function parse(text: string): Json {
  const raw = (JSON as Raw).rawJSON;
  if (!raw) return JSON.parse(text);
  return JSON.parse(text, (_, value: unknown, context?: { source?: string }) =>
    typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value) && context?.source ? raw(context.source) : value,
  );
}

/** The values that stand one after another. */
function values(text: string): Json[] {
  if (text.trim() === '') return [];
  try {
    return [parse(text)];
  } catch (why) {
    const lines = text.split('\n').filter((line) => line.trim() !== '');
    try {
      if (lines.length > 1) return lines.map(parse);
    } catch {
      // Then it is no JSON at all.
    }
    throw new Refused(`error: that is no JSON: ${reason(why)}`, 2);
  }
}

export async function jq(call: Call): Promise<number> {
  const given = options(call.args, { flags: 'rcesMCnj', long: { 'raw-output': 'r', 'compact-output': 'c', slurp: 's', 'exit-status': 'e' } });
  const filter = new Reader(given.rest.shift() ?? '.').whole();
  onlyInput(given.rest);
  let last: Json = null;
  const tell = async (value: Json) => {
    for (const result of filter(value)) {
      last = result;
      const raw = typeof result === 'string' && (given.has('r') || given.has('j'));
      const text = raw ? result : JSON.stringify(result, null, given.has('c') ? 0 : 2);
      await call.out.write(given.has('j') ? text : `${text}\n`);
    }
  };
  if (given.has('n')) await tell(null);
  else if (given.has('s')) await tell(values(await call.in.text()));
  else await stream(call, tell);
  return given.has('e') && (last === null || last === false) ? 1 : 0;
}

/** Lines that are whole values are taken as they come, so that a stream is shown as it flows. */
async function stream(call: Call, tell: (value: Json) => Promise<void>): Promise<void> {
  let text = '';
  for await (const line of call.in.lines()) {
    text += text === '' ? line : `\n${line}`;
    let value: Json;
    try {
      if (text.trim() === '') continue;
      value = parse(text);
    } catch {
      continue;
    }
    text = '';
    await tell(value);
  }
  for (const value of values(text)) await tell(value);
}
