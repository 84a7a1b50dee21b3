// The commands that were entered, and the way back through them.

const MOST = 200;

/** What has a token or a password: headers, curl's options (`-u` after letters that take no value), URLs, variables. */
const SECRET =
  /authorization\s*[:;]|--(?:user|oauth2-bearer)\b(?!-)|\bcurl\b[^]*[\s'"]-[GsSfiINvgkL#0146qZ]*u|\/\/[^\s/'"@]+:[^\s/'"]*@|(?:token|password|secret)\w*=/i;

interface Store {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

export class History {
  readonly #entries: string[];
  /** Where we are on the way back; at the end is what is being written. */
  #at: number;
  #draft = '';

  constructor(
    readonly store: Store | undefined,
    readonly key: string,
  ) {
    this.#entries = kept(store?.getItem(key) ?? null);
    this.#at = this.#entries.length;
  }

  add(entry: string): void {
    if (entry.trim() !== '' && entry !== this.#entries.at(-1)) this.#entries.push(entry);
    if (this.#entries.length > MOST) this.#entries.splice(0, this.#entries.length - MOST);
    this.#at = this.#entries.length;
    this.#draft = '';
    try {
      // Secrets are remembered by this tab alone.
      this.store?.setItem(this.key, JSON.stringify(this.#entries.filter((entry) => !SECRET.test(entry))));
    } catch {
      // The storage is full: then it is remembered for as long as the page is there.
    }
  }

  /** The entry before; undefined where there is none. `now` is what is written, for the way forth. */
  back(now: string): string | undefined {
    if (this.#at === 0) return undefined;
    if (this.#at === this.#entries.length) this.#draft = now;
    this.#at -= 1;
    return this.#entries[this.#at];
  }

  /** The entry after, at last what was being written. */
  forth(): string | undefined {
    if (this.#at >= this.#entries.length) return undefined;
    this.#at += 1;
    return this.#at === this.#entries.length ? this.#draft : this.#entries[this.#at];
  }
}

function kept(text: string | null): string[] {
  try {
    const entries: unknown = JSON.parse(text ?? '[]');
    return Array.isArray(entries) ? entries.filter((entry) => typeof entry === 'string').slice(-MOST) : [];
  } catch {
    return [];
  }
}
