// curl, with one broker as its network.
import { reason } from '../../broker/fetch.js';
import { binary } from '../../broker/headers.js';
import { type Call, type Command, until } from '../shell/command.js';
import { BrokenPipe, type Output, encode, nowhere } from '../shell/stream.js';
import { headerList, statusLine } from './answer.js';
import { CurlError, type Transfer, Usage, credentials, curlOptions, transferOf } from './options.js';
import { type Target, globbed, targetOf } from './url.js';
import { type Done, writtenOut } from './write-out.js';

const AGENT = 'curl/8.5.0';

interface Request {
  method: string;
  headers: [string, string][];
}

/** What is sent: curl's own headers, unless they were given or taken away. */
function requestOf(transfer: Transfer, target: Target): Request {
  const method = transfer.method ?? (transfer.head ? 'HEAD' : transfer.data ? 'POST' : 'GET');
  const own: [string, string][] = [['User-Agent', AGENT], ['Accept', '*/*']];
  if (transfer.data) own.push(['Content-Type', 'application/x-www-form-urlencoded']);
  if (target.user !== undefined) own.push(['Authorization', credentials(target.user)]);
  const given = new Set(transfer.headers.map(([name]) => name.toLowerCase()));
  const kept = own.filter(([name]) => !given.has(name.toLowerCase()));
  return { method, headers: [...kept, ...transfer.headers.filter((header): header is [string, string] => header[1] !== undefined)] };
}

function toldRequest({ method, headers }: Request, target: Target, bytes: number): string {
  const lines = [`${method} ${target.path} HTTP/1.1`, `Host: ${target.host}:${target.port}`, ...headers.map(([name, value]) => `${name}: ${value}`)];
  if (bytes > 0) lines.push(`Content-Length: ${bytes}`);
  return `* Connected to ${target.host} port ${target.port}\n${lines.map((line) => `> ${line}\n`).join('')}>\n`;
}

/** Ends when curl is ended: by Ctrl-C, by nobody reading any more, by `-m`. */
class HangUp {
  readonly #abort = new AbortController();
  readonly #over = new AbortController();
  timedOut = false;

  constructor(call: Call, out: Output, maxTime: number | undefined) {
    const end = { signal: this.#over.signal };
    for (const signal of [call.signal, out.unread]) {
      if (signal?.aborted) this.#abort.abort();
      signal?.addEventListener('abort', () => this.#abort.abort(), end);
    }
    if (maxTime === undefined) return;
    until(call.host, call.host.now() + maxTime, this.#over.signal).then(
      () => {
        this.timedOut = true;
        this.#abort.abort();
      },
      () => {},
    );
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  over(): void {
    this.#over.abort(new BrokenPipe());
  }
}

async function one(call: Call, transfer: Transfer, target: Target, out: Output, done: Done): Promise<void> {
  const request = requestOf(transfer, target);
  const { method } = request;
  const body = transfer.data;
  done.method = method;
  done.uploaded = body?.length ?? 0;
  if (body && /^(GET|HEAD)$/i.test(method)) {
    throw new CurlError(2, `a ${method} with a body cannot be sent from a page; leave out -X ${method}, or put the data into the URL with -G`);
  }
  const hangUp = new HangUp(call, out, transfer.maxTime);
  const started = call.host.now();
  try {
    if (transfer.verbose) await call.err.write(toldRequest(request, target, done.uploaded));
    const headers = request.headers.map(([name, value]): [string, string] => [name, binary(encode(value))]);
    const init: RequestInit = { method, headers, signal: hangUp.signal, cache: 'no-store' };
    const response = await call.host.fetch(target.path, body ? { ...init, body } : init);
    done.response = response;
    const head = [statusLine(response), ...headerList(response)];
    if (transfer.verbose) await call.err.write(`${head.map((line) => `< ${line}\n`).join('')}<\n`);
    if (transfer.include || transfer.head) await out.write(`${head.join('\r\n')}\r\n\r\n`);
    if (response.status >= 400 && transfer.fail === 'quiet') {
      await response.body?.cancel();
      throw new CurlError(22, `The requested URL returned error: ${response.status}`);
    }
    for (const reader = transfer.head ? undefined : response.body?.getReader(); reader; ) {
      const { done: atEnd, value } = await reader.read();
      if (atEnd) break;
      done.downloaded += value.length;
      await out.write(value as Uint8Array<ArrayBuffer>);
    }
    if (response.status >= 400 && transfer.fail) throw new CurlError(22, `The requested URL returned error: ${response.status}`);
  } catch (why) {
    call.signal.throwIfAborted();
    if (hangUp.timedOut) {
      throw new CurlError(28, `Operation timed out after ${Math.round(call.host.now() - started)} milliseconds with ${done.downloaded} bytes received`);
    }
    if (why instanceof CurlError || why instanceof BrokenPipe) throw why;
    if (hangUp.signal.aborted) throw new BrokenPipe();
    throw new CurlError(7, `Failed to connect to ${target.host} port ${target.port}: ${reason(why)}`);
  } finally {
    hangUp.over();
    done.ms = call.host.now() - started;
  }
}

const HELP = `Usage: curl [options...] <url>
 -d, --data <data>          HTTP POST data; @- takes what is piped in
     --data-binary <data>   the same, as it is; --data-raw, --data-urlencode, --json
 -G, --get                  Put the data into the URL
 -H, --header <header>      A header of the request
 -X, --request <method>     The method
 -i, --include              Show the answer's headers
 -I, --head                 Show only headers
 -s, --silent; -S, --show-error; -f, --fail; -v, --verbose
 -o, --output <where>       /dev/null or -
 -w, --write-out <format>   Afterwards, as %{http_code}\\n
 -m, --max-time <seconds>   Hang up after so long, in the broker's time
 -N, --no-buffer            (it never buffers here)
Any host and port is the broker: localhost:4151. All options: ${curlOptions.join(' ')}
`;

export const curl: Command = async (call) => {
  const asks = (...options: string[]) => call.args.some((arg) => options.includes(arg));
  const told = asks('--help', '-h') ? HELP : asks('--version', '-V') ? `${AGENT.replace('/', ' ')} (a page's own) http\n` : undefined;
  if (told !== undefined) {
    await call.out.write(told);
    return 0;
  }
  let silent = false;
  try {
    const transfer = await transferOf(call.args, call.in);
    silent = transfer.silent && !transfer.showError;
    if (transfer.urls.length === 0) throw new Usage(2, '(2) no URL specified');
    return await all(call, transfer);
  } catch (why) {
    if (!(why instanceof CurlError)) throw why;
    await tell(call, why, silent);
    return why.status;
  }
};

async function tell(call: Call, why: CurlError, silent: boolean): Promise<void> {
  if (why instanceof Usage) await call.err.write(`curl: ${why.message}\ncurl: try 'curl --help' for more information\n`);
  else if (!silent) await call.err.write(`curl: (${why.status}) ${why.message}\n`);
}

/** One after another; the status is that of the last one. */
async function all(call: Call, transfer: Transfer): Promise<number> {
  const silent = transfer.silent && !transfer.showError;
  let status = 0;
  for (const [place, url] of transfer.urls.entries()) {
    const out = transfer.outputs[place] === 'null' ? nowhere : call.out;
    for (const text of transfer.glob ? globbed(url) : [url]) {
      const done: Done = { url: text, method: 'GET', uploaded: 0, downloaded: 0, ms: 0, status: 0, error: '' };
      try {
        const target = targetOf(text, call.host.base);
        done.url = target.url;
        await one(call, transfer, target, out, done);
        status = 0;
      } catch (why) {
        if (!(why instanceof CurlError)) throw why;
        status = done.status = why.status;
        done.error = why.message;
        await tell(call, why, silent);
      }
      if (transfer.writeOut !== undefined) await writtenOut(transfer.writeOut, done, call);
    }
  }
  return status;
}
