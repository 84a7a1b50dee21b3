// curl's URLs: several in one (`[1-5]`, `{a,b}`), and what of them the broker is asked.
import { ORIGIN } from '../../broker/fetch.js';
import { CurlError } from './options.js';

const MOST = 100_000;

function bad(what: string, url: string, at: number): CurlError {
  return new CurlError(3, `${what} in URL position ${at + 1}:\n${url}\n${' '.repeat(at)}^`);
}

function range(text: string): string[] | undefined {
  const found = /^(?:(\d+)-(\d+)|([a-z])-([a-z])|([A-Z])-([A-Z]))(?::(\d+))?$/.exec(text);
  if (!found) return undefined;
  const step = Number(found[7] ?? 1);
  const letters = found[1] === undefined;
  const [from = '', to = ''] = [found[1] ?? found[3] ?? found[5], found[2] ?? found[4] ?? found[6]];
  const [first, last] = letters ? [from.charCodeAt(0), to.charCodeAt(0)] : [Number(from), Number(to)];
  if (step === 0 || last < first || (last - first) / step > MOST) return undefined;
  const all: string[] = [];
  for (let n = first; n <= last; n += step) all.push(letters ? String.fromCharCode(n) : String(n).padStart(/^0/.test(from) ? from.length : 0, '0'));
  return all;
}

/** All the URLs that one stands for. */
export function globbed(url: string): string[] {
  let all = [''];
  const times = (choices: string[]) => {
    if (all.length * choices.length > MOST) throw new CurlError(3, `${url} stands for more than ${MOST} URLs`);
    all = all.flatMap((head) => choices.map((choice) => head + choice));
  };
  for (let at = 0; at < url.length; ) {
    const c = url[at]!;
    if (c === '{') {
      const close = url.indexOf('}', at);
      if (close < 0) throw bad('unmatched brace', url, at);
      times(url.slice(at + 1, close).split(','));
      at = close + 1;
    } else if (c === '[' && !/^\[[0-9a-fA-F:.]*:[0-9a-fA-F:.]*\](?![^:/?#])/.test(url.slice(at))) {
      const close = url.indexOf(']', at);
      const choices = close < 0 ? undefined : range(url.slice(at + 1, close));
      if (!choices) throw bad('bad range', url, at);
      times(choices);
      at = close + 1;
    } else if (c === '\\' && /[[\]{}]/.test(url[at + 1] ?? '')) {
      times([url[at + 1]!]);
      at += 2;
    } else if (c === '}' || (c === ']' && !/\[[0-9a-fA-F:.]*$/.test(url.slice(0, at)))) {
      throw bad(`unmatched close ${c === '}' ? 'brace' : 'bracket'}`, url, at);
    } else {
      times([c]);
      at += 1;
    }
  }
  return all;
}

export interface Target {
  host: string;
  port: string;
  /** `user:password`, where the URL has it. */
  user?: string;
  /** Path and query, as the broker is asked. */
  path: string;
  url: string;
}

/**
 * Whatever the host is, it is this broker: ports of other hosts, of nsqd and nsqlookupd, are all its. `base` is where the
 * broker really is: a host that needs no port, and maybe a path that it knows nothing of.
 */
export function targetOf(text: string, base = ORIGIN): Target {
  const own = new URL(base);
  const [, scheme = 'http', rest = ''] = /^(?:([A-Za-z][A-Za-z0-9+.-]*):\/\/)?([^]*)$/.exec(text)!;
  if (!/^https?$/i.test(scheme)) throw new CurlError(1, `Protocol "${scheme}" not supported: here it is http`);
  const [, authority = '', after = ''] = /^([^/?#]*)([^]*)$/.exec(rest)!;
  const [, user, host = '', port] = /^(?:([^@]*)@)?(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(authority) ?? [];
  if (host === '' || /[\u0000-\u0020\u007f]/.test(text)) {
    throw new CurlError(3, 'URL rejected: Malformed input to a URL function; is it in quotes, and %20 for a blank?');
  }
  const local = /^(localhost|127(\.\d+){3}|\[::1\]|0\.0\.0\.0)$/i.test(host);
  if (port === undefined && !local && host !== own.hostname) {
    throw new CurlError(6, `Could not resolve host: ${host}; there is no network here, only the broker at localhost:4151`);
  }
  if (port !== undefined && !(Number(port) <= 65_535)) throw new CurlError(3, `URL rejected: Port number was not a decimal number between 0 and 65535`);
  const [query] = after.split('#');
  const whole = query === '' || query === undefined ? '/' : query.startsWith('?') ? `/${query}` : query;
  const before = host === own.hostname ? own.pathname.replace(/\/$/, '') : '';
  const path = before !== '' && whole.startsWith(`${before}/`) ? whole.slice(before.length) : whole;
  const target = { host, port: port || (scheme === 'https' ? '443' : '80'), path, url: `${scheme}://${authority}${whole}` };
  return user === undefined ? target : { ...target, user: user.includes(':') ? user : `${user}:` };
}
