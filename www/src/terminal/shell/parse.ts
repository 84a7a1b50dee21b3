// Reads a script, a line at a time: what stands before a mistake is run before the mistake is told, as in any shell.
import { type AndOr, BadSyntax, type Command, type Compound, type Condition, type List, type Operator, type Pipeline, type Redirect, type Simple, type Word } from './syntax.js';
import { Words } from './words.js';

/** One line of a script, or as many as belong together. */
export interface Line {
  list: List;
  /** As it is written. */
  source: string;
}

const KEYWORDS = /(then|else|elif|fi|do|done|esac|in)(?![^\s;&|<>()])/y;
const NOT_HERE = /(case|function|select|coproc)(?![^\s;&|<>()])/y;
const REDIRECT = /(\d?)(<<<|<<-?|<&|>&|>>|>\||<|>)|&>>?/y;
const OPERATOR = /==|=~|!=|=(?=\s)|[<>]|-(?:eq|ne|lt|le|gt|ge)(?=\s)/y;
const ASSIGNMENT = /([A-Za-z_][A-Za-z0-9_]*)=/y;

type Ends = (parser: Parser) => boolean;

export class Parser extends Words {
  /** Here-documents whose lines are still to come. */
  #waiting: { redirect: Redirect & { kind: 'here' }; end: string; quoted: boolean; tabs: boolean }[] = [];

  override copy(text: string): Parser {
    return new Parser(text);
  }

  override nested(text: string): List {
    const parser = new Parser(text);
    const list = parser.list(() => false);
    if (!parser.over) throw parser.unexpected();
    return list;
  }

  override script(): List {
    return this.list((parser) => parser.see(')'));
  }

  /** The next line that has commands; undefined at the end. */
  line(): Line | undefined {
    this.newlines();
    if (this.over) return undefined;
    const start = this.at;
    const list = this.list(() => false, true);
    const end = this.at;
    if (!this.over && !this.see('\n')) throw this.unexpected();
    const here = this.#waiting.length > 0;
    this.newline();
    return { list, source: this.text.slice(start, here ? this.at : end).trim() };
  }

  unexpected(): BadSyntax {
    if (this.over) return new BadSyntax('syntax error: unexpected end of file', true);
    const token = this.take(/\n|[;&|<>()]{1,2}|[^\s;&|<>()]+/y) ?? this.text[this.at] ?? '';
    return new BadSyntax(`syntax error near unexpected token \`${token === '\n' ? 'newline' : token}'`);
  }

  /** Passes over blanks, continued lines and a comment. */
  blank(): void {
    this.take(/(?:[ \t\r]|\\\r?\n)*(?:#[^\n]*)?/y);
  }

  /** Passes over the end of a line, and the here-documents after it. */
  newline(): void {
    if (!this.see('\n')) {
      if (this.#waiting.length > 0) throw new BadSyntax(`the here-document has no end: ${this.#waiting[0]!.end}`, true);
      return;
    }
    this.at += 1;
    for (const { redirect, end, quoted, tabs } of this.#waiting.splice(0)) {
      let text = '';
      for (;;) {
        if (this.over) throw new BadSyntax(`the here-document has no end: ${end}`, true);
        const line = this.take(/[^\n]*/y)!.replace(tabs ? /^\t+/ : /^(?!)/, '');
        if (this.see('\n')) this.at += 1;
        if (line === end) break;
        text += `${line}\n`;
      }
      redirect.content = quoted ? [{ kind: 'text', text, quoted: true }] : this.copy(text).inside();
    }
  }

  newlines(): void {
    for (this.blank(); this.see('\n'); this.blank()) this.newline();
  }

  list(ends: Ends, oneLine = false): List {
    const list: List = [];
    for (;;) {
      if (oneLine) this.blank();
      else this.newlines();
      if (this.over || this.see('\n') || ends(this)) return list;
      const item = this.andOr();
      list.push(item);
      this.blank();
      if (this.see('&')) {
        item.background = true;
        this.at += 1;
      } else if (this.see(';') && !this.see(';;')) {
        this.at += 1;
      } else if (!this.over && !this.see('\n')) {
        if (ends(this)) return list;
        throw this.unexpected();
      }
    }
  }

  andOr(): AndOr {
    const first = this.pipeline();
    const rest: AndOr['rest'] = [];
    for (;;) {
      this.blank();
      const when = this.take(/&&|\|\|/y) as '&&' | '||' | undefined;
      if (!when) return { first, rest, background: false };
      this.newlines();
      rest.push({ when, pipeline: this.pipeline() });
    }
  }

  pipeline(): Pipeline {
    let negated = false;
    let timed = false;
    for (let mark; (mark = this.take(/(!|time)(?=\s)/y)); this.blank()) {
      if (mark === '!') negated = !negated;
      else timed = true;
    }
    const commands = [this.command()];
    for (;;) {
      this.blank();
      if (!this.see('|') || this.see('||')) return { commands, negated, timed };
      const both = this.see('|&');
      this.at += both ? 2 : 1;
      if (both) commands.at(-1)!.redirects.push({ kind: 'copy', fd: 2, of: 1 });
      this.newlines();
      commands.push(this.command());
    }
  }

  /** Whether this word is next, as a word of the shell itself. */
  keyword(word: string): boolean {
    const after = this.text[this.at + word.length];
    return this.see(word) && (after === undefined || /[\s;&|<>()]/.test(after));
  }

  expect(word: string): void {
    if (!this.keyword(word)) throw this.unexpected();
    this.at += word.length;
  }

  command(): Command {
    if (this.over) throw this.unexpected();
    NOT_HERE.lastIndex = this.at;
    const no = NOT_HERE.exec(this.text)?.[1];
    if (no !== undefined) throw new BadSyntax(`\`${no}' is not supported by this small shell`);
    const compound = this.#compound();
    if (compound) {
      for (this.blank(); this.redirect(compound.redirects); this.blank());
      return compound;
    }
    KEYWORDS.lastIndex = this.at;
    if (KEYWORDS.test(this.text) || this.keyword('}')) throw this.unexpected();
    return this.simple();
  }

  #compound(): Compound | undefined {
    const redirects: Redirect[] = [];
    const expression = this.see('((') ? this.arithmetic(this.at) : undefined;
    if (expression !== undefined) return { kind: 'arithmetic', word: this.copy(expression).inside(), redirects };
    if (this.see('(')) {
      this.at += 1;
      const body = this.body((parser) => parser.see(')'));
      this.at += 1;
      return { kind: 'subshell', body, redirects };
    }
    if (this.keyword('{')) {
      this.at += 1;
      const body = this.body((parser) => parser.keyword('}'));
      this.at += 1;
      return { kind: 'group', body, redirects };
    }
    if (this.keyword('[[')) {
      this.at += 2;
      const condition = this.#either();
      this.expect(']]');
      return { kind: 'condition', condition, redirects };
    }
    if (this.keyword('for')) return { ...this.#for(), redirects };
    if (this.keyword('while') || this.keyword('until')) {
      const until = this.keyword('until');
      this.at += 5;
      const test = this.body((parser) => parser.keyword('do'));
      return { kind: 'while', until, test, body: this.#doDone(), redirects };
    }
    if (this.keyword('if')) return { ...this.#if(), redirects };
    return undefined;
  }

  /** What stands in something that has an end; there has to be something. */
  body(ends: Ends): List {
    const list = this.list(ends);
    if (this.over || list.length === 0) throw this.unexpected();
    return list;
  }

  #doDone(): List {
    this.newlines();
    this.expect('do');
    const body = this.body((parser) => parser.keyword('done'));
    this.expect('done');
    return body;
  }

  #for() {
    this.expect('for');
    this.blank();
    if (this.see('((')) return this.#count();
    const name = this.take(/[A-Za-z_][A-Za-z0-9_]*/y);
    if (name === undefined) throw this.unexpected();
    this.newlines();
    const words: Word[] = [];
    this.expect('in');
    for (this.blank(); this.atWord(); this.blank()) words.push(this.word());
    if (this.see(';')) this.at += 1;
    else if (!this.see('\n')) throw this.unexpected();
    return { kind: 'for', name, words, body: this.#doDone() } as const;
  }

  #either(): Condition {
    const left = this.#both();
    if (!this.see('||')) return left;
    this.at += 2;
    return { kind: 'either', left, right: this.#either() };
  }

  #both(): Condition {
    const left = this.#not();
    if (!this.see('&&')) return left;
    this.at += 2;
    return { kind: 'both', left, right: this.#both() };
  }

  #not(): Condition {
    this.newlines();
    if (this.keyword('!')) {
      this.at += 1;
      return { kind: 'not', of: this.#not() };
    }
    if (!this.see('(')) return this.#is();
    this.at += 1;
    const inner = this.#either();
    if (!this.see(')')) throw this.unexpected();
    this.at += 1;
    this.newlines();
    return inner;
  }

  #is(): Condition {
    const side = (expression = false): Word => {
      this.blank();
      if (!(this.atWord() || (expression && this.see('('))) || this.keyword(']]')) throw this.unexpected();
      const word = this.word(expression);
      this.newlines();
      return word;
    };
    const one = this.take(/-[A-Za-z](?=\s)/y);
    if (one !== undefined && !/[nzv]/.test(one)) throw new BadSyntax(`[[ ${one} … ]] is not supported here: there are -n -z -v, and no files`);
    if (one !== undefined) return { kind: 'is', operator: one as Operator, left: side(), right: [] };
    const left = side();
    const operator = this.take(OPERATOR) as Operator | undefined;
    if (operator === undefined) return { kind: 'is', operator: '-n', left, right: [] };
    return { kind: 'is', operator, left, right: side(operator === '=~') };
  }

  #count() {
    const parts = this.arithmetic(this.at)?.split(';') ?? [];
    if (parts.length !== 3) throw new BadSyntax('syntax error: for ((…)) wants three parts, as in for ((i = 0; i < 3; i++))');
    const [start, test, step] = parts.map((part) => this.copy(part.trim()).inside()) as [Word, Word, Word];
    this.blank();
    if (this.see(';')) this.at += 1;
    return { kind: 'count', start, test, step, body: this.#doDone() } as const;
  }

  #if() {
    const branches: { test: List; body: List }[] = [];
    let otherwise: List | undefined;
    const ends: Ends = (parser) => parser.keyword('elif') || parser.keyword('else') || parser.keyword('fi');
    this.expect('if');
    for (;;) {
      const test = this.body((parser) => parser.keyword('then'));
      this.expect('then');
      branches.push({ test, body: this.body(ends) });
      if (!this.keyword('elif')) break;
      this.at += 4;
    }
    if (this.keyword('else')) {
      this.at += 4;
      otherwise = this.body((parser) => parser.keyword('fi'));
    }
    this.expect('fi');
    return { kind: 'if', branches, ...(otherwise ? { otherwise } : {}) } as const;
  }

  simple(): Simple {
    const simple: Simple = { kind: 'simple', assignments: [], words: [], redirects: [] };
    for (;;) {
      this.blank();
      if (this.redirect(simple.redirects)) continue;
      if (!this.atWord()) break;
      const name = simple.words.length === 0 ? this.take(ASSIGNMENT) : undefined;
      const word = this.word();
      if (name !== undefined) simple.assignments.push({ name: name.slice(0, -1), word });
      else simple.words.push(word);
    }
    if (simple.words.length + simple.assignments.length + simple.redirects.length === 0) throw this.unexpected();
    if (this.see('(')) {
      throw simple.words.length === 1 ? new BadSyntax('functions are not supported by this small shell') : this.unexpected();
    }
    return simple;
  }

  /** Takes a redirection, where there is one. */
  redirect(into: Redirect[]): boolean {
    REDIRECT.lastIndex = this.at;
    const found = REDIRECT.exec(this.text);
    if (!found) return false;
    const [all, digit = '', operator = '&>'] = found;
    this.at += all.length;
    if (this.see('(')) throw new BadSyntax(`${operator}(…) is not supported by this small shell`);
    this.blank();
    if (!this.atWord()) throw this.unexpected();
    const fd = digit === '' ? (operator.startsWith('<') ? 0 : 1) : Number(digit);
    const from = this.at;
    const target = this.word();
    if (operator === '<<<') into.push({ kind: 'here', fd, content: [...target, { kind: 'text', text: '\n', quoted: true }] });
    else if (operator.startsWith('<<')) into.push(this.#here(fd, target, operator === '<<-'));
    else if (operator === '<') into.push({ kind: 'from', fd, target });
    else if (operator.endsWith('&')) into.push({ kind: 'copy', fd, of: this.#descriptor(this.text.slice(from, this.at)) });
    else into.push({ kind: 'to', fd, target });
    if (operator === '&>') into.push({ kind: 'copy', fd: 2, of: 1 });
    return true;
  }

  #descriptor(text: string): number {
    if (/^[12]$/.test(text)) return Number(text);
    throw new BadSyntax(`>&${text} is not supported here: 2>&1 and >&2 are`);
  }

  #here(fd: number, target: Word, tabs: boolean): Redirect {
    const redirect: Redirect & { kind: 'here' } = { kind: 'here', fd, content: [] };
    const end = target.map((part) => (part.kind === 'text' ? part.text : '')).join('');
    this.#waiting.push({ redirect, end, quoted: target.some((part) => part.quoted), tabs });
    return redirect;
  }
}

/** Whether this is the beginning of something that goes on in the next line. */
export function incomplete(text: string): boolean {
  const parser = new Parser(text);
  try {
    while (parser.line());
    return /(^|[^\\])(\\\\)*\\$/.test(text);
  } catch (why) {
    return why instanceof BadSyntax && why.incomplete;
  }
}
