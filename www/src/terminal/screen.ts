// What the terminal shows: commands and what they print, the last of it.
import { signal } from '@preact/signals';

export type Kind = 'in' | 'out' | 'err' | 'note';

/** A piece of text of one kind. Pieces are short, so that what comes changes only the last one. */
export interface Piece {
  id: number;
  kind: Kind;
  text: string;
}

const PIECE = 4_096;
const MOST_CHARS = 200_000;
const MOST_PIECES = 1_200;
/** How long output is gathered before it is drawn, in milliseconds. */
const GATHER_MS = 30;

const CONTROL = /\x1b\[[0-9;?]*[A-Za-z]|\r(?=\n)|[\x00-\x07\x0b-\x1a\x1c-\x1f]/g;
const CLEAR = '\x1b[2J';

export class Screen {
  readonly pieces = signal<readonly Piece[]>([]);
  #all: Piece[] = [];
  #chars = 0;
  #last = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  write(kind: Kind, text: string): void {
    const cleared = text.lastIndexOf(CLEAR);
    if (cleared >= 0) this.clear();
    this.#add(kind, (cleared < 0 ? text : text.slice(cleared + CLEAR.length)).replace(CONTROL, ''));
    this.#timer ??= setTimeout(() => this.flush(), GATHER_MS);
  }

  #add(kind: Kind, text: string): void {
    const last = this.#all.at(-1);
    if (last?.kind === kind && kind !== 'in' && last.text.length < PIECE) {
      // What is drawn already is not changed, but replaced.
      const room = whole(text, PIECE - last.text.length);
      this.#all[this.#all.length - 1] = { ...last, text: last.text + text.slice(0, room) };
      this.#chars += room;
      text = text.slice(room);
    }
    while (text !== '') {
      const end = kind === 'in' ? text.length : whole(text, PIECE);
      this.#last += 1;
      this.#all.push({ id: this.#last, kind, text: text.slice(0, end) });
      this.#chars += end;
      text = text.slice(end);
    }
    let gone = 0;
    while (this.#chars > MOST_CHARS || this.#all.length - gone > MOST_PIECES) this.#chars -= this.#all[gone++]!.text.length;
    if (gone > 0) this.#all.splice(0, gone);
  }

  /** Draws what was gathered. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.pieces.value = [...this.#all];
  }

  clear(): void {
    this.#all = [];
    this.#chars = 0;
    this.flush();
  }
}

/** So many characters, or one less where that would break one in two. */
function whole(text: string, count: number): number {
  if (count >= text.length) return text.length;
  const code = text.charCodeAt(count - 1);
  return code >= 0xd800 && code < 0xdc00 ? Math.max(1, count - 1) : count;
}
