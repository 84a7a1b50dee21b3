// What goes in and out of commands: bytes, in pieces, as they come.

export type Bytes = Uint8Array<ArrayBuffer>;

/** Nobody reads any more what a command writes. */
export class BrokenPipe extends Error {}

/** Somebody pressed Ctrl-C, or ended a job. */
export class Interrupted extends Error {
  constructor(readonly status = 130) {
    super();
  }
}

/** For how many milliseconds a script may keep the page busy at once. */
const BUSY = 12;
let busySince = 0;

/** Lets the page live: a script without anything to wait for would stop it. */
export async function breathe(signal: AbortSignal): Promise<void> {
  const now = performance.now();
  if (now - busySince > BUSY) {
    await new Promise((resolve) => setTimeout(resolve));
    busySince = performance.now();
  }
  signal.throwIfAborted();
}

export interface Output {
  /** Kept once there is room for more. */
  write(chunk: string | Bytes): Promise<void>;
  /** Aborted when nobody reads any more. */
  readonly unread?: AbortSignal;
}

/** Swallows everything. */
export const nowhere: Output = { write: async () => {} };

const encoder = new TextEncoder();

/** A text's bytes; halves of characters stand for bytes that are no text. */
export function encode(text: string): Bytes {
  // With the flag u only halves match, not what is half of a whole character.
  const pieces = text.split(/([\udc80-\udcff])/u);
  if (pieces.length === 1) return encoder.encode(text);
  return joined(pieces.map((piece, i) => (i % 2 === 1 ? Uint8Array.of(piece.charCodeAt(0) & 0xff) : encoder.encode(piece))));
}

export const decode = (bytes: Bytes): string => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);

export function joined(chunks: Bytes[]): Bytes {
  if (chunks.length === 1) return chunks[0]!;
  const all = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

/** What somebody waits for who reads from, or writes to, a pipe. */
class Change {
  #happened!: () => void;
  #next!: Promise<void>;

  constructor() {
    this.tell();
  }

  get next(): Promise<void> {
    return this.#next;
  }

  tell(): void {
    this.#happened?.();
    this.#next = new Promise((happened) => (this.#happened = happened));
  }
}

/** So many bytes wait in a pipe before who writes has to wait, as in Linux. */
const ROOM = 65_536;

export class Pipe implements Output, Source {
  #chunks: Bytes[] = [];
  #size = 0;
  #ended = false;
  readonly #unread = new AbortController();
  readonly #change = new Change();

  constructor(readonly signal: AbortSignal) {
    signal.addEventListener('abort', () => this.#change.tell(), { once: true });
  }

  get unread(): AbortSignal {
    return this.#unread.signal;
  }

  async write(chunk: string | Bytes): Promise<void> {
    const bytes = typeof chunk === 'string' ? encode(chunk) : chunk;
    if (bytes.length > 0) this.#chunks.push(bytes);
    this.#size += bytes.length;
    this.#change.tell();
    while (this.#size > ROOM && !this.unread.aborted && !this.signal.aborted) await this.#change.next;
    this.signal.throwIfAborted();
    if (this.unread.aborted) throw new BrokenPipe();
  }

  /** Nothing more is written. */
  end(): void {
    this.#ended = true;
    this.#change.tell();
  }

  async read(): Promise<Bytes | undefined> {
    await breathe(this.signal);
    while (this.#chunks.length === 0 && !this.#ended && !this.signal.aborted) await this.#change.next;
    this.signal.throwIfAborted();
    const chunk = this.#chunks.shift();
    this.#size -= chunk?.length ?? 0;
    this.#change.tell();
    return chunk;
  }

  /** Nothing more is read. */
  close(): void {
    this.#chunks = [];
    this.#unread.abort();
    this.#change.tell();
  }
}

export interface Source {
  /** The next piece; undefined at the end. */
  read(): Promise<Bytes | undefined>;
}

/** A command's input, by pieces, by lines, or all of it. What one command leaves, the next one finds. */
export class Input {
  #rest: Bytes = new Uint8Array();

  constructor(readonly source: Source) {}

  static of(content: string | Bytes = ''): Input {
    let left: Bytes | undefined = typeof content === 'string' ? encode(content) : content;
    return new Input({
      read: async () => {
        const chunk = left;
        left = undefined;
        return chunk;
      },
    });
  }

  async read(): Promise<Bytes | undefined> {
    if (this.#rest.length === 0) return this.source.read();
    const chunk = this.#rest;
    this.#rest = new Uint8Array();
    return chunk;
  }

  /** So many bytes, or as many as there are. */
  async take(count: number): Promise<Bytes> {
    const chunks: Bytes[] = [];
    for (let left = count; left > 0; ) {
      const chunk = await this.read();
      if (!chunk) break;
      chunks.push(chunk.subarray(0, left));
      this.#rest = chunk.subarray(left);
      left -= chunk.length;
    }
    return joined(chunks);
  }

  /** The next line without its end; undefined where there is none. */
  async line(): Promise<string | undefined> {
    const chunks: Bytes[] = [];
    for (;;) {
      const chunk = await this.read();
      if (!chunk) return chunks.length === 0 ? undefined : decode(joined(chunks));
      const end = chunk.indexOf(10);
      if (end < 0) {
        if (chunk.length > 0) chunks.push(chunk);
        continue;
      }
      this.#rest = chunk.subarray(end + 1);
      chunks.push(chunk.subarray(0, end));
      return decode(joined(chunks));
    }
  }

  async *lines(): AsyncGenerator<string> {
    for (let line = await this.line(); line !== undefined; line = await this.line()) yield line;
  }

  async all(): Promise<Bytes> {
    const chunks: Bytes[] = [];
    for (let chunk = await this.read(); chunk; chunk = await this.read()) chunks.push(chunk);
    return joined(chunks);
  }

  async text(): Promise<string> {
    return decode(await this.all());
  }
}

/** Keeps what is written, for `$(…)`. */
export class Kept implements Output {
  readonly #chunks: Bytes[] = [];

  async write(chunk: string | Bytes): Promise<void> {
    this.#chunks.push(typeof chunk === 'string' ? encode(chunk) : chunk);
  }

  text(): string {
    return decode(joined(this.#chunks));
  }
}
