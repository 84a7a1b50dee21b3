// An answer's head, as HTTP/1.1 writes it.
import { fromHeader } from '../../broker/headers.js';

const REASONS: Record<number, string> = {
  200: 'OK', 201: 'Created', 202: 'Accepted', 204: 'No Content', 206: 'Partial Content', 301: 'Moved Permanently', 302: 'Found',
  304: 'Not Modified', 400: 'Bad Request', 401: 'Unauthorized', 403: 'Forbidden', 404: 'Not Found', 405: 'Method Not Allowed',
  406: 'Not Acceptable', 408: 'Request Timeout', 409: 'Conflict', 410: 'Gone', 411: 'Length Required', 412: 'Precondition Failed',
  413: 'Payload Too Large', 414: 'URI Too Long', 415: 'Unsupported Media Type', 422: 'Unprocessable Entity', 429: 'Too Many Requests',
  431: 'Request Header Fields Too Large', 500: 'Internal Server Error', 501: 'Not Implemented', 502: 'Bad Gateway',
  503: 'Service Unavailable', 504: 'Gateway Timeout', 507: 'Insufficient Storage',
};

export function statusLine(response: Response): string {
  return `HTTP/1.1 ${response.status} ${response.statusText || (REASONS[response.status] ?? '')}`.trimEnd();
}

/** A page is told headers by the alphabet; this is the order in which a server sends them. */
const ORDER = [
  'content-type', 'x-nsq-content-type', 'cache-control', 'allow', 'retry-after', 'shelf-id', 'shelf-receipt', 'shelf-attempts',
  'shelf-timestamp', 'shelf-key', 'shelf-count', 'shelf-duplicate', 'shelf-log', 'shelf-next', '', 'shelf-ignored', 'content-length', 'date',
];
const OTHERS = ORDER.indexOf('');

export function headerList(response: Response): string[] {
  const place = (name: string) => (ORDER.includes(name) ? ORDER.indexOf(name) : OTHERS);
  return [...response.headers].sort(([a], [b]) => place(a) - place(b)).map(([name, value]) => `${name}: ${fromHeader(value)}`);
}
