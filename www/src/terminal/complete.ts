// What can stand at a place of a command line: commands, curl's options, and the API, as the broker itself describes it.
import { receipts } from '../broker/receipts.js';
import { curlOptions } from './curl/options.js';
import { commandNames, type Host } from './run.js';

export interface Completion {
  /** What is replaced. */
  from: number;
  to: number;
  /** What may take its place; the first part of it is what is there. */
  choices: string[];
  /** What all of them begin with. */
  start: string;
  /** How much of each choice was there before what is chosen: it need not be shown. */
  shown: number;
}

const MOST = 100;
const METHODS = ['DELETE', 'GET', 'HEAD', 'POST', 'PUT'];
const HEADERS = [
  'Accept: application/json', 'Accept: text/event-stream', 'Authorization: Bearer ', 'Content-Type: application/json',
  'Content-Type: application/x-ndjson', 'Idempotency-Key: ', 'Shelf-Meta-',
];
const WRITE_OUT = ['%{http_code}\\n', '%{size_download}\\n', '%{time_total}\\n', '%{content_type}\\n'];
const VALUES: Record<string, readonly string[]> = {
  '-X': METHODS, '--request': METHODS, '-H': HEADERS, '--header': HEADERS, '-o': ['/dev/null'], '--output': ['/dev/null'],
  '-w': WRITE_OUT, '--write-out': WRITE_OUT,
};
/** After these, what follows is free text. */
const FREE = /^(-[a-zA-Z]*[dmAue]|--(data.*|json|max-time|user.*|oauth2-bearer|referer))$/;
const OPENS = new Set(['do', 'then', 'else', 'elif', 'if', 'while', 'until', '!', '{', 'time', 'xargs']);

export interface Place {
  /** The words of this command before the one that is being written. */
  before: string[];
  /** Where that one begins, with its quote, and what is written of it. */
  from: number;
  quote: '' | "'" | '"';
  word: string;
  /** Its quotes are closed: it is as it should be. */
  closed: boolean;
}

/** Where in a script the end of the text is. */
export function placeOf(text: string): Place {
  let before: string[] = [];
  let from = 0;
  let word = '';
  let quote: Place['quote'] = '';
  let begun = false;
  const start = (at: number) => {
    if (!begun) from = at;
    begun = true;
  };
  const end = () => {
    if (begun) before = OPENS.has(word) && before.length === 0 ? [] : [...before, word];
    [word, begun] = ['', false];
  };
  let inside: Place['quote'] = '';
  for (let at = 0; at < text.length; at += 1) {
    const c = text[at]!;
    if (inside !== '') {
      if (c === inside) inside = '';
      else if (inside === '"' && c === '$' && text[at + 1] === '(') [before, word, begun, inside, at] = [[], '', false, '', at + 1];
      else word += c;
    } else if (c === "'" || c === '"') {
      start(at);
      inside = quote = c;
    } else if (c === '\\') {
      start(at);
      at += 1;
      if (text[at] !== '\n') word += text[at] ?? '';
    } else if (/[\s;|&()]/.test(c)) {
      end();
      quote = '';
      if (/[\n;|&()]/.test(c)) before = [];
    } else {
      if (!begun) quote = '';
      start(at);
      word += c;
    }
  }
  if (!begun) return { before, from: text.length, quote: '', word: '', closed: false };
  return { before, from, quote: inside, word, closed: inside === '' && quote !== '' };
}

interface Parameter {
  name: string;
  in: string;
  schema?: { enum?: string[]; type?: string; default?: unknown; items?: { enum?: string[] } };
}
/** The parameters of each path. */
type Api = Map<string, Parameter[]>;

export class Completer {
  #api: Promise<Api> | undefined;

  constructor(readonly host: Host) {}

  /** What can stand at the end of the text; undefined where nothing is known. */
  async at(text: string): Promise<Completion | undefined> {
    const place = placeOf(text);
    const choices = place.closed ? [] : await this.#choices(place);
    const fitting = [...new Set(choices)].filter((choice) => choice.startsWith(place.word) && choice !== place.word).slice(0, MOST);
    if (fitting.length === 0) return undefined;
    // What has a letter of the shell's in it needs quotes; those that are open stay open.
    const quote = place.quote || (fitting.some((choice) => /[\s&?#$;|<>{}*%]/.test(choice.trimEnd())) ? "'" : '');
    const escaped = fitting.map((choice) => quote + (quote === "'" ? choice.replaceAll("'", "'\\''") : choice));
    const shown = quote.length + Math.max(...['/', '?', '&', '='].map((mark) => place.word.lastIndexOf(mark) + 1));
    return { from: place.from, to: text.length, choices: escaped, start: common(escaped), shown };
  }

  async #choices({ before, word }: Place): Promise<string[]> {
    const [command] = before;
    if (command === undefined) return [...commandNames, 'for', 'while', 'if'].map((name) => `${name} `);
    if (command !== 'curl') return [];
    const last = before.at(-1)!;
    const values = VALUES[last];
    if (values) return [...values];
    if (before.length > 1 && FREE.test(last)) return [];
    if (word.startsWith('-')) return curlOptions.map((option) => `${option} `);
    return this.#url(word);
  }

  async #url(word: string): Promise<string[]> {
    const [, base] = /^((?:https?:\/\/)?[^/?]+)[/?]/.exec(word) ?? [];
    if (base === undefined) return ['localhost:4151/', 'http://localhost:4151/', 'http://127.0.0.1:4151/'];
    const api = await (this.#api ??= this.#described());
    const path = word.slice(base.length).split('?')[0]!;
    const query = word.indexOf('?');
    if (query < 0) {
      const mark = (parameters: Parameter[]) => (parameters.some((one) => one.in === 'query') ? '?' : '');
      return [...api].map(([path, parameters]) => base + path.replace(/\{.*/, '') + mark(parameters));
    }
    const start = Math.max(query, word.lastIndexOf('&')) + 1;
    const given = new URLSearchParams(word.slice(query + 1, start));
    const [name, value] = word.slice(start).split('=');
    const head = word.slice(0, start);
    const parameters = (api.get(path) ?? []).filter((one) => one.in === 'query');
    if (value === undefined) return parameters.filter((one) => !given.has(one.name)).map((one) => `${head}${one.name}=`);
    const values = await this.#values(name!, given, parameters.find((one) => one.name === name));
    return values.map((value) => `${head}${name}=${value}`);
  }

  async #values(name: string, given: URLSearchParams, parameter: Parameter | undefined): Promise<string[]> {
    const names = async (at: string, key: string): Promise<string[]> => {
      const response = await this.host.fetch(at);
      const told = response.ok ? ((await response.json()) as Record<string, string[]>) : {};
      return (told[key] ?? []).map((one) => one.replace('#', '%23'));
    };
    if (name === 'topic' || name === 'dead_letter') return names('/topics', 'topics');
    if (name === 'channel') return names(`/channels?${new URLSearchParams({ topic: given.get('topic') ?? '' })}`, 'channels');
    if (name === 'receipt' || name === 'fin') {
      const last = receipts.value[`${given.get('topic')}/${given.get('channel')}`];
      return last === undefined ? [] : [last];
    }
    const schema = parameter?.schema;
    if (schema?.enum ?? schema?.items?.enum) return [...(schema?.enum ?? schema!.items!.enum!)];
    return schema?.type === 'boolean' ? ['true', 'false'] : [];
  }

  async #described(): Promise<Api> {
    const response = await this.host.fetch('/openapi.json');
    if (!response.ok) {
      this.#api = undefined;
      return new Map();
    }
    const { paths } = (await response.json()) as { paths: Record<string, Record<string, { parameters?: Parameter[] }>> };
    return new Map(Object.entries(paths).map(([path, methods]) => [path, Object.values(methods)[0]?.parameters ?? []]));
  }
}

/** What all choices have in common, from their beginning. */
function common(choices: readonly string[]): string {
  let [start = ''] = choices;
  for (const choice of choices) while (!choice.startsWith(start)) start = start.slice(0, -1);
  return start;
}
