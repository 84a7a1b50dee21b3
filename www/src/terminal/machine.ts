// A terminal without its looks: what was entered runs here, one after another, and what it prints is on the screen.
import { signal } from '@preact/signals';

import { reason } from '../broker/fetch.js';
import type { Session } from '../broker/session.js';
import type { Completer, Completion } from './complete.js';
import { History } from './history.js';
import { Screen } from './screen.js';
import type { Shell } from './shell/shell.js';

interface Loaded {
  runScript: typeof import('./run.js').runScript;
  newShell: typeof import('./run.js').newShell;
  incomplete: typeof import('./run.js').incomplete;
  Completer: typeof import('./complete.js').Completer;
}

/** The shell, where it is there already. */
export let loaded: Loaded | undefined;

/** The shell is only loaded when somebody uses it. */
export async function load(): Promise<Loaded> {
  const [run, complete] = await Promise.all([import('./run.js'), import('./complete.js')]);
  return (loaded = { ...run, ...complete });
}

const HISTORY = 'shelfmq.terminal.history';

interface Entry {
  text: string;
  done(status: number): void;
}

export class Machine {
  readonly screen = new Screen();
  readonly history = new History(globalThis.localStorage, HISTORY);
  readonly running = signal(false);
  readonly status = signal(0);
  /** What is being written. */
  readonly input = signal('');
  /** Counts up when somebody puts something into the prompt from outside. */
  readonly touched = signal(0);
  #completer: Completer | undefined;
  #shell: Shell | undefined;
  #waiting: Entry[] = [];
  #abort: AbortController | undefined;

  constructor(readonly session: Session) {}

  /** Runs a script once what was entered before is done; answers its status. */
  enter(text: string): Promise<number> {
    this.history.add(text);
    return new Promise((done) => {
      this.#waiting.push({ text, done });
      if (!this.running.value) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.running.value = true;
    let entry: Entry | undefined;
    try {
      const { runScript, newShell } = await load();
      this.#shell ??= newShell(this.session);
      while ((entry = this.#waiting.shift())) {
        const abort = (this.#abort = new AbortController());
        const sink = { out: (text: string) => this.screen.write('out', text), err: (text: string) => this.screen.write('err', text) };
        const onLine = ({ source }: { source: string }) => this.screen.write('in', source);
        if (entry.text.trim() === '') this.screen.write('in', ' ');
        this.status.value = await runScript(this.session, entry.text, sink, { signal: abort.signal, shell: this.#shell, onLine });
        entry.done(this.status.value);
      }
    } catch (why) {
      this.screen.write('err', `${reason(why)}\n`);
      this.status.value = 1;
    }
    for (const left of [entry, ...this.#waiting.splice(0)]) left?.done(1);
    this.running.value = false;
    this.screen.flush();
  }

  /** Ctrl-C: ends what runs, and what was to run after it; or gives up what is being written. */
  interrupt(): void {
    if (this.running.value) {
      this.screen.write('note', '^C\n');
      for (const entry of this.#waiting.splice(0)) entry.done(130);
      this.#abort?.abort();
    } else {
      this.screen.write('in', `${this.input.value}^C`);
      this.input.value = '';
    }
  }

  /** What can stand at the end of a text. */
  async complete(text: string): Promise<Completion | undefined> {
    const { Completer } = await load();
    this.#completer ??= new Completer(this.session);
    return this.#completer.at(text);
  }

  /** Puts something into the prompt. */
  insert(text: string): void {
    this.input.value = text;
    this.touched.value += 1;
  }
}

const machines = new WeakMap<Session, Machine>();

/** The terminal of a session: it goes on while it is out of sight. */
export function machineOf(session: Session): Machine {
  let machine = machines.get(session);
  if (!machine) machines.set(session, (machine = new Machine(session)));
  return machine;
}

let current: Machine | undefined;
const early: ((machine: Machine) => void)[] = [];

/** A terminal is there: what was pasted before goes to it. */
export function arrived(machine: Machine): void {
  current = machine;
  for (const act of early.splice(0)) act(machine);
}

/**
 * Puts commands into the terminal, and runs them there where it is said: answers their status once they are done.
 * Where no terminal is in sight yet, that is when one is.
 */
export function pasteIntoTerminal(text: string, run = false): Promise<number | undefined> {
  return new Promise((resolve) => {
    const act = (machine: Machine) => {
      if (run) machine.enter(text).then(resolve, () => resolve(1));
      else {
        machine.insert(text);
        resolve(undefined);
      }
    };
    if (current) act(current);
    else early.push(act);
  });
}
