// A little of jq: paths, operators, `[…]`, `{…}`, and a few functions.
import { reason } from '../../broker/fetch.js';
import { type Call, Refused, onlyInput, options } from '../shell/command.js';
import { FUNCTIONS, type Json, WITH, each, index, isTrue, operated, told } from './jq-values.js';

type Filter = (value: Json) => Json[];

/** A text; in `\(…)` are filters, with texts in them. */
const TEXT = String.raw`"(?:\\\((?:[^()"]|"(?:\\.|[^"\\])*"|\([^()]*\))*\)|\\[^(]|[^"\\])*"`;
const INNER = /(?<=(?:^|[^\\])(?:\\\\)*)\\\(((?:[^()"]|"(?:\\.|[^"\\])*"|\([^()]*\))*)\)/;
const TOKEN = new RegExp(
  String.raw`\s*(\.\.|\.?\[|\.[A-Za-z_]\w*|\.?${TEXT}|-?\d+(?:\.\d+)?|==|!=|<=|>=|\/\/|@?[A-Za-z_]\w*|[.|,()\]?:<>{}+*/%-])`,
  'y',
);
const KNOWN =
  '.a .a.b .[0] .[] .[1:3] | , == != < > + - * / % // and or [f] {a, b: f} "\\(f)" map(f) select(f) join(",") has("a") ' +
  Object.keys(FUNCTIONS).join(' ');

/** Operators, from those that bind least. */
const LEVELS = [/^(==|!=|[<>]=?)$/, /^[+-]$/, /^[*/%]$/];

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
    return piped(first, this.pipe());
  }

  comma(): Filter {
    const all = [this.alternative()];
    while (this.#take(',')) all.push(this.alternative());
    return (value) => all.flatMap((one) => one(value));
  }

  /** `//`: the right side, where the left one has nothing. */
  alternative(): Filter {
    const left = this.or();
    if (!this.#take('//')) return left;
    const right = this.alternative();
    return (value) => {
      const values = left(value).filter(isTrue);
      return values.length > 0 ? values : right(value);
    };
  }

  or(): Filter {
    let left = this.and();
    while (this.#take('or')) left = logical(left, this.and(), true);
    return left;
  }

  and(): Filter {
    let left = this.operation(0);
    while (this.#take('and')) left = logical(left, this.operation(0), false);
    return left;
  }

  operation(level: number): Filter {
    const operators = LEVELS[level];
    if (!operators) return this.path();
    let left = this.operation(level + 1);
    for (;;) {
      const token = this.#tokens[this.#at] ?? '';
      // `5 -1` is a difference.
      if (/^-\d/.test(token)) this.#tokens.splice(this.#at, 1, '-', token.slice(1));
      const operator = this.#tokens[this.#at] ?? '';
      if (!operators.test(operator)) return left;
      this.#at += 1;
      const [a, b] = [left, this.operation(level + 1)];
      left = (value) => b(value).flatMap((y) => a(value).map((x) => operated(operator, x, y)));
      if (level === 0) return left;
    }
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
        const key = token[1] === '"' ? this.#constant(token.slice(1)) : token.slice(1);
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
    if (token === '[') {
      if (this.#take(']')) return () => [[]];
      const inner = this.pipe();
      this.#want(']');
      return (value) => [inner(value)];
    }
    if (token === '{') return this.#object();
    if (token.startsWith('"')) return this.#text(token);
    if (/^-?\d/.test(token) || token === 'null' || token === 'true' || token === 'false') {
      const constant = JSON.parse(token) as Json;
      return () => [constant];
    }
    if (token === 'map' || token === 'select') {
      this.#want('(');
      const inner = this.pipe();
      this.#want(')');
      if (token === 'map') return (value) => [each(value).flatMap(inner)];
      return (value) => inner(value).flatMap((yes) => (isTrue(yes) ? [value] : []));
    }
    const two = Object.hasOwn(WITH, token) ? WITH[token] : undefined;
    if (two) {
      this.#want('(');
      const inner = this.pipe();
      this.#want(')');
      return (value) => inner(value).map((given) => two(value, given));
    }
    const known = Object.hasOwn(FUNCTIONS, token) ? FUNCTIONS[token] : undefined;
    if (!known) throw this.#wrong(token);
    return (value) => [known(value)];
  }

  #text(token: string): Filter {
    const pieces = token.slice(1, -1).split(INNER);
    const filters = pieces.map((piece, i): Filter => {
      if (i % 2 === 1) return new Reader(piece).whole();
      const constant = this.#constant(`"${piece}"`);
      return () => [constant];
    });
    return (value) =>
      filters.reduce((starts: string[], filter) => filter(value).flatMap((end) => starts.map((start) => start + told(end))), ['']);
  }

  #constant(text: string): Json {
    try {
      return JSON.parse(text);
    } catch {
      throw this.#wrong(text);
    }
  }

  #object(): Filter {
    const entries: [Filter, Filter][] = [];
    while (!this.#take('}')) {
      if (entries.length > 0) this.#want(',');
      const token = this.#tokens[this.#at++] ?? '';
      let key: Filter;
      if (token === '(') {
        key = this.pipe();
        this.#want(')');
      } else if (token.startsWith('"')) key = this.#text(token);
      else if (/^[A-Za-z_]/.test(token)) key = () => [token];
      else throw this.#wrong(token === '' ? undefined : token);
      // Without a value, it is that of the same name.
      let is: Filter = (value) => key(value).map((name) => index(value, name));
      if (token === '(') this.#want(':');
      if (token === '(' || this.#take(':')) {
        is = this.operation(0);
        while (this.#take('|')) is = piped(is, this.operation(0));
      }
      entries.push([key, is]);
    }
    return (value) => {
      let all: Record<string, Json>[] = [{}];
      for (const [key, is] of entries) {
        all = all.flatMap((one) =>
          key(value).flatMap((name) => {
            if (typeof name !== 'string') throw new Refused(`error: Object keys must be strings`, 5);
            return is(value).map((content) => ({ ...one, [name]: content }));
          }),
        );
      }
      return all;
    };
  }

  #bracket(): Filter {
    if (this.#take(']')) return each;
    const token = this.#tokens[this.#at++] ?? '';
    const from: Json = token === ':' ? 0 : /^("|-?\d)/.test(token) ? this.#constant(token) : undefined;
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

const piped = (first: Filter, then: Filter): Filter => (value) => first(value).flatMap(then);

/** `and` and `or`: `ends` is the value on the left that the right side does not matter for. */
function logical(left: Filter, right: Filter, ends: boolean): Filter {
  return (value) => left(value).flatMap((one) => (isTrue(one) === ends ? [ends] : right(value).map(isTrue)));
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
  return given.has('e') && !isTrue(last) ? 1 : 0;
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
