// Scripts on a broker: for the terminal, for lessons, for tests. It is loaded when the first one runs.
import { basics } from './commands/basics.js';
import { grep } from './commands/grep.js';
import { jq } from './commands/jq.js';
import { lineTools } from './commands/lines.js';
import { sed } from './commands/sed.js';
import { curl } from './curl/curl.js';
import { t } from './said.js';
import type { Command, Host } from './shell/command.js';
import { incomplete, type Line } from './shell/parse.js';
import { Shell } from './shell/shell.js';
import { Input, Interrupted, type Output, encode } from './shell/stream.js';

export type { Host } from './shell/command.js';
export { incomplete };

const ALL = new Map<string, Command>(Object.entries({ ...basics, ...lineTools, curl, grep, jq, sed }));

/** Those that the shell itself has. */
const OWN = ['break', 'continue', 'exit', 'export', 'kill', 'read', 'set', 'time', 'unset', 'wait'];

/** The names of all commands, the important one first. */
export const commandNames: readonly string[] = [
  'curl',
  ...[...ALL.keys(), ...OWN, 'help'].filter((name) => /^[a-z]/.test(name) && name !== 'curl').sort(),
];

ALL.set('help', async (call) => {
  await call.out.write(t().help(commandNames.join(' ')));
  return 0;
});

/** Where a script's output goes, as text, as it comes. */
export interface Sink {
  out(text: string): void;
  err(text: string): void;
}

/** Text of bytes; a character may come in two pieces. */
function told(tell: (text: string) => void): Output {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  return {
    write: async (chunk) => {
      const text = decoder.decode(typeof chunk === 'string' ? encode(chunk) : chunk, { stream: true });
      if (text !== '') tell(text);
    },
  };
}

export function newShell(host: Host): Shell {
  return new Shell(host, ALL, (name) => t().notFound(name, commandNames.join(' ')));
}

export interface RunOptions {
  /** Ends the script as Ctrl-C does: its status is 130 then. */
  signal?: AbortSignal;
  /** Keeps variables and background jobs from one script to the next; see {@link newShell}. */
  shell?: Shell;
  /** Told each line before it runs. */
  onLine?: (line: Line) => void;
}

/** Runs a script; answers its status. What it started in the background goes on, as in any shell. */
export async function runScript(host: Host, text: string, sink: Sink, { signal, shell = newShell(host), onLine }: RunOptions = {}): Promise<number> {
  const abort = new AbortController();
  const end = () => abort.abort(new Interrupted());
  if (signal?.aborted) end();
  signal?.addEventListener('abort', end, { once: true });
  try {
    const streams = { in: Input.of(), out: told(sink.out), err: told(sink.err), signal: abort.signal };
    return await shell.run(text, streams, onLine);
  } finally {
    signal?.removeEventListener('abort', end);
  }
}
