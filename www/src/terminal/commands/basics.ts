// The commands that every script has.
import { type Call, type Command, Refused, options, until, wholeNumber } from '../shell/command.js';
import { Input, breathe } from '../shell/stream.js';
import { unescape } from '../shell/words.js';

const echo: Command = async (call) => {
  const args = [...call.args];
  let [newline, escapes] = [true, false];
  while (/^-[neE]+$/.test(args[0] ?? '')) {
    const letters = args.shift()!;
    if (letters.includes('n')) newline = false;
    if (letters.includes('e')) escapes = true;
  }
  const text = args.join(' ');
  await call.out.write((escapes ? unescape(text) : text) + (newline ? '\n' : ''));
  return 0;
};

const FORMAT = /\\(?:x[0-9a-fA-F]{1,2}|u[0-9a-fA-F]{1,4}|[0-7]{1,3}|[^])|%%|%([-+ 0]*)(\*|\d*)(?:\.(\d+))?([a-zA-Z]?)/g;

function formatted(format: string, next: () => string): string {
  return format.replace(FORMAT, (all, flags: string, width: string, precision?: string, kind?: string) => {
    if (all.startsWith('\\')) return unescape(all);
    if (all === '%%') return '%';
    const wide = width === '*' ? Number(next()) : Number(width || 0);
    let text: string;
    if (kind === 's') text = next().slice(0, precision === undefined ? undefined : Number(precision));
    else if (kind === 'b') text = unescape(next());
    else if (kind === 'c') text = [...next()][0] ?? '';
    else if (kind === 'q') text = `'${next().replaceAll("'", "'\\''")}'`;
    else if (kind && 'dixXou'.includes(kind)) {
      const given = next();
      if (!/^\s*[+-]?(0x[0-9a-f]+|\d*)$/i.test(given)) throw new Refused(`${given}: invalid number`, 1);
      const n = BigInt(given.replace(/[\s+-]/g, '') || 0) * (given.includes('-') ? -1n : 1n);
      text = n.toString(kind === 'o' ? 8 : kind.toLowerCase() === 'x' ? 16 : 10);
      if (kind === 'X') text = text.toUpperCase();
      if (flags.includes('+') && n >= 0n) text = `+${text}`;
    } else if (kind && 'feg'.includes(kind)) {
      text = Number(next() || 0).toFixed(Number(precision ?? 6));
    } else {
      throw new Refused(`${all}: not supported: there are %s %b %c %q %d %x %o %f`, 1);
    }
    if (flags.includes('-')) return text.padEnd(wide);
    if (!flags.includes('0') || kind === 's') return text.padStart(wide);
    const sign = /^[+-]/.exec(text)?.[0] ?? '';
    return sign + text.slice(sign.length).padStart(wide - sign.length, '0');
  });
}

const printf: Command = async (call) => {
  const args = call.args[0] === '--' ? call.args.slice(1) : [...call.args];
  const format = args.shift();
  if (format === undefined) throw new Refused('say what: printf FORMAT [VALUE…]');
  // The format is used again until all values are.
  let used: boolean;
  let out = '';
  do {
    used = false;
    out += formatted(format, () => {
      used = true;
      return args.shift() ?? '';
    });
  } while (used && args.length > 0);
  await call.out.write(out);
  return 0;
};

const UNITS: Record<string, number> = { '': 1_000, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

const sleep: Command = async (call) => {
  if (call.args.length === 0) throw new Refused('say how long: sleep 2, sleep 0.5, sleep 1m', 1);
  let ms = 0;
  for (const arg of call.args) {
    const [, number, unit] = /^(\d+\.?\d*|\.\d+)([smhd]?)$/.exec(arg) ?? [];
    if (number === undefined) throw new Refused(`invalid time interval '${arg}'`, 1);
    ms += Number(number) * UNITS[unit!]!;
  }
  await until(call.host, call.host.now() + ms, call.signal);
  return 0;
};

const seq: Command = async (call) => {
  const { args } = call;
  let by = '\n';
  const numbers: string[] = [];
  let padded = false;
  for (let at = 0; at < args.length; at += 1) {
    if (args[at]!.startsWith('-s')) by = unescape(args[at]!.slice(2) || (args[(at += 1)] ?? ''));
    else if (args[at] === '-w') padded = true;
    else numbers.push(args[at]!);
  }
  if (numbers.length === 0 || numbers.length > 3) throw new Refused('say how far: seq [FROM [STEP]] TO', 1);
  const wrong = numbers.find((text) => !/^-?(\d+\.?\d*|\.\d+)$/.test(text));
  if (wrong !== undefined) throw new Refused(`invalid floating point argument: '${wrong}'`, 1);
  const from = numbers.length > 1 ? Number(numbers[0]) : 1;
  const step = numbers.length > 2 ? Number(numbers[1]) : 1;
  const to = Number(numbers.at(-1));
  if (step === 0) throw new Refused('the step must not be 0', 1);
  const digits = Math.max(...numbers.map((text) => text.split('.')[1]?.length ?? 0));
  const width = padded ? Math.max(from.toFixed(digits).length, to.toFixed(digits).length) : 0;
  const count = Math.floor((to - from) / step + 1e-9) + 1;
  for (let i = 0; i < count; i += 1) {
    const last = i === count - 1;
    await call.out.write((from + i * step).toFixed(digits).padStart(width, '0') + (last ? '\n' : by));
    if (i % 1_000 === 999) await breathe(call.signal);
  }
  return 0;
};

function holds(args: string[]): boolean {
  if (args[0] === '!') return !holds(args.slice(1));
  const both = args.lastIndexOf('-o') > 0 ? args.lastIndexOf('-o') : args.lastIndexOf('-a');
  if (args.length > 3 && both > 0) {
    const [left, right] = [holds(args.slice(0, both)), holds(args.slice(both + 1))];
    return args[both] === '-o' ? left || right : left && right;
  }
  if (args.length <= 1) return (args[0] ?? '') !== '';
  if (args.length === 2 && args[0] === '-n') return args[1] !== '';
  if (args.length === 2 && args[0] === '-z') return args[1] === '';
  const [a = '', operator = '', b = ''] = args;
  if (args.length === 3 && (operator === '=' || operator === '==')) return a === b;
  if (args.length === 3 && operator === '!=') return a !== b;
  const compare = ['-eq', '-ne', '-lt', '-le', '-gt', '-ge'].indexOf(operator);
  if (args.length !== 3 || compare < 0) throw new Refused(`${args.join(' ')}: not supported: there are -n -z = != -eq -ne -lt -le -gt -ge !`);
  const [x, y] = [a, b].map((text) => wholeNumber(text.trim(), 'integer')) as [number, number];
  return [x === y, x !== y, x < y, x <= y, x > y, x >= y][compare]!;
}

const test: Command = async (call) => {
  const args = [...call.args];
  if (call.name === '[' && args.pop() !== ']') throw new Refused("missing `]'");
  return holds(args) ? 0 : 1;
};

const two = (n: number) => String(n).padStart(2, '0');
const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** The broker's time, in UTC. */
const date: Command = async (call) => {
  const format = call.args.find((arg) => arg.startsWith('+'))?.slice(1);
  const no = call.args.find((arg) => !arg.startsWith('+') && arg !== '-u');
  if (no !== undefined) throw new Refused(`${no}: not supported: date [-u] [+FORMAT] tells the broker's time`, 1);
  const ms = call.host.now();
  const now = new Date(ms);
  const parts: Record<string, string> = {
    s: String(Math.floor(ms / 1_000)), N: String(Math.floor((ms % 1_000) * 1e6)).padStart(9, '0'),
    Y: String(now.getUTCFullYear()), m: two(now.getUTCMonth() + 1), d: two(now.getUTCDate()),
    H: two(now.getUTCHours()), M: two(now.getUTCMinutes()), S: two(now.getUTCSeconds()),
    F: now.toISOString().slice(0, 10), T: now.toISOString().slice(11, 19), R: now.toISOString().slice(11, 16), Z: 'UTC', z: '+0000', '%': '%', n: '\n', t: '\t',
    a: WEEKDAYS[now.getUTCDay()]!, b: MONTHS[now.getUTCMonth()]!, e: String(now.getUTCDate()).padStart(2),
  };
  const told = (format ?? '%a %b %e %T UTC %Y').replace(/%([-_0^#:]*\d*)(.?)/g, (all, how: string, letter: string) => {
    const part = Object.hasOwn(parts, letter) ? parts[letter] : undefined;
    // `%3N` are milliseconds.
    if (part === undefined || !(letter === 'N' ? /^\d?$/ : /^$/).test(how)) {
      throw new Refused(`${all}: not supported: there are ${Object.keys(parts).map((one) => `%${one}`).join(' ')} %3N`, 1);
    }
    return letter === 'N' ? part.slice(0, Number(how || 9)) : part;
  });
  await call.out.write(`${told}\n`);
  return 0;
};

const QUOTED = /'([^'\n]*)'|"([^"\n]*)"|\\([^])/g;

/** A text without its quotes and backslashes, as xargs takes them. */
function unquoted(text: string): string {
  const mark = /['"]/.exec(text.replace(QUOTED, ''))?.[0];
  if (mark) throw new Refused(`unmatched ${mark === "'" ? 'single' : 'double'} quote; -0 and -d take quotes as they are`, 1);
  return text.replace(QUOTED, (_, single?: string, double?: string, plain?: string) => single ?? double ?? plain!);
}

const wordsOf = (line: string): string[] =>
  (line.match(/(?:'[^'\n]*'|"[^"\n]*"|\\[^]|[^\s\\])+/g) ?? []).map(unquoted);

/** What comes in, as it comes: a line's words, or what stands between two delimiters. */
async function* itemsOf(input: Input, by: string | undefined): AsyncGenerator<string[]> {
  if (by === undefined) for await (const line of input.lines()) yield wordsOf(line);
  else if (by === '\n') for await (const line of input.lines()) yield [line];
  else yield (await input.text()).split(by).filter((item, i, all) => item !== '' || i < all.length - 1);
}

const xargs: Command = async (call) => {
  // What comes after the first word that is no option belongs to the command.
  let at = 0;
  while (at < call.args.length && /^-/.test(call.args[at]!)) at += /^-[nIPLd]$/.test(call.args[at]!) ? 2 : 1;
  const given = options(call.args.slice(0, at), { flags: 'rt0', values: 'nIPLd' });
  const command = call.args.slice(at);
  if (command.length === 0) command.push('echo');
  const by = given.has('0') ? '\0' : given.has('d') ? unescape(given.value('d')!) : undefined;
  const mark = given.value('I');
  const most = (letter: string) => {
    const count = given.has(letter) ? wholeNumber(given.value(letter)!, 'number') : Infinity;
    if (count < 1) throw new Refused(`value ${count} for -${letter} option should be >= 1`, 1);
    return count;
  };
  const [mostWords, mostLines] = [most('n'), most('L')];
  if (given.has('L') && (by ?? mark ?? given.value('n')) !== undefined) throw new Refused('-L goes with none of -0 -d -I -n here', 1);
  let status = 0;
  let ran = false;
  const run = async (words: string[]) => {
    ran = true;
    if (given.has('t')) await call.err.write(`${words.join(' ')}\n`);
    const ended = await call.run(words, Input.of());
    if (ended === 255) throw new Refused(`${words[0]}: exited with status 255; aborting`, 124);
    if (ended !== 0) status = 123;
  };
  if (mark !== undefined) {
    const each = async (item: string) => run(command.map((word) => word.replaceAll(mark, item)));
    if (by !== undefined) for await (const items of itemsOf(call.in, by)) for (const item of items) await each(item);
    else for await (const line of call.in.lines()) if (line.trim() !== '') await each(unquoted(line.trimStart()));
    return status;
  }
  let words: string[] = [];
  let lines = 0;
  for await (const items of itemsOf(call.in, by)) {
    for (const item of items) {
      words.push(item);
      if (words.length >= mostWords) await run([...command, ...words.splice(0)]);
    }
    if (items.length > 0) lines += 1;
    if (lines < mostLines) continue;
    await run([...command, ...words.splice(0)]);
    lines = 0;
  }
  if (words.length > 0 || (!ran && !given.has('r'))) await run([...command, ...words]);
  return status;
};

const base64: Command = async (call) => {
  const given = options(call.args, { flags: 'dD', values: 'w', long: { decode: 'd', wrap: 'w' } });
  if (given.has('d') || given.has('D')) {
    let binary: string;
    try {
      binary = atob((await call.in.text()).replace(/\s/g, ''));
    } catch {
      throw new Refused('invalid input', 1);
    }
    await call.out.write(Uint8Array.from(binary, (c) => c.charCodeAt(0)));
    return 0;
  }
  let binary = '';
  for (const byte of await call.in.all()) binary += String.fromCharCode(byte);
  const width = Number(given.value('w') ?? 76);
  await call.out.write(width > 0 ? btoa(binary).replace(new RegExp(`.{1,${width}}`, 'g'), '$&\n') : btoa(binary));
  return 0;
};

const says =
  (status: number): Command =>
  async () =>
    status;

/** What the screen understands as: empty yourself. */
export const CLEAR = '\x1b[2J';

const clear = async (call: Call) => {
  await call.out.write(CLEAR);
  return 0;
};

export const basics: Record<string, Command> = {
  ':': says(0), '[': test, base64, clear, date, echo, false: says(1), printf, seq, sleep, test, true: says(0), xargs,
};
