// A storage that is written to a little later, in larger pieces. Simulated consumers at a hundred times real time would
// otherwise spend their lives waiting for transactions. Whoever wants to know that something is durable asks `flushed`.
import type { Change, Storage, StoredTopic } from 'shelfmq/split';

/** More waits for the storage than for no storage. */
const MOST_BYTES = 8 * 1024 * 1024;
/** How long changes are gathered where nobody waits for them, in milliseconds. */
const GATHER_MS = 40;

type Append = Extract<Change, { kind: 'append' }>;

/** Appends that follow each other are one. */
export function merged(changes: readonly Change[]): Change[] {
  const out: Change[] = [];
  let run: Append[] = [];
  const close = () => {
    const [first] = run;
    if (first === undefined) return;
    const bytes = new Uint8Array(run.reduce((sum, one) => sum + one.bytes.length, 0));
    for (const one of run) bytes.set(one.bytes, one.offset - first.offset);
    out.push({ ...first, bytes });
    run = [];
  };
  for (const change of changes) {
    const last = run.at(-1);
    const follows =
      change.kind === 'append' &&
      last?.topic === change.topic &&
      last.segment === change.segment &&
      last.offset + last.bytes.length === change.offset;
    if (!follows) close();
    if (change.kind === 'append') run.push(change);
    else out.push(change);
  }
  close();
  return out;
}

export class BehindStorage implements Storage {
  #waiting: Change[] = [];
  #bytes = 0;
  /** How many changes came, and how many of them are durable. */
  #taken = 0;
  #durable = 0;
  #flushing: Promise<void> | undefined;
  #hurry = () => {};
  /** Why the last write failed. */
  #failed: unknown;
  #dropped = false;

  /** @param before done before each write: what has to be known where the write is */
  constructor(
    readonly inner: Storage,
    readonly before: () => Promise<void>,
  ) {}

  async list(): Promise<StoredTopic[]> {
    await this.flushed();
    return this.inner.list();
  }

  async read(topic: string, segment: number, offset: number, length: number): Promise<Uint8Array> {
    await this.flushed();
    return this.inner.read(topic, segment, offset, length);
  }

  async write(changes: Change[]): Promise<void> {
    if (this.#dropped) return;
    // What could not be written before goes first; as long as it cannot be, nothing more is taken.
    if (this.#failed !== undefined) await this.flushed();
    this.#waiting.push(...changes);
    this.#taken += changes.length;
    for (const change of changes) if (change.kind === 'append') this.#bytes += change.bytes.length;
    this.#flushing ??= this.#flush(GATHER_MS);
    // Where it fails later, the next write says so.
    this.#flushing.catch(() => {});
    if (this.#bytes > MOST_BYTES) await this.flushed();
  }

  /** Kept once all that was written so far is durable. */
  async flushed(): Promise<void> {
    const upTo = this.#taken;
    while (this.#durable < upTo) {
      this.#flushing ??= this.#flush(0);
      this.#hurry();
      await this.#flushing;
    }
  }

  async close(): Promise<void> {
    await this.flushed();
    await this.inner.close();
  }

  /** What waits is not wanted any more, nor is what comes. */
  async drop(): Promise<void> {
    this.#dropped = true;
    this.#waiting = [];
    this.#bytes = 0;
    this.#durable = this.#taken;
    this.#failed = undefined;
    this.#hurry();
    await this.#flushing?.catch(() => {});
  }

  async #flush(gather: number): Promise<void> {
    try {
      if (gather > 0) {
        await new Promise<void>((go) => {
          this.#hurry = go;
          setTimeout(go, gather);
        });
      }
      const changes = this.#waiting;
      const bytes = this.#bytes;
      this.#waiting = [];
      this.#bytes = 0;
      try {
        await this.before();
        if (this.#dropped) return;
        await this.inner.write(merged(changes));
        this.#durable += changes.length;
        this.#failed = undefined;
      } catch (why) {
        if (this.#dropped) throw why;
        this.#waiting.unshift(...changes);
        this.#bytes += bytes;
        this.#failed = why;
        throw why;
      }
    } finally {
      this.#flushing = undefined;
      if (this.#failed === undefined && this.#waiting.length > 0) {
        this.#flushing = this.#flush(GATHER_MS);
        this.#flushing.catch(() => {});
      }
    }
  }
}
