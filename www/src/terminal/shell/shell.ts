// Runs scripts: a small shell whose commands are functions, and whose world is one broker. Libraries that take command
// lines apart know neither loops nor `$(…)` nor pipes that stream, and whole shells are larger than the broker itself.
import { reason } from '../../broker/fetch.js';
import { arithmetic } from './arithmetic.js';
import { type Call, type Command, type Host, Refused, options, wholeNumber } from './command.js';
import { holds } from './condition.js';
import { type Scope, fields, single } from './expand.js';
import { BLANKS, shared } from './ifs.js';
import { Jobs } from './jobs.js';
import { type Line, Parser } from './parse.js';
import { BrokenPipe, Input, Interrupted, Kept, type Output, Pipe, breathe, nowhere } from './stream.js';
import { type AndOr, BadSyntax, type Command as Tree, type Compound, type List, type Pipeline, type Redirect, type Simple, type Word } from './syntax.js';

export interface Streams {
  in: Input;
  out: Output;
  err: Output;
  signal: AbortSignal;
}

/** `break`, `continue` and `exit` on their way out. */
class Leave extends Error {
  constructor(
    readonly kind: 'break' | 'continue' | 'exit',
    readonly count: number,
    /** What the loop's status is then. */
    readonly status = 0,
  ) {
    super(kind);
  }
}

/** There is no such variable, where `set -u` wants one. */
class Unbound extends Error {
  constructor(name: string) {
    super(`${/^[^A-Za-z_]/.test(name) ? '$' : ''}${name}: unbound variable`);
  }
}

/** Whatever ends a command from outside. */
function passes(why: unknown): boolean {
  return why instanceof Interrupted || why instanceof Leave;
}

/** Whether the status is that of something that failed there itself: in a loop and the like, `set -e` has seen to it. */
const fails = ({ commands: [first, second] }: Pipeline): boolean => second !== undefined || ['simple', 'subshell', 'arithmetic', 'condition'].includes(first!.kind);

const NO_SUCH_SET = 'not supported: there are set -e, set -u, set -o pipefail, and + to end them';

export class Shell implements Scope {
  readonly variables = new Map([['IFS', BLANKS]]);
  status = 0;
  readonly #jobs: Jobs;
  #last = '';
  /** So many loops are around what runs. */
  #loops = 0;
  /** `set -e`, `set -u` and `set -o pipefail`. */
  #set = { errexit: false, nounset: false, pipefail: false };
  /** More than 0 where a failure is asked for: a condition, or what stands before `&&`. */
  #asked = 0;
  #here: Streams | undefined;

  constructor(
    readonly host: Host,
    readonly commands: ReadonlyMap<string, Command>,
    /** What is said where there is no such command. */
    readonly unknown: (name: string) => string,
    jobs = new Jobs(),
  ) {
    this.#jobs = jobs;
  }

  /** Runs a script; `onLine` is told each line before it runs. Answers the status of the last command. */
  async run(text: string, streams: Streams, onLine?: (line: Line) => void): Promise<number> {
    const parser = new Parser(text.replace(/\r\n/g, '\n'));
    try {
      for (let line = parser.line(); line; line = parser.line()) {
        onLine?.(line);
        await this.list(line.list, streams);
      }
    } catch (why) {
      if (why instanceof Leave) return (this.status = why.kind === 'exit' ? why.count : this.status);
      if (why instanceof Interrupted) return (this.status = why.status);
      if (!(why instanceof BadSyntax)) throw why;
      await streams.err.write(`shell: ${why.message}\n`);
      this.status = 2;
    }
    return this.status;
  }

  get(name: string): string | undefined {
    if (name === '?') return String(this.status);
    if (name === '!') return this.#last;
    if (name === '$') return '1000';
    if (name === '#') return '0';
    if (name === 'RANDOM') return String(Math.floor(Math.random() * 32_768));
    if (name === 'EPOCHSECONDS') return String(Math.floor(this.host.now() / 1_000));
    return this.variables.get(name);
  }

  needed(name: string): string {
    const value = this.get(name);
    if (value === undefined && this.#set.nounset && !/[@*]/.test(name)) throw new Unbound(name);
    return value ?? '';
  }

  set(name: string, value: string): void {
    this.variables.set(name, value);
  }

  async output(list: List): Promise<string> {
    const out = new Kept();
    const streams = this.#here ?? { in: Input.of(), err: nowhere, signal: new AbortController().signal };
    this.status = await this.#apart((shell) => {
      // As in bash, `break` ends what stands in a loop here, and `set -e` does not hold.
      shell.#loops = this.#loops;
      shell.#set.errexit = false;
      return shell.list(list, { ...streams, out });
    });
    return out.text();
  }

  /** Runs something in a shell of its own: what it sets is not seen here. */
  async #apart(act: (shell: Shell) => Promise<number>): Promise<number> {
    const shell = new Shell(this.host, this.commands, this.unknown, this.#jobs);
    for (const [name, value] of this.variables) shell.set(name, value);
    shell.status = this.status;
    shell.#last = this.#last;
    shell.#set = { ...this.#set };
    shell.#asked = this.#asked;
    try {
      return await act(shell);
    } catch (why) {
      if (why instanceof Leave) return why.kind === 'exit' ? why.count : shell.status;
      throw why;
    }
  }

  async list(list: List, streams: Streams): Promise<number> {
    for (const item of list) {
      if (item.background) this.#start(item, streams);
      else await this.#andOr(item, streams);
    }
    return this.status;
  }

  #start(item: AndOr, streams: Streams): void {
    const abort = new AbortController();
    const own = { ...streams, in: Input.of(), signal: abort.signal };
    const status = this.#apart((shell) => shell.#andOr(item, own)).catch((why: unknown) => {
      if (why instanceof Interrupted) return why.status;
      return why instanceof BrokenPipe ? 141 : 1;
    });
    this.#last = String(this.#jobs.add(status, abort));
    this.status = 0;
  }

  async #andOr({ first, rest }: AndOr, streams: Streams): Promise<number> {
    const all = [first, ...rest.map(({ pipeline }) => pipeline)];
    for (const [i, pipeline] of all.entries()) {
      if (i > 0 && (this.status === 0) !== (rest[i - 1]!.when === '&&')) continue;
      const asked = i < all.length - 1 || pipeline.negated;
      if (asked) await this.#asking(() => this.#pipeline(pipeline, streams));
      else {
        await this.#pipeline(pipeline, streams);
        if (this.status !== 0 && this.#set.errexit && this.#asked === 0 && fails(pipeline)) throw new Leave('exit', this.status);
      }
    }
    return this.status;
  }

  /** Runs something whose failure does not end the script. */
  async #asking<T>(act: () => Promise<T>): Promise<T> {
    this.#asked += 1;
    try {
      return await act();
    } finally {
      this.#asked -= 1;
    }
  }

  async #pipeline({ commands, negated, timed }: Pipeline, streams: Streams): Promise<void> {
    const started = performance.now();
    if (commands.length === 1) {
      this.status = await this.#command(commands[0]!, streams);
    } else {
      const pipes = commands.slice(1).map(() => new Pipe(streams.signal));
      const runs = commands.map(async (command, i) => {
        const [from, to] = [pipes[i - 1], pipes[i]];
        const own = { ...streams, ...(from ? { in: new Input(from) } : {}), ...(to ? { out: to } : {}) };
        try {
          return await this.#apart((shell) => shell.#command(command, own));
        } catch (why) {
          if (why instanceof BrokenPipe && to) return 141;
          throw why;
        } finally {
          to?.end();
          from?.close();
        }
      });
      const ended = await Promise.allSettled(runs);
      for (const end of ended) if (end.status === 'rejected') throw end.reason;
      const statuses = ended.map((end) => (end.status === 'fulfilled' ? end.value : 0));
      this.status = (this.#set.pipefail ? statuses.findLast((status) => status !== 0) : statuses.at(-1)) ?? 0;
    }
    if (negated) this.status = this.status === 0 ? 1 : 0;
    if (timed) await streams.err.write(`\nreal\t0m${((performance.now() - started) / 1_000).toFixed(3)}s\n`);
  }

  /** Runs one command where its redirections lead. */
  async #command(command: Tree, streams: Streams): Promise<number> {
    await breathe(streams.signal);
    this.#here = streams;
    try {
      const own = await this.#redirected(command.redirects, streams);
      this.status = command.kind === 'simple' ? await this.#simple(command, own) : await this.#compound(command, own);
    } catch (why) {
      if (passes(why) || why instanceof BrokenPipe || why instanceof BadSyntax) throw why;
      await streams.err.write(`shell: ${reason(why)}\n`);
      if (why instanceof Unbound) throw new Leave('exit', 1);
      this.status = 1;
    }
    return this.status;
  }

  async #redirected(redirects: Redirect[], streams: Streams): Promise<Streams> {
    const own = { ...streams };
    for (const redirect of redirects) {
      if (redirect.kind === 'here') {
        own.in = Input.of(await single(redirect.content, this));
        continue;
      }
      let to = redirect.kind === 'copy' ? (redirect.of === 1 ? own.out : own.err) : nowhere;
      if (redirect.kind !== 'copy') {
        const target = await single(redirect.target, this);
        if (redirect.kind === 'from') {
          if (target !== '/dev/null') throw new Refused(`${target}: there are no files here, only /dev/null`);
          own.in = Input.of();
          continue;
        }
        if (target === '/dev/stdout') to = own.out;
        else if (target === '/dev/stderr') to = own.err;
        else if (target !== '/dev/null') throw new Refused(`${target}: there are no files here, only /dev/null`);
      }
      if (redirect.fd === 1) own.out = to;
      else if (redirect.fd === 2) own.err = to;
    }
    return own;
  }

  async #simple({ assignments, words }: Simple, streams: Streams): Promise<number> {
    const [name, ...args] = await fields(words, this);
    const before = assignments.map(({ name }) => [name, this.variables.get(name)] as const);
    if (name === undefined) this.status = 0;
    for (const { name, word } of assignments) this.set(name, await single(word, this));
    // An assignment alone has the status of the last `$(…)` in it.
    if (name === undefined) return this.status;
    try {
      return await this.#call(name, args, streams);
    } finally {
      for (const [name, value] of before) {
        if (value === undefined) this.variables.delete(name);
        else this.set(name, value);
      }
    }
  }

  async #call(name: string, args: string[], streams: Streams): Promise<number> {
    const run = ([name = '', ...args]: string[], input: Input) => this.#call(name, args, { ...streams, in: input });
    const call: Call = { name, args, ...streams, host: this.host, run };
    try {
      const own = await this.#own(name, args, streams);
      if (own !== undefined) return own;
      const command = this.commands.get(name);
      if (command) return await command(call);
      await streams.err.write(`${this.unknown(name)}\n`);
      return 127;
    } catch (why) {
      streams.signal.throwIfAborted();
      if (!(why instanceof Refused)) throw why;
      await streams.err.write(`${name}: ${why.message}\n`);
      return why.status;
    }
  }

  /** The commands that change the shell itself. */
  async #own(name: string, args: string[], streams: Streams): Promise<number | undefined> {
    switch (name) {
      case 'break':
      case 'continue': {
        if (this.#loops === 0) {
          await streams.err.write(`shell: ${name}: only meaningful in a \`for', \`while', or \`until' loop\n`);
          return 0;
        }
        const count = wholeNumber(args[0] ?? '1', 'number');
        // As in bash, a number that cannot be ends all loops.
        if (count < 1) await streams.err.write(`shell: ${name}: ${count}: loop count out of range\n`);
        throw count < 1 ? new Leave('break', this.#loops, 1) : new Leave(name, Math.min(count, this.#loops));
      }
      case 'exit':
        throw new Leave('exit', (Number(args[0] ?? this.status) || 0) & 255);
      case 'export':
        for (const arg of args) {
          const [, name, value] = /^([A-Za-z_]\w*)=([^]*)$/.exec(arg) ?? [];
          if (name !== undefined) this.set(name, value!);
        }
        return 0;
      case 'set':
        return this.#setOptions(args);
      case 'unset':
        for (const arg of args) this.variables.delete(arg);
        return 0;
      case 'read':
        return this.#read(args, streams.in);
      case 'wait':
        return this.#jobs.wait(args, streams.signal, streams.err);
      case 'kill':
        return this.#jobs.kill(args, streams.err);
    }
    return undefined;
  }

  #setOptions(args: string[]): number {
    const words = [...args];
    do {
      const [, sign, letters = ''] = /^([-+])([euo]+)$/.exec(words.shift() ?? '') ?? [];
      if (letters === '') throw new Refused(NO_SUCH_SET);
      for (const letter of letters) {
        const name = letter === 'e' ? 'errexit' : letter === 'u' ? 'nounset' : words.shift();
        if (name !== 'errexit' && name !== 'nounset' && name !== 'pipefail') throw new Refused(NO_SUCH_SET);
        this.#set[name] = sign === '-';
      }
    } while (words.length > 0);
    return 0;
  }

  async #read(args: string[], input: Input): Promise<number> {
    const given = options(args, { flags: 'rs', values: 'p' });
    const raw = given.has('r');
    const first = await input.line();
    let line = first ?? '';
    // Without -r, a backslash at the end takes the next line in.
    while (!raw && /(?:^|[^\\])(?:\\\\)*\\$/.test(line)) line = line.slice(0, -1) + ((await input.line()) ?? '');
    const names = given.rest;
    if (names.length === 0) this.set('REPLY', shared(line, 1, '', raw)[0]!);
    const values = shared(line, names.length, this.get('IFS'), raw);
    names.forEach((name, i) => this.set(name, values[i]!));
    return first === undefined ? 1 : 0;
  }

  async #compound(command: Compound, streams: Streams): Promise<number> {
    switch (command.kind) {
      case 'group':
        return this.list(command.body, streams);
      case 'subshell':
        return this.#apart((shell) => shell.list(command.body, streams));
      case 'if':
        for (const { test, body } of command.branches) {
          if ((await this.#asking(() => this.list(test, streams))) === 0) return this.list(body, streams);
        }
        return command.otherwise ? this.list(command.otherwise, streams) : 0;
      case 'for': {
        this.status = 0;
        for (const value of await fields(command.words, this)) {
          this.set(command.name, value);
          if (!(await this.#round(command.body, streams))) break;
        }
        return this.status;
      }
      case 'count': {
        this.status = 0;
        for (await this.#value(command.start); (await this.#value(command.test, 1n)) !== 0n; await this.#value(command.step)) {
          if (!(await this.#round(command.body, streams))) break;
        }
        return this.status;
      }
      case 'arithmetic':
        return (await this.#value(command.word)) === 0n ? 1 : 0;
      case 'condition':
        return (await holds(command.condition, this)) ? 0 : 1;
      case 'while': {
        let status = 0;
        while (((await this.#asking(() => this.list(command.test, streams))) === 0) !== command.until) {
          const goesOn = await this.#round(command.body, streams);
          status = this.status;
          if (!goesOn) break;
        }
        return status;
      }
    }
  }

  /** The value of an expression; where there is none, `empty`. */
  async #value(word: Word, empty = 0n): Promise<bigint> {
    const text = await single(word, this);
    return text.trim() === '' ? empty : arithmetic(text, this);
  }

  /** One round of a loop; whether it goes on after it. */
  async #round(body: List, streams: Streams): Promise<boolean> {
    this.#loops += 1;
    try {
      await this.list(body, streams);
      return true;
    } catch (why) {
      if (!(why instanceof Leave) || why.kind === 'exit') throw why;
      if (why.count > 1) throw new Leave(why.kind, why.count - 1, why.status);
      this.status = why.status;
      return why.kind === 'continue';
    } finally {
      this.#loops -= 1;
    }
  }
}
