// What runs in the background, and what is said about it.
import { Refused } from './command.js';
import { Interrupted, type Output } from './stream.js';

interface Job {
  /** As `$!` tells it. */
  pid: number;
  /** As `%1` tells it. */
  number: number;
  status: Promise<number>;
  abort: AbortController;
  ended: boolean;
}

const SIGNALS: Record<string, number> = { HUP: 1, INT: 2, QUIT: 3, KILL: 9, TERM: 15 };
const USAGE = 'usage: kill [-s SIGNAL | -SIGNAL] PID | %JOB …';

/** The number of `9`, `KILL`, `SIGKILL`. */
function signalOf(text: string): number {
  const number = SIGNALS[text.toUpperCase().replace(/^SIG/, '')] ?? (/^\d+$/.test(text) ? Number(text) : undefined);
  if (number === undefined || (number !== 0 && !Object.values(SIGNALS).includes(number))) {
    throw new Refused(`${text}: invalid signal specification; here there are 0 ${Object.keys(SIGNALS).join(' ')}`, 1);
  }
  return number;
}

export class Jobs {
  readonly #jobs: Job[] = [];
  #lastPid = 1_000;

  /** Takes in what runs already; answers its process id. */
  add(status: Promise<number>, abort: AbortController): number {
    // As in bash, the numbers of those that ended last are given again.
    const number = Math.max(0, ...this.#running().map((job) => job.number)) + 1;
    const job: Job = { pid: (this.#lastPid += 1), number, status, abort, ended: false };
    void status.then(() => (job.ended = true));
    this.#jobs.push(job);
    return job.pid;
  }

  #running(): Job[] {
    return this.#jobs.filter((job) => !job.ended);
  }

  /** The job of `%1`, `%%` or a process id; of those that had a number, the last one. */
  #find(text: string, among: Job[]): Job | undefined {
    if (/^%[%+]?$/.test(text)) return among.at(-1);
    return among.findLast((job) => `%${job.number}` === text || String(job.pid) === text);
  }

  async kill(args: readonly string[], err: Output): Promise<number> {
    const rest = [...args];
    let number = SIGNALS['TERM']!;
    if (/^-[^-]/.test(rest[0] ?? '')) {
      const option = rest.shift()!;
      number = signalOf(option === '-s' || option === '-n' ? (rest.shift() ?? '') : option.slice(1));
    }
    if (rest[0] === '--') rest.shift();
    if (rest.length === 0) throw new Refused(USAGE);
    let sent = false;
    for (const text of rest) {
      const job = this.#find(text, this.#running());
      if (job) {
        if (number > 0) job.abort.abort(new Interrupted(128 + number));
        sent = true;
      } else if (text.startsWith('%')) {
        await err.write(`shell: kill: ${text}: no such job\n`);
      } else if (/^\d+$/.test(text)) {
        await err.write(`shell: kill: (${text}) - No such process\n`);
      } else {
        await err.write(`shell: kill: ${text}: arguments must be process or job IDs\n`);
      }
    }
    return sent ? 0 : 1;
  }

  /** Waits for these, or for all; answers the status of the last one that was named. */
  async wait(args: readonly string[], signal: AbortSignal, err: Output): Promise<number> {
    const option = args.find((arg) => arg.startsWith('-'));
    if (option !== undefined) throw new Refused(`${option}: not supported: wait [PID | %JOB …]`);
    const interrupted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
    interrupted.catch(() => {});
    const over = async (job: Job): Promise<number> => {
      const status = await Promise.race([job.status, interrupted]);
      this.#jobs.splice(this.#jobs.indexOf(job), 1);
      return status;
    };
    if (args.length === 0) {
      for (const job of [...this.#jobs]) await over(job);
      return 0;
    }
    let status = 0;
    for (const text of args) {
      const job = this.#find(text, this.#jobs);
      status = job ? await over(job) : 127;
      if (!job) await err.write(`shell: wait: ${text.startsWith('%') ? `${text}: no such job` : `pid ${text} is not a child of this shell`}\n`);
    }
    return status;
  }
}
