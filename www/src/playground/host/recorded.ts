// What happened, kept over reloads: the recordings of the brokers before this one, and this one's as it grows. Read one
// after another they are one recording.
import type { Broker } from 'shelfmq/split';

export type Bytes = Uint8Array<ArrayBuffer>;

/** A piece of a recording: of which run of the broker, of which part of that, where in it, and when it was begun. */
export interface Piece {
  run: number;
  part: number;
  at: number;
  length: number;
  begun: number;
}

/** Where pieces are kept. */
export interface Pieces {
  /** In order. */
  list(): Promise<Piece[]>;
  /** Those of the runs before this one, in order. */
  before(run: number): Promise<{ piece: Piece; bytes: Bytes }[]>;
  change(gone: readonly Piece[], put?: { piece: Piece; bytes: Bytes }): Promise<void>;
}

/** The last piece is written anew with what comes, until it has so many bytes. */
const PIECE_BYTES = 32 * 1024;

export class Recorded {
  #run: number;
  #bytes: number;
  /** Where the last piece begins. */
  #tail = { part: 0, bytes: 0 };
  /** Up to when all is kept. */
  #upTo = 0;
  #pieces: Piece[];
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(
    readonly store: Pieces,
    /** How many bytes are kept; the oldest parts go. */
    readonly limit: number,
    pieces: Piece[],
  ) {
    this.#pieces = pieces;
    this.#bytes = pieces.reduce((sum, { length }) => sum + length, 0);
    this.#run = (pieces.at(-1)?.run ?? 0) + 1;
  }

  static async open(store: Pieces, limit: number): Promise<Recorded> {
    return new Recorded(store, limit, await store.list());
  }

  /** When the first thing that is kept happened. */
  get from(): number | undefined {
    return this.#pieces[0]?.begun;
  }

  /** What comes next is of another broker, which begins now. */
  begin(now: number): void {
    this.#run += 1;
    this.#tail = { part: 0, bytes: 0 };
    this.#upTo = now;
  }

  /** Takes what is new. */
  keep(broker: Broker, now: number): Promise<void> {
    return this.#inTurn(async () => {
      for (const { part, at, bytes } of broker.recordingSince(this.#tail)) {
        const last = this.#pieces.at(-1);
        const grown = last && last.run === this.#run && last.part === part && last.at === at ? last : undefined;
        if (grown?.length === bytes.length) continue;
        const piece = { run: this.#run, part, at, length: bytes.length, begun: grown?.begun ?? this.#upTo };
        await this.#put(piece, bytes as Bytes, grown);
        this.#tail = { part, bytes: bytes.length < PIECE_BYTES ? at : at + bytes.length };
      }
      this.#upTo = now;
    });
  }

  /** The parts of the brokers before this one. */
  before(): Promise<Bytes[]> {
    return this.#inTurn(async () => {
      const parts = new Map<string, Bytes[]>();
      for (const { piece, bytes } of await this.store.before(this.#run)) {
        const part = `${piece.run} ${piece.part}`;
        parts.set(part, [...(parts.get(part) ?? []), bytes]);
      }
      return [...parts.values()].map(joined);
    });
  }

  /** Nothing has happened yet. */
  clear(): Promise<void> {
    return this.#inTurn(async () => {
      await this.store.change(this.#pieces);
      this.#pieces = [];
      this.#bytes = 0;
    });
  }

  async #put(piece: Piece, bytes: Bytes, grown: Piece | undefined): Promise<void> {
    const pieces = grown ? this.#pieces.slice(0, -1) : [...this.#pieces];
    let size = this.#bytes - (grown?.length ?? 0) + piece.length;
    const gone = grown ? [grown] : [];
    // A part is only of use from its beginning on.
    while (size > this.limit && pieces[0] && !isSamePart(pieces[0], piece)) {
      const oldest = pieces[0];
      while (pieces[0] && isSamePart(pieces[0], oldest)) {
        const first = pieces.shift()!;
        size -= first.length;
        gone.push(first);
      }
    }
    await this.store.change(gone, { piece, bytes });
    this.#pieces = [...pieces, piece];
    this.#bytes = size;
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(act);
    this.#turn = done.catch(() => {});
    return done;
  }
}

function isSamePart(a: Piece, b: Piece): boolean {
  return a.run === b.run && a.part === b.part;
}

function joined(pieces: readonly Bytes[]): Bytes {
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

/** For as long as this worker lives. */
export function inMemory(): Pieces {
  let kept: { piece: Piece; bytes: Bytes }[] = [];
  return {
    list: async () => kept.map(({ piece }) => piece),
    before: async (run) => kept.filter(({ piece }) => piece.run < run),
    change: async (gone, put) => {
      kept = [...kept.filter(({ piece }) => !gone.includes(piece)), ...(put ? [put] : [])];
    },
  };
}
