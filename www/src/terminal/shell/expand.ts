// What words come to: braces, variables, `$(…)`, `$((…))`, and the fields that an unquoted value falls into. There are
// no files here, so `*` and `?` stand for themselves.
import { source } from '../commands/pattern.js';
import { arithmetic } from './arithmetic.js';
import { pieces } from './ifs.js';
import type { List, Part, Word } from './syntax.js';

export interface Scope {
  get(name: string): string | undefined;
  /** The value, where there has to be one: an empty one where none is and `set -u` does not forbid it. */
  needed(name: string): string;
  set(name: string, value: string): void;
  /** What a script prints. */
  output(list: List): Promise<string>;
}

/** More words than this are a mistake. */
const MOST_WORDS = 100_000;

/** A letter that is not quoted, or a part that braces do not look into. */
type Unit = string | Part;

/** `a{b,c}{1..3}` as six words. */
export function braces(word: Word): Word[] {
  if (!word.some((part) => part.kind === 'text' && !part.quoted && part.text.includes('{'))) return [word];
  const units = word.flatMap((part): Unit[] => (part.kind === 'text' && !part.quoted ? [...part.text] : [part]));
  return expanded(units).map((units) => {
    const word: Word = [];
    for (const unit of units) {
      const last = word.at(-1);
      if (typeof unit !== 'string') word.push(unit);
      else if (last?.kind === 'text' && !last.quoted) word[word.length - 1] = { ...last, text: last.text + unit };
      else word.push({ kind: 'text', text: unit, quoted: false });
    }
    return word;
  });
}

function expanded(units: Unit[]): Unit[][] {
  for (let open = units.indexOf('{'); open >= 0; open = units.indexOf('{', open + 1)) {
    const found = choices(units, open);
    if (!found) continue;
    const tails = expanded(units.slice(found.close + 1));
    const heads = found.choices.flatMap(expanded);
    if (heads.length * tails.length > MOST_WORDS) throw new Error(`braces make more than ${MOST_WORDS} words of this`);
    const before = units.slice(0, open);
    return heads.flatMap((head) => tails.map((tail) => [...before, ...head, ...tail]));
  }
  return [units];
}

function choices(units: Unit[], open: number): { close: number; choices: Unit[][] } | undefined {
  let depth = 0;
  const commas: number[] = [];
  for (let at = open + 1; at < units.length; at += 1) {
    const unit = units[at];
    if (unit === '{') depth += 1;
    else if (unit === ',' && depth === 0) commas.push(at);
    else if (unit === '}' && depth > 0) depth -= 1;
    else if (unit === '}') {
      const ends = [...commas, at];
      if (commas.length > 0) return { close: at, choices: ends.map((end, i) => units.slice((i === 0 ? open : ends[i - 1]!) + 1, end)) };
      const content = units.slice(open + 1, at);
      const range = content.every((unit) => typeof unit === 'string') && sequence(content.join(''));
      return range ? { close: at, choices: range.map((text) => [...text]) } : undefined;
    }
  }
  return undefined;
}

/** `1..10`, `01..10..2`, `a..e`. */
function sequence(text: string): string[] | undefined {
  const found = /^(?:(-?\d+)\.\.(-?\d+)|([A-Za-z])\.\.([A-Za-z]))(?:\.\.(-?\d+))?$/.exec(text);
  if (!found) return undefined;
  const [, from, to, first, last, by] = found;
  const start = first === undefined ? Number(from) : first.charCodeAt(0);
  const end = last === undefined ? Number(to) : last.charCodeAt(0);
  const step = Math.abs(Number(by ?? 1)) || 1;
  if (Math.abs(end - start) / step > MOST_WORDS) throw new Error(`{${text}} has more than ${MOST_WORDS} words`);
  const width = [from, to].some((n) => /^-?0\d/.test(n ?? '')) ? Math.max(from!.length, to!.length) : 0;
  const words: string[] = [];
  for (let n = start; start <= end ? n <= end : n >= end; n += start <= end ? step : -step) {
    if (first !== undefined) words.push(String.fromCharCode(n));
    else words.push(n < 0 ? `-${String(-n).padStart(width - 1, '0')}` : String(n).padStart(width, '0'));
  }
  return words;
}

/** A pattern of the shell as one that JavaScript has, for a whole text. */
function pattern(glob: string, longest: boolean): string {
  const any = longest ? '[^]*' : '[^]*?';
  return glob.replace(/\[[!^]?\]?(?:\[:\w+:\]|[^\]])*\]|[^\w\s]/g, (c) => {
    if (c.length > 1) return source(c.replace(/^\[!/, '[^'), 'extended');
    return c === '*' ? any : c === '?' ? '[^]' : `\\${c}`;
  });
}

async function variable(part: Part & { kind: 'variable' }, scope: Scope): Promise<string> {
  const value = scope.get(part.name);
  const { change } = part;
  if (!change) return scope.needed(part.name);
  if (change.kind === 'length') return String([...scope.needed(part.name)].length);
  const word = () => single(change.word, scope);
  const none = value === undefined || (value === '' && 'empty' in change && change.empty);
  switch (change.kind) {
    case 'default':
      return none ? word() : value;
    case 'alternative':
      return none ? '' : word();
    case 'assign':
      if (none) scope.set(part.name, await word());
      return scope.get(part.name)!;
    case 'prefix':
      return scope.needed(part.name).replace(new RegExp(`^(?:${pattern(await word(), change.longest)})`), '');
    case 'suffix': {
      const text = scope.needed(part.name);
      const whole = new RegExp(`^(?:${pattern(await word(), true)})$`);
      const starts = [...Array(text.length + 1).keys()];
      const start = (change.longest ? starts : starts.reverse()).find((start) => whole.test(text.slice(start)));
      return start === undefined ? text : text.slice(0, start);
    }
  }
}

async function value(part: Part, scope: Scope): Promise<string> {
  switch (part.kind) {
    case 'text':
      return part.text;
    case 'variable':
      return variable(part, scope);
    case 'command':
      return (await scope.output(part.list)).replace(/\n+$/, '');
    case 'arithmetic':
      return String(arithmetic(await single(part.word, scope), scope));
  }
}

/** A word as one text, whatever is in it. */
export async function single(word: Word, scope: Scope): Promise<string> {
  let text = '';
  for (const part of word) text += await value(part, scope);
  return text;
}

/** A word as a pattern for a whole text; what is quoted in it stands for itself. */
export async function matching(word: Word, scope: Scope): Promise<string> {
  let all = '';
  for (const part of word) {
    const text = await value(part, scope);
    all += part.quoted ? source(text, 'fixed') : pattern(text, true);
  }
  return all;
}

/** Words as the fields that a command is given. */
export async function fields(words: Word[], scope: Scope): Promise<string[]> {
  const all: string[] = [];
  for (const word of words.flatMap(braces)) {
    let field: string | undefined;
    for (const part of word) {
      const text = await value(part, scope);
      if (part.quoted || part.kind === 'text') {
        field = (field ?? '') + text;
        continue;
      }
      for (const piece of pieces(text, scope.get('IFS'))) {
        if (!piece.between) field = (field ?? '') + piece.text;
        else {
          if (field !== undefined || piece.ends) all.push(field ?? '');
          field = undefined;
        }
      }
    }
    if (field !== undefined) all.push(field);
  }
  return all;
}
