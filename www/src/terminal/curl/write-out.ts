// What `-w` writes.
import { fromHeader } from '../../broker/headers.js';
import type { Call } from '../shell/command.js';
import { encode } from '../shell/stream.js';
import { headerList } from './answer.js';

/** What became of a request. */
export interface Done {
  url: string;
  method: string;
  uploaded: number;
  downloaded: number;
  ms: number;
  status: number;
  error: string;
  response?: Response;
}

const VARIABLES: Record<string, (done: Done) => string> = {
  http_code: ({ response }) => String(response?.status ?? 0).padStart(3, '0'),
  response_code: ({ response }) => String(response?.status ?? 0).padStart(3, '0'),
  size_download: ({ downloaded }) => String(downloaded),
  size_upload: ({ uploaded }) => String(uploaded),
  size_header: ({ response }) => String(response ? encode(headerList(response).join('\r\n')).length : 0),
  num_headers: ({ response }) => String([...(response?.headers ?? [])].length),
  content_type: ({ response }) => response?.headers.get('content-type') ?? '',
  time_total: ({ ms }) => (ms / 1_000).toFixed(6),
  time_starttransfer: ({ ms }) => (ms / 1_000).toFixed(6),
  url_effective: ({ url }) => url,
  url: ({ url }) => url,
  method: ({ method }) => method,
  scheme: () => 'http',
  http_version: () => '1.1',
  exitcode: ({ status }) => String(status),
  errormsg: ({ error }) => error,
  num_redirects: () => '0',
  header_json: ({ response }) => JSON.stringify(Object.fromEntries([...(response?.headers ?? [])].map(([name, value]) => [name, [fromHeader(value)]])), null, 1),
};

const ESCAPES: Record<string, string> = { n: '\n', r: '\r', t: '\t' };

export async function writtenOut(format: string, done: Done, call: Call): Promise<void> {
  let out = call.out;
  for (const [piece, code, header, name] of format.matchAll(/\\([^])|%header\{([^}]*)\}|%\{([^}]*)\}|%%|[^\\%]+|[^]/g)) {
    if (piece === '%{stderr}') out = call.err;
    else if (piece === '%{stdout}') out = call.out;
    else if (code !== undefined) await out.write(ESCAPES[code] ?? piece);
    else if (header !== undefined) await out.write(fromHeader(done.response?.headers.get(header) ?? ''));
    else if (name !== undefined) {
      const variable = Object.hasOwn(VARIABLES, name) ? VARIABLES[name] : undefined;
      if (variable) await out.write(variable(done));
      else await call.err.write(`curl: unknown --write-out variable: '${name}'\n`);
    } else {
      await out.write(piece === '%%' ? '%' : piece);
    }
  }
}
