// The tools that work on lines.
import { type Call, type Command, Refused, onlyInput, options, wholeNumber } from '../shell/command.js';
import { unescape } from '../shell/words.js';
import { decode } from '../shell/stream.js';

/** `1,3-5,7-` as a test; counted from 1. */
function ranges(list: string): (n: number) => boolean {
  const all = list.split(',').map((text) => {
    const found = /^(\d*)(-?)(\d*)$/.exec(text);
    if (!found || text === '' || text === '-') throw new Refused(`invalid list: '${list}'`, 1);
    const from = Number(found[1] || 1);
    return [from, found[2] ? Number(found[3] || Infinity) : from] as const;
  });
  return (n) => all.some(([from, to]) => n >= from && n <= to);
}

const cut: Command = async (call) => {
  const given = options(call.args, { flags: 's', values: 'dfcb', long: { delimiter: 'd', fields: 'f', characters: 'c' } });
  onlyInput(given.rest);
  const by = given.value('d') ?? '\t';
  const list = given.value('f') ?? given.value('c') ?? given.value('b');
  if (list === undefined) throw new Refused('say which fields or characters: cut -d, -f1', 1);
  if ([...by].length !== 1) throw new Refused('the delimiter must be a single character', 1);
  const takes = ranges(list);
  const kept = (parts: string[]) => parts.filter((_, i) => takes(i + 1));
  for await (const line of call.in.lines()) {
    if (!given.has('f')) await call.out.write(`${kept([...line]).join('')}\n`);
    else if (line.includes(by)) await call.out.write(`${kept(line.split(by)).join(by)}\n`);
    else if (!given.has('s')) await call.out.write(`${line}\n`);
  }
  return 0;
};

const CLASSES: Record<string, string> = {
  upper: 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', lower: 'abcdefghijklmnopqrstuvwxyz', digit: '0123456789', space: ' \t\n\r\f\v', blank: ' \t',
};
CLASSES['alpha'] = CLASSES['upper']! + CLASSES['lower']!;
CLASSES['alnum'] = CLASSES['alpha'] + CLASSES['digit']!;

/** The characters of a set of `tr`. */
function set(text: string): string[] {
  const named = text.replace(/\[:(\w+):\]/g, (all, name: string) => CLASSES[name] ?? all);
  return [...unescape(named).replace(/([^])-([^])/gu, (all, from: string, to: string) => {
    const [first, last] = [from.codePointAt(0)!, to.codePointAt(0)!];
    return last < first ? all : Array.from({ length: last - first + 1 }, (_, i) => String.fromCodePoint(first + i)).join('');
  })];
}

const tr: Command = async (call) => {
  const given = options(call.args, { flags: 'dscC' });
  const [first, second] = given.rest;
  if (first === undefined || (second === undefined && !given.has('d') && !given.has('s'))) throw new Refused('missing operand: tr [-d] SET [SET]', 1);
  const from = set(first);
  const to = second === undefined ? [] : set(second);
  const others = given.has('c') || given.has('C');
  const places = new Map(from.map((c, i) => [c, i]));
  const squeezes = given.has('s') ? new Set(to.length > 0 ? to : from) : undefined;
  let last = '';
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  for (let chunk = await call.in.read(); ; chunk = await call.in.read()) {
    let out = '';
    for (const c of decoder.decode(chunk, { stream: chunk !== undefined })) {
      const place = others ? (places.has(c) ? undefined : to.length - 1) : places.get(c);
      if (place !== undefined && given.has('d')) continue;
      const now = place === undefined || to.length === 0 ? c : to[Math.min(place, to.length - 1)]!;
      if (squeezes && now === last && squeezes.has(now)) continue;
      out += now;
      last = now;
    }
    if (out !== '') await call.out.write(out);
    if (!chunk) return 0;
  }
};

const paste: Command = async (call) => {
  const given = options(call.args, { flags: 's', values: 'd' });
  onlyInput(given.rest);
  const by = [...unescape(given.value('d') ?? '\t')];
  // Without -s, each `-` takes a line of its own.
  const across = given.has('s') ? Infinity : Math.max(1, given.rest.length);
  let row = '';
  let at = 0;
  for await (const line of call.in.lines()) {
    row += at === 0 ? line : (by[(at - 1) % by.length] ?? '') + line;
    at += 1;
    if (at < across) continue;
    await call.out.write(`${row}\n`);
    row = '';
    at = 0;
  }
  if (at > 0) await call.out.write(`${row}\n`);
  return 0;
};

/** `-5` is the same as `-n 5`. */
const counted = (call: Call) => call.args.map((arg, i) => (i === 0 && /^-\d+$/.test(arg) ? `-n${arg.slice(1)}` : arg));

const head: Command = async (call) => {
  const given = options(counted(call), { flags: 'q', values: 'nc', long: { lines: 'n', bytes: 'c' } });
  onlyInput(given.rest);
  if (given.has('c')) {
    await call.out.write(await call.in.take(wholeNumber(given.value('c')!, 'number of bytes')));
    return 0;
  }
  const most = wholeNumber(given.value('n') ?? '10', 'number of lines');
  const last: string[] = [];
  for (let n = 0; most < 0 || n < most; n += 1) {
    const line = await call.in.line();
    if (line === undefined) break;
    // A negative number leaves out that many at the end.
    last.push(line);
    if (most >= 0 || last.length > -most) await call.out.write(`${last.shift()!}\n`);
  }
  return 0;
};

const tail: Command = async (call) => {
  const given = options(counted(call), { flags: 'q', values: 'nc', long: { lines: 'n', bytes: 'c' } });
  onlyInput(given.rest);
  if (given.has('c')) {
    const all = await call.in.all();
    await call.out.write(all.slice(Math.max(0, all.length - wholeNumber(given.value('c')!, 'number of bytes'))));
    return 0;
  }
  const text = given.value('n') ?? '10';
  const count = Math.abs(wholeNumber(text, 'number of lines'));
  let last: string[] = [];
  let number = 0;
  for await (const line of call.in.lines()) {
    number += 1;
    if (text.startsWith('+')) {
      if (number >= count) await call.out.write(`${line}\n`);
      continue;
    }
    last.push(line);
    if (last.length > 2 * count + 100) last = last.slice(-count);
  }
  for (const line of count === 0 ? [] : last.slice(-count)) await call.out.write(`${line}\n`);
  return 0;
};

const wc: Command = async (call) => {
  const given = options(call.args, { flags: 'lwcm', long: { lines: 'l', words: 'w', bytes: 'c', chars: 'm' } });
  onlyInput(given.rest);
  const bytes = await call.in.all();
  const text = decode(bytes);
  const counts: [string, number][] = [
    ['l', bytes.reduce((sum, byte) => sum + (byte === 10 ? 1 : 0), 0)],
    ['w', text.split(/\s+/).filter(Boolean).length],
    ['m', [...text].length],
    ['c', bytes.length],
  ];
  const wanted = counts.filter(([letter]) => given.has(letter));
  const shown = (wanted.length > 0 ? wanted : counts.filter(([letter]) => letter !== 'm')).map(([, n]) => String(n));
  await call.out.write(`${shown.length === 1 ? shown[0] : shown.map((n) => n.padStart(7)).join(' ')}\n`);
  return 0;
};

const sort: Command = async (call) => {
  const given = options(call.args, { flags: 'nrufbs', values: 'kt', long: { 'numeric-sort': 'n', reverse: 'r', unique: 'u' } });
  onlyInput(given.rest);
  const field = given.has('k') ? Number.parseInt(given.value('k')!, 10) : 0;
  const numbers = given.has('n') || /n/.test(given.value('k') ?? '');
  const key = (line: string) => {
    const text = field > 0 ? (line.split(given.value('t') ?? /\s+/).slice(field - 1).join(' ')) : line;
    return given.has('f') ? text.toUpperCase() : text;
  };
  const compare = (a: string, b: string) => {
    const [x, y] = [key(a), key(b)];
    if (numbers) return (Number.parseFloat(x) || 0) - (Number.parseFloat(y) || 0);
    return x < y ? -1 : x > y ? 1 : 0;
  };
  const sign = given.has('r') ? -1 : 1;
  const lines: string[] = [];
  for await (const line of call.in.lines()) lines.push(line);
  const byAll = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  lines.sort((a, b) => sign * (compare(a, b) || (given.has('u') || given.has('s') ? 0 : byAll(a, b))));
  const kept = given.has('u') ? lines.filter((line, i) => i === 0 || compare(lines[i - 1]!, line) !== 0) : lines;
  if (kept.length > 0) await call.out.write(`${kept.join('\n')}\n`);
  return 0;
};

const uniq: Command = async (call) => {
  const given = options(call.args, { flags: 'cdui', long: { count: 'c', repeated: 'd', unique: 'u' } });
  onlyInput(given.rest);
  let last: string | undefined;
  let count = 0;
  const tell = async () => {
    if (last === undefined || (given.has('d') && count < 2) || (given.has('u') && count > 1)) return;
    await call.out.write(`${given.has('c') ? `${String(count).padStart(7)} ` : ''}${last}\n`);
  };
  const same = (line: string) => (given.has('i') ? line.toLowerCase() === last?.toLowerCase() : line === last);
  for await (const line of call.in.lines()) {
    if (last !== undefined && same(line)) {
      count += 1;
      continue;
    }
    await tell();
    last = line;
    count = 1;
  }
  await tell();
  return 0;
};

/** What is piped in, as it is: there are no files that it could name. */
const cat: Command = async (call) => {
  const given = options(call.args, { flags: 'nu' });
  onlyInput(given.rest);
  if (given.has('n')) {
    let number = 0;
    for await (const line of call.in.lines()) await call.out.write(`${String((number += 1)).padStart(6)}\t${line}\n`);
    return 0;
  }
  for (let chunk = await call.in.read(); chunk; chunk = await call.in.read()) await call.out.write(chunk);
  return 0;
};

export const lineTools: Record<string, Command> = { cat, cut, head, paste, sort, tail, tr, uniq, wc };
