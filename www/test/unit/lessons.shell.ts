// As much of a shell as the lessons' commands need: `curl` with `-d`, `-X`, `-i`, and `for i in {1..n}`.
import type { Fetch } from '../../src/broker/fetch.js';

/** Words of a command line: quotes are taken off. */
function words(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map((found) => found[1] ?? found[2] ?? found[3] ?? '');
}

async function one(line: string, fetch: Fetch): Promise<string> {
  const [program, ...args] = words(line);
  if (program !== 'curl') throw new Error(`what is this? ${line}`);
  const init: RequestInit = {};
  let url: URL | undefined;
  for (let at = 0; at < args.length; at += 1) {
    const arg = args[at]!;
    if (arg === '-d') Object.assign(init, { method: 'POST', body: args[(at += 1)] });
    else if (arg === '-X') init.method = args[(at += 1)]!;
    else if (arg.startsWith('localhost:4151/')) url = new URL(`http://${arg}`);
    else if (arg !== '-i') throw new Error(`what is this? ${arg}`);
  }
  if (url === undefined) throw new Error(`no URL in ${line}`);
  const response = await fetch(url.pathname + url.search, init);
  const body = await response.text();
  if (!response.ok) throw new Error(`${line}: ${response.status} ${body}`);
  // A parameter that the broker does not know is a mistake in the lesson.
  const ignored = response.headers.get('shelf-ignored');
  if (ignored !== null) throw new Error(`${line}: ignored ${ignored}`);
  return body;
}

export async function shell(line: string, fetch: Fetch): Promise<string> {
  const loop = /^for i in \{(\d+)\.\.(\d+)\}; do (.*); done$/.exec(line);
  if (!loop) return one(line, fetch);
  let said = '';
  for (let i = Number(loop[1]); i <= Number(loop[2]); i += 1) said += await one(loop[3]!.replaceAll('$i', String(i)), fetch);
  return said;
}
