// curl's command line.
import { binary } from '../../broker/headers.js';
import { type Input, decode, encode, joined, type Bytes } from '../shell/stream.js';

export interface Transfer {
  urls: string[];
  method?: string;
  /** `-G`: the data go into the URL. */
  get: boolean;
  /** `-I`. */
  head: boolean;
  include: boolean;
  data?: Bytes;
  headers: [string, string | undefined][];
  silent: boolean;
  showError: boolean;
  /** `-f`: an answer of 400 and above is an error; with its body or without. */
  fail?: 'quiet' | 'with-body';
  /** Where each body goes, in the order of the URLs; undefined: to the terminal. */
  outputs: ('null' | 'stdout')[];
  writeOut?: string;
  verbose: boolean;
  /** Milliseconds. */
  maxTime?: number;
  glob: boolean;
}

/** A mistake with curl's own status. */
export class CurlError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** The command line is wrong: curl says so without a number. */
export class Usage extends CurlError {}

/** Long names; a letter where there is one, `:` where a value follows. */
const LONG: Record<string, string> = {
  request: 'X:', data: 'd:', 'data-ascii': 'd:', 'data-raw': ':', 'data-binary': ':', 'data-urlencode': ':', json: ':',
  header: 'H:', get: 'G', silent: 's', 'show-error': 'S', fail: 'f', 'fail-with-body': '', include: 'i', 'show-headers': 'i',
  head: 'I', 'no-buffer': 'N', output: 'o:', 'write-out': 'w:', verbose: 'v', 'max-time': 'm:', url: ':', globoff: 'g',
  'user-agent': 'A:', user: 'u:', 'oauth2-bearer': ':', referer: 'e:', 'url-query': ':',
};

/** These change nothing here. */
const IGNORED: Record<string, string> = {
  insecure: 'k', location: 'L', 'no-progress-meter': '', 'progress-bar': '#', ipv4: '4', ipv6: '6', 'http1.0': '0', 'http1.1': '',
  http2: '', compressed: '', 'connect-timeout': ':', retry: ':', 'retry-delay': ':', 'retry-all-errors': '', 'retry-connrefused': '',
  'no-keepalive': '', 'tcp-nodelay': '', 'path-as-is': '', disable: 'q', parallel: 'Z', 'keepalive-time': ':', noproxy: ':', basic: '',
};

const HERE = Object.keys(LONG).map((name) => `--${name}`).sort();
const ALL = { ...LONG, ...IGNORED };
const LETTERS = new Map(Object.entries(ALL).flatMap(([name, is]) => (/^[^:]/.test(is) ? [[is[0]!, name] as const] : [])));
LETTERS.set('d', 'data');

/** All options that curl takes here, for completion. */
export const curlOptions: readonly string[] = HERE;

const hasValue = (name: string) => ALL[name]!.endsWith(':');

/** Options that curl has, but that mean nothing without files, cookies, proxies. */
const NOT_HERE = new Set(
  `form form-string upload-file remote-name remote-header-name cookie cookie-jar config proxy cacert cert key next dump-header
   trace trace-ascii limit-rate range output-dir resolve netrc`.split(/\s+/),
);
const NOT_HERE_LETTERS: Record<string, string> = {
  F: 'form', T: 'upload-file', O: 'remote-name', J: 'remote-header-name', b: 'cookie', c: 'cookie-jar', K: 'config', x: 'proxy',
  ':': 'next', D: 'dump-header', r: 'range',
};

function unknown(option: string, name: string): Usage {
  if (NOT_HERE.has(name)) return new Usage(2, `option ${option}: curl has it, but this terminal does not; here it takes ${HERE.join(' ')}`);
  return new Usage(2, `option ${option}: is unknown; here it takes ${HERE.join(' ')}`);
}

/** The options one after another, with their values; what is no option is a URL. */
export function* read(args: readonly string[]): Generator<[string, string]> {
  for (let at = 0; at < args.length; at += 1) {
    const arg = args[at]!;
    const value = (option: string): string => {
      at += 1;
      if (at >= args.length) throw new Usage(2, `option ${option}: requires parameter`);
      return args[at]!;
    };
    if (arg === '--') {
      for (const url of args.slice(at + 1)) yield ['url', url];
      return;
    }
    if (arg.startsWith('--')) {
      const name = arg.slice(2);
      if (!Object.hasOwn(ALL, name)) throw unknown(arg, name);
      yield [name, hasValue(name) ? value(arg) : ''];
    } else if (arg.startsWith('-') && arg !== '-') {
      for (let letters = arg.slice(1); letters !== ''; ) {
        const letter = letters[0]!;
        const name = LETTERS.get(letter);
        if (name === undefined) throw unknown(`-${letter}`, NOT_HERE_LETTERS[letter] ?? '');
        letters = letters.slice(1);
        if (!hasValue(name)) yield [name, ''];
        else {
          yield [name, letters === '' ? value(`-${letter}`) : letters];
          break;
        }
      }
    } else {
      yield ['url', arg];
    }
  }
}

const UNRESERVED = /[^A-Za-z0-9\-._~]/;

/** Every byte that is not plain, as `%2F`; a blank as `+`, as curl has it. */
function escaped(bytes: Bytes): string {
  let text = '';
  for (const byte of bytes) {
    const c = String.fromCharCode(byte);
    if (c === ' ') text += '+';
    else text += byte > 127 || UNRESERVED.test(c) ? `%${byte.toString(16).toUpperCase().padStart(2, '0')}` : c;
  }
  return text;
}

/** What `@` leads to: only what is piped in, there are no files. */
async function fileOf(name: string, input: Input): Promise<Bytes> {
  if (name !== '-') throw new CurlError(26, `@${name}: there are no files here; @- takes what is piped in`);
  return input.all();
}

async function dataOf(kind: string, text: string, input: Input): Promise<Bytes> {
  if (kind === 'data-raw') return encode(text);
  if (kind === 'data-urlencode' || kind === 'url-query') {
    const [, name, sign, content] = /^([^=@]*)([=@]?)([^]*)$/.exec(text)!;
    const bytes = sign === '@' ? await fileOf(content!, input) : encode(sign === '' ? name! : content!);
    const before = sign === '' || name === '' ? '' : `${name}=`;
    return encode(before + escaped(bytes));
  }
  if (!text.startsWith('@')) return encode(text);
  const bytes = await fileOf(text.slice(1), input);
  // As curl has it: what `-d` reads loses its line ends.
  return kind === 'data' || kind === 'data-ascii' ? bytes.filter((byte) => byte !== 10 && byte !== 13 && byte !== 0) : bytes;
}

/** A length of time in seconds, as `1.5`. */
function secondsOf(text: string): number {
  if (!/^\d+(\.\d+)?$/.test(text)) throw new Usage(2, `option -m: expected a proper numerical parameter`);
  return Number(text) * 1_000;
}

export function credentials(text: string): string {
  return `Basic ${btoa(binary(encode(text)))}`;
}

export async function transferOf(args: readonly string[], input: Input): Promise<Transfer> {
  const transfer: Transfer = {
    urls: [], get: false, head: false, include: false, headers: [], silent: false, showError: false, outputs: [], verbose: false, glob: true,
  };
  const data: Bytes[] = [];
  const query: string[] = [];
  const set = (name: string, value: string | undefined) => {
    if (!transfer.headers.some(([given]) => given.toLowerCase() === name)) transfer.headers.push([name, value]);
  };
  let json = false;
  for (const [name, value] of read(args)) {
    switch (name) {
      case 'url': transfer.urls.push(value); break;
      case 'request': transfer.method = value; break;
      case 'get': transfer.get = true; break;
      case 'head': transfer.head = true; break;
      case 'include': case 'show-headers': transfer.include = true; break;
      case 'silent': transfer.silent = true; break;
      case 'show-error': transfer.showError = true; break;
      case 'fail': transfer.fail = 'quiet'; break;
      case 'fail-with-body': transfer.fail = 'with-body'; break;
      case 'verbose': transfer.verbose = true; break;
      case 'globoff': transfer.glob = false; break;
      case 'write-out': transfer.writeOut = value; break;
      case 'max-time': transfer.maxTime = secondsOf(value); break;
      case 'header': transfer.headers.push(headerOf(value)); break;
      case 'user-agent': set('user-agent', value); break;
      case 'referer': set('referer', value); break;
      case 'user': set('authorization', credentials(value)); break;
      case 'oauth2-bearer': set('authorization', `Bearer ${value}`); break;
      case 'url-query': query.push(decode(await dataOf(name, value, input))); break;
      case 'output':
        if (value !== '/dev/null' && value !== '-') throw new CurlError(23, `-o ${value}: there are no files here; there are -o /dev/null and -o -`);
        transfer.outputs.push(value === '-' ? 'stdout' : 'null');
        break;
      case 'json':
        json = true;
        data.push(await dataOf('data-binary', value, input));
        break;
      case 'data': case 'data-ascii': case 'data-raw': case 'data-binary': case 'data-urlencode': {
        const bytes = await dataOf(name, value, input);
        if (data.length > 0) data.push(encode('&'));
        data.push(bytes);
      }
    }
  }
  if (data.length > 0) transfer.data = joined(data);
  if (json) {
    set('content-type', 'application/json');
    set('accept', 'application/json');
  }
  if (transfer.get && transfer.data) {
    query.push(decode(transfer.data));
    delete transfer.data;
  }
  if (query.length > 0) transfer.urls = transfer.urls.map((url) => url + (url.includes('?') ? '&' : '?') + query.join('&'));
  if (transfer.data && transfer.head) throw new Usage(2, 'You can only select one HTTP request method! Either -d or -I.');
  return transfer;
}

/** `Name: value`; `Name;` is an empty one, `Name:` takes one of curl's own away. */
function headerOf(text: string): [string, string | undefined] {
  if (text.startsWith('@')) throw new CurlError(26, `-H ${text}: there are no files here`);
  const [, name = '', sign, value = ''] = /^([^:;]+)([:;])\s*([^]*)$/.exec(text) ?? [];
  if (sign === ';') return [name.trim(), ''];
  return [name.trim(), value === '' ? undefined : value.trim()];
}
