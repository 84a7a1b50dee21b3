// Reads words: quotes, variables, `$(…)`, `$((…))`.
import { BadSyntax, type Change, type List, type Part, type Word } from './syntax.js';

const ESCAPES: Record<string, string> = {
  n: '\n', t: '\t', r: '\r', a: '\x07', b: '\b', e: '\x1b', E: '\x1b', f: '\f', v: '\v', '\\': '\\', "'": "'", '"': '"', '?': '?',
};

/** A byte as a character: one that is no ASCII becomes half a character, which `encode` makes a byte again. */
const byte = (n: number): string => String.fromCharCode(n < 0x80 ? n : 0xdc00 + (n & 0xff));

/** What the backslashes of `$'…'`, `printf` and `echo -e` stand for. */
export function unescape(text: string): string {
  return text.replace(/\\(x[0-9a-fA-F]{1,2}|u[0-9a-fA-F]{1,4}|U[0-9a-fA-F]{1,8}|[0-7]{1,3}|[^])/g, (all, code: string) => {
    if (/^x./.test(code)) return byte(parseInt(code.slice(1), 16));
    if (/^[0-7]/.test(code)) return byte(parseInt(code, 8));
    if (/^[uU]./.test(code)) return String.fromCodePoint(Math.min(parseInt(code.slice(1), 16), 0x10ffff));
    return ESCAPES[code] ?? all;
  });
}

const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const SPECIAL = /[?!$#@*0-9]/;
const ENDS_WORD = /[\s;&|<>()]/;

export class Words {
  at = 0;

  constructor(readonly text: string) {}

  get over(): boolean {
    return this.at >= this.text.length;
  }

  see(text: string): boolean {
    return this.text.startsWith(text, this.at);
  }

  /** Takes what matches here; patterns are sticky. */
  take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    this.at += found?.length ?? 0;
    return found;
  }

  unclosed(what: string): BadSyntax {
    return new BadSyntax(`unexpected EOF while looking for matching \`${what}'`, true);
  }

  /** Reads a script up to `)`; the parser knows how. */
  script(): List {
    throw new BadSyntax('a command cannot stand here');
  }

  atWord(): boolean {
    return !this.over && !ENDS_WORD.test(this.text[this.at]!);
  }

  /** The next word; in a regular expression, `(`, `|` and so on are parts of it. */
  word(expression = false): Word {
    const word: Word = [];
    while (this.atWord() || (expression && !this.over && !/\s/.test(this.text[this.at]!))) {
      const c = this.text[this.at]!;
      if (c === '\\') {
        this.at += 1;
        if (this.over) throw this.unclosed('\\');
        const next = this.text[this.at]!;
        this.at += 1;
        if (next !== '\n') add(word, next, true);
      } else if (c === "'") {
        add(word, this.upTo("'"), true);
      } else if (c === '"') {
        this.at += 1;
        word.push(...this.inside('"'));
      } else if (c === '$' || c === '`') {
        word.push(this.dollar(false));
      } else {
        add(word, this.take(/[^\s;&|<>()\\'"$`]+/y) ?? this.text[this.at++]!, false);
      }
    }
    return word;
  }

  /** What stands up to the next `end`, which is passed over. */
  upTo(end: string): string {
    const close = this.text.indexOf(end, this.at + 1);
    if (close < 0) throw this.unclosed(end);
    const text = this.text.slice(this.at + 1, close);
    this.at = close + 1;
    return text;
  }

  /** What stands in double quotes, or up to another end, or up to the end of the text. */
  inside(end?: '"' | '}'): Word {
    const word: Word = [{ kind: 'text', text: '', quoted: true }];
    for (;;) {
      if (this.over) {
        if (end === undefined) return word;
        throw this.unclosed(end);
      }
      const c = this.text[this.at]!;
      if (c === end) {
        this.at += 1;
        return word;
      }
      if (c === '\\') {
        const next = this.text[this.at + 1] ?? '';
        this.at += 1 + next.length;
        if (next === '\n') continue;
        add(word, '$`\\'.includes(next) || next === end || (end && next === '"') ? next : c + next, true);
      } else if (c === '$' || c === '`') {
        word.push(this.dollar(true));
      } else if (end === '}' && c === "'") {
        add(word, this.upTo("'"), true);
      } else if (end === '}' && c === '"') {
        this.at += 1;
        word.push(...this.inside('"'));
      } else {
        add(word, c, true);
        this.at += 1;
      }
    }
  }

  /** Something that begins with `$` or a backquote. */
  dollar(quoted: boolean): Part {
    if (this.see('`')) return this.#backquoted(quoted);
    if (this.see("$'") && !quoted) return this.#ansi();
    const expression = this.see('$((') ? this.arithmetic(this.at + 1) : undefined;
    if (expression !== undefined) return { kind: 'arithmetic', word: this.copy(expression).inside(), quoted };
    if (this.see('$(')) {
      this.at += 2;
      const list = this.script();
      if (!this.see(')')) throw this.unclosed(')');
      this.at += 1;
      return { kind: 'command', list, quoted };
    }
    if (this.see('${')) return this.#braced(quoted);
    this.at += 1;
    const name = this.take(NAME) ?? (SPECIAL.test(this.text[this.at] ?? '') ? this.text[this.at++] : undefined);
    return name === undefined ? { kind: 'text', text: '$', quoted } : { kind: 'variable', name, quoted };
  }

  #ansi(): Part {
    this.at += 1;
    const text = this.take(/'(\\[^]|[^\\'])*'/y);
    if (text === undefined) throw this.unclosed("'");
    return { kind: 'text', text: unescape(text.slice(1, -1)), quoted: true };
  }

  #backquoted(quoted: boolean): Part {
    const text = this.take(/`(\\[^]|[^\\`])*`/y);
    if (text === undefined) throw this.unclosed('`');
    return { kind: 'command', list: this.nested(text.slice(1, -1).replace(/\\([$`\\])/g, '$1')), quoted };
  }

  /** Reads a script that is a text of its own. */
  nested(_text: string): List {
    throw new BadSyntax('a command cannot stand here');
  }

  /** The text between `((`, which begins at `from`, and its `))`; undefined where another `)` comes first. */
  arithmetic(from: number): string | undefined {
    const start = from + 2;
    let depth = 0;
    for (let at = start; at < this.text.length; at += 1) {
      if (this.text[at] === '(') depth += 1;
      if (this.text[at] !== ')') continue;
      if (depth === 0) {
        if (this.text[at + 1] !== ')') return undefined;
        this.at = at + 2;
        return this.text.slice(start, at);
      }
      depth -= 1;
    }
    throw this.unclosed('))');
  }

  /** The same kind of reader, for another text. */
  copy(text: string): Words {
    return new Words(text);
  }

  #braced(quoted: boolean): Part {
    this.at += 2;
    const counts = /^#[A-Za-z_]/.test(this.text.slice(this.at, this.at + 2));
    if (counts) this.at += 1;
    const name = this.take(NAME) ?? this.take(/[?!$#@*0-9]/y);
    if (name === undefined) throw new BadSyntax('bad substitution: ${ wants the name of a variable');
    const part = { kind: 'variable', name, quoted } as const;
    if (counts || this.see('}')) {
      if (!this.see('}')) throw new BadSyntax(`bad substitution: \${#${name} ends with }`);
      this.at += 1;
      return counts ? { ...part, change: { kind: 'length' } } : part;
    }
    const operator = this.take(/:?[-=+]|##?|%%?/y);
    if (operator === undefined) {
      if (this.over) throw this.unclosed('}');
      throw new BadSyntax(`\${${name}${this.text[this.at]}…} is not supported here: there are \${x:-…} \${x:=…} \${x:+…} \${x#…} \${x%…} \${#x}`);
    }
    return { ...part, change: change(operator, this.inside('}')) };
  }
}

function change(operator: string, word: Word): Change {
  if (operator.startsWith('#')) return { kind: 'prefix', longest: operator.length === 2, word };
  if (operator.startsWith('%')) return { kind: 'suffix', longest: operator.length === 2, word };
  const kind = operator.endsWith('-') ? 'default' : operator.endsWith('=') ? 'assign' : 'alternative';
  return { kind, empty: operator.startsWith(':'), word };
}

function add(word: Word, text: string, quoted: boolean): void {
  const last = word.at(-1);
  if (last?.kind === 'text' && last.quoted === quoted) last.text += text;
  else word.push({ kind: 'text', text, quoted });
}
