// POSIX patterns as JavaScript's.
import { Refused } from '../shell/command.js';

const CLASSES: Record<string, string> = {
  alpha: 'A-Za-z', digit: '0-9', alnum: 'A-Za-z0-9', upper: 'A-Z', lower: 'a-z', space: '\\s', blank: ' \\t',
  punct: '!-\\/:-@\\[-`{-~', xdigit: '0-9A-Fa-f', word: '\\w',
};

/** A bracket at `at`, and where it ends. */
function bracket(text: string, at: number): [string, number] {
  const open = at;
  at += 1;
  let set = '[';
  if (text[at] === '^') {
    set += '^';
    at += 1;
  }
  for (let first = true; at < text.length; first = false) {
    const named = /^\[:(\w+):\]/.exec(text.slice(at));
    if (text[at] === ']' && !first) return [`${set}]`, at + 1];
    if (named) {
      const chars = CLASSES[named[1]!];
      if (chars === undefined) throw new Refused(`invalid character class: ${named[0]}`);
      set += chars;
      at += named[0].length;
    } else {
      set += text[at] === '-' ? '-' : text[at]!.replace(/[\\[\]^]/, '\\$&');
      at += 1;
    }
  }
  throw new Refused(`Unmatched [ in "${text.slice(open)}"`);
}

/** Basic or extended regular expressions. */
function translate(text: string, extended: boolean): string {
  let out = '';
  for (let at = 0; at < text.length; ) {
    const c = text[at]!;
    if (c === '[') {
      const [set, end] = bracket(text, at);
      out += set;
      at = end;
    } else if (c === '\\') {
      const next = text[at + 1] ?? '';
      if (next === '') throw new Refused('Trailing backslash');
      if (!extended && '(){}|+?'.includes(next)) out += next;
      else if (/[0-9wWsSbBnt]/.test(next)) out += `\\${next}`;
      else if (next === '<' || next === '>') out += '\\b';
      else out += next.replace(/[.*[\]^$(){}|+?\\/]/, '\\$&');
      at += 2;
    } else {
      const first = out === '' || /[(|]$/.test(out) || out === '^';
      if (!extended && '(){}|+?'.includes(c)) out += `\\${c}`;
      else if (c === '*' && first && !extended) out += '\\*';
      else if (c === '{' && !/^\{\d*,?\d*\}/.test(text.slice(at))) out += '\\{';
      else out += c;
      at += 1;
    }
  }
  return out;
}

export type Syntax = 'basic' | 'extended' | 'fixed' | 'perl';

export function source(text: string, syntax: Syntax): string {
  if (syntax === 'fixed') return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return syntax === 'perl' ? text : translate(text, syntax === 'extended');
}

export function regex(text: string, flags: string): RegExp {
  try {
    return new RegExp(text, flags);
  } catch {
    throw new Refused(`invalid regular expression: ${text}`);
  }
}
