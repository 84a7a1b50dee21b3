import { type Call, Refused, onlyInput, options, wholeNumber } from '../shell/command.js';
import { type Syntax, regex, source } from './pattern.js';

const OPTIONS = {
  flags: 'EFGPcilnoqsvwxh',
  values: 'em',
  long: {
    'ignore-case': 'i', 'invert-match': 'v', count: 'c', 'only-matching': 'o', 'extended-regexp': 'E', 'fixed-strings': 'F',
    quiet: 'q', silent: 'q', regexp: 'e', 'line-number': 'n', 'max-count': 'm', 'word-regexp': 'w', 'line-regexp': 'x',
  },
};

export async function grep(call: Call): Promise<number> {
  const given = options(call.args, OPTIONS);
  const patterns = given.values('e');
  if (patterns.length === 0) {
    const first = given.rest.shift();
    if (first === undefined) throw new Refused('say what to look for: grep [-i] [-v] [-o] [-c] [-E] PATTERN');
    patterns.push(first);
  }
  onlyInput(given.rest);
  const syntax: Syntax = given.has('E') ? 'extended' : given.has('F') ? 'fixed' : given.has('P') ? 'perl' : 'basic';
  let whole = patterns.flatMap((text) => text.split('\n')).map((text) => `(?:${source(text, syntax)})`).join('|');
  if (given.has('w')) whole = `(?<!\\w)(?:${whole})(?!\\w)`;
  if (given.has('x')) whole = `^(?:${whole})$`;
  const found = regex(whole, given.has('i') ? 'gi' : 'g');
  const most = given.has('m') ? wholeNumber(given.value('m')!, 'max count') : Infinity;

  let count = 0;
  let number = 0;
  for await (const line of call.in.lines()) {
    number += 1;
    found.lastIndex = 0;
    if (found.test(line) === given.has('v')) continue;
    found.lastIndex = 0;
    count += 1;
    if (given.has('q')) return 0;
    const before = given.has('n') ? `${number}:` : '';
    if (given.has('o') && !given.has('c')) {
      for (const [match] of given.has('v') ? [] : line.matchAll(found)) if (match !== '') await call.out.write(`${before}${match}\n`);
    } else if (!given.has('c')) {
      await call.out.write(`${before}${line}\n`);
    }
    if (count >= most) break;
  }
  if (given.has('c')) await call.out.write(`${count}\n`);
  return count > 0 ? 0 : 1;
}
