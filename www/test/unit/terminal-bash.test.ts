// The terminal's shell and curl beside the real ones: the same scripts, the same output.
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';

import { incomplete } from '../../src/terminal/run.js';
import { run } from './terminal-broker.js';

vi.setConfig({ testTimeout: 30_000 });

const has = (program: string) => spawnSync(program, ['--version']).status === 0;
const like = (name: string) => readFileSync(new URL(name, import.meta.url), 'utf8');

/** A file's scripts. */
function scripts(file: string): string[] {
  const all: string[] = [];
  let script = '';
  for (const line of like(file).split('\n')) {
    script += (script === '' ? '' : '\n') + line;
    if (incomplete(script)) continue;
    if (!/^(#.*)?$/.test(script)) all.push(script);
    script = '';
  }
  expect(script).toBe('');
  return all;
}

/** Answers what it was asked, with the status that the path says. */
async function mirror(request: Request): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  const told = ['accept', 'content-type', 'x-one', 'authorization'].map((name) => `${name}=${request.headers.get(name)}`);
  const body = Buffer.from(await request.arrayBuffer()).toString('latin1');
  const status = Number(/\/status\/(\d+)/.exec(pathname)?.[1] ?? 200);
  const text = status === 204 ? null : `${request.method} ${pathname}${search} ${told.join(' ')} ${JSON.stringify(body)}\n`;
  return new Response(text, { status, headers: { 'content-type': 'text/plain', 'shelf-id': '1' } });
}

const here = {
  now: () => Date.now(),
  fetch: (at: string, init?: RequestInit) => mirror(new Request(`http://localhost:4151${at}`, init)),
};

const server = createServer(async (asked, answer) => {
  const chunks: Buffer[] = [];
  for await (const chunk of asked) chunks.push(chunk as Buffer);
  const { method = 'GET', url, headers } = asked;
  const given = Object.entries(headers).flatMap(([name, value]): [string, string][] => (typeof value === 'string' ? [[name, value]] : []));
  const body = ['GET', 'HEAD'].includes(method) ? {} : { body: Buffer.concat(chunks) };
  const response = await mirror(new Request(`http://localhost:4151${url}`, { method, headers: given, ...body }));
  answer.sendDate = false;
  const told = Buffer.from(await response.arrayBuffer());
  answer.writeHead(response.status, { 'content-type': 'text/plain', 'shelf-id': '1', connection: 'close' });
  answer.end(method === 'HEAD' ? undefined : told);
});
beforeAll(() => new Promise<void>((done) => server.listen(0, '127.0.0.1', done)));
afterAll(() => server.close());

interface Ran {
  out: string;
  err: string;
  status: number | null;
}

function bash(script: string): Promise<Ran> {
  const child = spawn('bash', ['-c', script], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, LC_ALL: 'C.UTF-8' } });
  const ran: Ran = { out: '', err: '', status: null };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (ran.out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (ran.err += text));
  return new Promise((done) => child.on('close', (status) => done({ ...ran, status })));
}

const [hasBash, hasJq] = [has('bash'), has('jq')];
for (const script of scripts('terminal-scripts.sh')) {
  test.skipIf(!hasBash || (!hasJq && /\bjq\b/.test(script)))(`as in bash: ${script}`, async () => {
    expect(await run(here, script)).toEqual(await bash(script));
  });
}

test.runIf(hasBash && has('curl')).each(scripts('terminal-curls.sh'))('as by curl: %s', async (script) => {
  const { port } = server.address() as AddressInfo;
  const real = await bash(script.replaceAll('localhost:4151', `localhost:${port}`));
  const plain = ({ out, status }: Ran) => ({
    out: out.replaceAll(`localhost:${port}`, 'localhost:4151').replace(/^(connection|transfer-encoding|keep-alive): .*\r\n/gim, ''),
    status,
  });
  expect(plain(await run(here, script))).toEqual(plain(real));
});
