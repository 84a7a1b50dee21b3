// The part of sed that fits on a line: `s/…/…/`, `p`, `d`, `q`, with addresses.
import { type Call, Refused, onlyInput, options } from '../shell/command.js';
import { regex, source } from './pattern.js';

/** A line's number, the last line, or lines that match. */
type Address = number | '$' | RegExp;

interface Act {
  from?: Address;
  to?: Address;
  not: boolean;
  /** Whether it is between `from` and `to`. */
  inside: boolean;
  act: 'p' | 'd' | 'q' | { pattern: RegExp; by: string; which: number; all: boolean; print: boolean };
}

function read(script: string, extended: boolean): Act[] {
  const acts: Act[] = [];
  let at = 0;
  const wrong = (why: string) => new Refused(`-e expression #1: ${why}; here sed knows s/…/…/, p, d and q`, 1);
  const upTo = (end: string): string => {
    let text = '';
    for (; at < script.length && script[at] !== end; at += 1) {
      if (script[at] === '\\' && at + 1 < script.length) {
        at += 1;
        text += script[at] === end && end !== '\\' ? end : `\\${script[at]}`;
      } else {
        text += script[at];
      }
    }
    if (at >= script.length) throw wrong(`unterminated, "${end}" is missing`);
    at += 1;
    return text;
  };
  const address = (): Address | undefined => {
    const digits = /^\d+/.exec(script.slice(at))?.[0];
    if (digits) return ((at += digits.length), Number(digits));
    if (script[at] === '$') return ((at += 1), '$');
    if (script[at] === '/') return ((at += 1), regex(source(upTo('/'), extended ? 'extended' : 'basic'), ''));
    return undefined;
  };
  const skip = () => (at += /^[\s;]*/.exec(script.slice(at))![0].length);
  for (skip(); at < script.length; skip()) {
    const act: Act = { not: false, inside: false, act: 'p' };
    const from = address();
    if (from !== undefined) act.from = from;
    if (script[at] === ',') {
      at += 1;
      const to = address();
      if (to === undefined) throw wrong('unexpected `,\'');
      act.to = to;
    }
    if (script[at] === '!') {
      act.not = true;
      at += 1;
    }
    const letter = script[at++];
    if (letter === 'p' || letter === 'd' || letter === 'q') act.act = letter;
    else if (letter === 's') {
      const end = script[at++] ?? '';
      const pattern = upTo(end);
      const by = upTo(end);
      const flags = /^[gpiI0-9]*/.exec(script.slice(at))![0];
      at += flags.length;
      const found = regex(source(pattern, extended ? 'extended' : 'basic'), /i/i.test(flags) ? 'gi' : 'g');
      act.act = { pattern: found, by, which: Number(/\d+/.exec(flags)?.[0] ?? 1), all: flags.includes('g'), print: flags.includes('p') };
    } else {
      throw wrong(`unknown command: \`${letter ?? ''}'`);
    }
    acts.push(act);
  }
  return acts;
}

const replacement = (by: string, groups: (string | undefined)[]) =>
  by.replace(/\\([^])|&/g, (all, code?: string) => {
    if (all === '&') return groups[0] ?? '';
    if (/\d/.test(code!)) return groups[Number(code)] ?? '';
    return code === 'n' ? '\n' : code === 't' ? '\t' : code!;
  });

export async function sed(call: Call): Promise<number> {
  const given = options(call.args, { flags: 'nErsu', values: 'e', long: { quiet: 'n', silent: 'n', expression: 'e', 'regexp-extended': 'E' } });
  const scripts = given.values('e');
  if (scripts.length === 0) {
    const first = given.rest.shift();
    if (first === undefined) throw new Refused("say what to do: sed [-n] [-E] 's/this/that/'", 1);
    scripts.push(first);
  }
  onlyInput(given.rest);
  const acts = read(scripts.join('\n'), given.has('E') || given.has('r'));
  // Only who asks for the last line waits for the one after.
  const ahead = acts.some(({ from, to }) => from === '$' || to === '$');
  let number = 0;
  for (let line = await call.in.line(), next: string | undefined; line !== undefined; line = ahead ? next : await call.in.line()) {
    if (ahead) next = await call.in.line();
    number += 1;
    const is = (address: Address) =>
      address instanceof RegExp ? address.test(line!) : address === '$' ? next === undefined : address === number;
    const applies = (act: Act): boolean => {
      if (act.from === undefined) return true;
      if (act.to === undefined) return is(act.from);
      if (act.inside) {
        act.inside = typeof act.to === 'number' ? number < act.to : !is(act.to);
        return true;
      }
      if (!is(act.from)) return false;
      act.inside = typeof act.to === 'number' ? number < act.to : !(act.to === '$' && is('$'));
      return true;
    };
    let gone = false;
    let quits = false;
    for (const act of acts) {
      if (applies(act) === act.not) continue;
      if (act.act === 'p') await call.out.write(`${line}\n`);
      else if (act.act === 'd') gone = true;
      else if (act.act === 'q') quits = true;
      else {
        const { pattern, by, which, all, print } = act.act;
        let nth = 0;
        let done = false;
        line = line.replace(pattern, (match: string, ...more: unknown[]) => {
          nth += 1;
          if (nth < which || (nth > which && !all)) return match;
          done = true;
          const groups = more.slice(0, more.findIndex((one) => typeof one === 'number')) as (string | undefined)[];
          return replacement(by, [match, ...groups]);
        });
        if (done && print) await call.out.write(`${line}\n`);
      }
      if (gone || quits) break;
    }
    if (!gone && !given.has('n')) await call.out.write(`${line}\n`);
    if (quits) break;
  }
  return 0;
}
