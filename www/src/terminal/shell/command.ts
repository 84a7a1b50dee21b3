// What a command is to the shell.
import type { Fetch } from '../../broker/fetch.js';
import type { Input, Output } from './stream.js';

/** What a terminal is at: a session is one. */
export interface Host {
  fetch: Fetch;
  /** The broker's time, ms since 1970. */
  now(): number;
  /** Where the broker is, as its URLs begin; `http://localhost:4151` where it is not said. */
  base?: string;
}

export interface Call {
  name: string;
  args: string[];
  in: Input;
  out: Output;
  err: Output;
  signal: AbortSignal;
  host: Host;
  /** Runs another command, for those that do. */
  run(words: string[], input: Input): Promise<number>;
}

/** Answers the status: 0 is well. */
export type Command = (call: Call) => Promise<number>;

/** A command does not take what it was given; the message goes to its errors. */
export class Refused extends Error {
  constructor(
    message: string,
    readonly status = 2,
  ) {
    super(message);
  }
}

/** Letters that take no value, letters that take one, and long names for letters. */
export interface Options {
  flags: string;
  values?: string;
  long?: Record<string, string>;
}

export interface Given {
  has(letter: string): boolean;
  /** The last value of a letter. */
  value(letter: string): string | undefined;
  values(letter: string): string[];
  rest: string[];
}

/** Reads options as getopt does: `-ab -n5 -n 5 --long=5 -- rest`. */
export function options(args: string[], { flags, values = '', long = {} }: Options): Given {
  const given: [string, string][] = [];
  const rest: string[] = [];
  for (let at = 0; at < args.length; at += 1) {
    const arg = args[at]!;
    if (arg === '--') {
      rest.push(...args.slice(at + 1));
      break;
    }
    if (arg === '-' || !arg.startsWith('-')) {
      rest.push(arg);
      continue;
    }
    let letters = arg.slice(1);
    if (arg.startsWith('--')) {
      const [name = '', value] = arg.slice(2).split(/=([^]*)/);
      const letter = long[name];
      if (letter === undefined) throw new Refused(`unrecognized option '--${name}'${supported(flags, values)}`);
      letters = letter + (value ?? '');
    }
    while (letters !== '') {
      const letter = letters[0]!;
      letters = letters.slice(1);
      if (flags.includes(letter)) given.push([letter, '']);
      else if (!values.includes(letter)) throw new Refused(`invalid option -- '${letter}'${supported(flags, values)}`);
      else {
        const value = letters === '' ? args[(at += 1)] : letters;
        if (value === undefined) throw new Refused(`option requires an argument -- '${letter}'`);
        given.push([letter, value]);
        letters = '';
      }
    }
  }
  const of = (letter: string) => given.filter(([name]) => name === letter).map(([, value]) => value);
  return { has: (letter) => of(letter).length > 0, value: (letter) => of(letter).at(-1), values: of, rest };
}

function supported(flags: string, values: string): string {
  return `; here it takes ${[...flags, ...values].map((letter) => `-${letter}`).join(' ')}`;
}

/** There are no files: the only input is what comes in. */
export function onlyInput(files: string[]): void {
  const file = files.find((name) => name !== '-' && name !== '/dev/stdin');
  if (file !== undefined) throw new Refused(`${file}: there are no files here, only what is piped in`, 1);
}

/** A whole number, or a mistake that says so. */
export function wholeNumber(text: string, what: string): number {
  if (!/^[+-]?\d+$/.test(text)) throw new Refused(`invalid ${what}: '${text}'`, 1);
  return Number(text);
}

/** Comes back when the broker's time is there. Where its time stands still, that is when it goes on. */
export async function until(host: Host, at: number, signal: AbortSignal): Promise<void> {
  for (let left = at - host.now(); left > 0; left = at - host.now()) {
    signal.throwIfAborted();
    await new Promise<void>((resolve) => {
      const done = () => (clearTimeout(timer), signal.removeEventListener('abort', done), resolve());
      // Time may be made to go faster meanwhile.
      const timer = setTimeout(done, Math.min(left, 50));
      signal.addEventListener('abort', done);
    });
  }
  signal.throwIfAborted();
}
