// The package in tiny real apps, each in a directory of its own that has it as a dependency.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { transpile, writeFiles } from '@bytecodealliance/jco-transpile';
import esbuild from 'esbuild';
import { Miniflare } from 'miniflare';
import { build } from 'vite';

import { launch, serveFiles } from './browser.mjs';

const PACKAGE = fileURLToPath(new URL('..', import.meta.url));
const home = await mkdtemp(join(tmpdir(), 'shelfmq-'));
after(() => rm(home, { recursive: true, force: true }));

/** An example in a directory of its own. */
async function app(name) {
  const path = join(home, name);
  await cp(join(PACKAGE, 'examples', name), path, { recursive: true });
  await mkdir(join(path, 'node_modules'));
  for (const file of ['package.json', 'js', 'pkg']) {
    await cp(join(PACKAGE, file), join(path, 'node_modules/shelfmq', file), { recursive: true });
  }
  return path;
}

test('Node: an ES module', async () => {
  const path = await app('node');
  await writeFile(join(path, 'package.json'), '{ "type": "module" }');
  for (let runs = 0; runs < 2; runs += 1) {
    assert.equal(execFileSync(process.execPath, ['main.js'], { cwd: path, encoding: 'utf8' }), 'The Dispossessed\n');
  }
});

test('a bundler: Vite', async () => {
  const path = await app('vite');
  await build({ root: path, logLevel: 'warn', build: { target: 'es2022' } });
  const files = await serveFiles(join(path, 'dist'));
  const browser = await launch();
  try {
    const page = await browser.newPage();
    const errors = [];
    page.on('pageerror', (error) => errors.push(String(error)));
    await page.goto(`${files.url}/index.html`);
    await page.waitForFunction(() => document.querySelector('#said').textContent !== '', undefined, { timeout: 10_000 });
    assert.equal(await page.textContent('#said'), 'The Dispossessed');
    assert.deepEqual(errors, []);
  } finally {
    await browser.close();
    files.close();
  }
});

test('the edge: a Durable Object in workerd, whose storage outlives it', async () => {
  const path = await app('edge');
  // As the edge's own tools do: one script, with the modules that it imports beside it.
  const modules = [];
  const wasm = {
    name: 'wasm',
    setup: (build) =>
      build.onResolve({ filter: /\.wasm$/ }, async ({ path: name, resolveDir, pluginData }) => {
        if (pluginData) return undefined;
        const found = await build.resolve(name, { resolveDir, kind: 'import-statement', pluginData: true });
        modules.push({ type: 'CompiledWasm', path: join(path, 'shelfmq.wasm'), contents: await readFile(found.path) });
        return { path: './shelfmq.wasm', external: true };
      }),
  };
  const outfile = join(path, 'bundle.js');
  const entry = { entryPoints: [join(path, 'worker.js')], bundle: true, format: 'esm', outfile, plugins: [wasm] };
  await esbuild.build({ ...entry, absWorkingDir: path, conditions: ['workerd', 'worker', 'browser'] });
  modules.unshift({ type: 'ESModule', path: outfile });
  const options = {
    modules,
    modulesRoot: path,
    compatibilityDate: '2026-07-01',
    durableObjects: { SHELF: 'Shelf' },
    durableObjectsPersist: join(path, 'objects'),
  };
  const publish = (edge, body) => edge.dispatchFetch('http://edge/pub?topic=books', { method: 'POST', body });
  const poll = (edge, wait) =>
    edge.dispatchFetch(`http://edge/sub?topic=books&channel=readers&wait=${wait}&ack=auto`).then((got) => got.text());
  let edge = new Miniflare(options);
  try {
    const waiting = poll(edge, '10s');
    assert.equal(await (await publish(edge, 'The Word')).text(), 'OK');
    assert.equal(await waiting, 'The Word');
    assert.equal(await (await publish(edge, 'for World')).text(), 'OK');
    await edge.dispose();
    edge = new Miniflare(options);
    assert.equal(await poll(edge, '1s'), 'for World');
  } finally {
    await edge.dispose();
  }
});

/** The component's file: `SHELFMQ_COMPONENT`, or what `build-component.sh` makes of the sources as they are. */
function component() {
  if (process.env.SHELFMQ_COMPONENT) return process.env.SHELFMQ_COMPONENT;
  execFileSync(join(PACKAGE, 'build-component.sh'), { stdio: ['ignore', 'ignore', 'inherit'] });
  return resolve(PACKAGE, '..', process.env.CARGO_TARGET_DIR ?? 'target', 'wasm/shelfmq.component.wasm');
}

test('the component in Node, by jco', async () => {
  const path = await app('jco');
  const outDir = join(path, 'component');
  const { files, imports } = await transpile(component(), { name: 'shelfmq.component', outDir });
  assert.deepEqual(imports, []);
  await writeFiles(files);
  await writeFile(join(path, 'package.json'), '{ "type": "module" }');
  const told = execFileSync(process.execPath, ['main.js'], { cwd: path, encoding: 'utf8' });
  const wanted = ['published: 200 OK', 'received: 200 The Dispossessed attempt 1', 'finished: 200 {"finished":1}'];
  assert.equal(told, [...wanted, 'nothing more: 204', ''].join('\n'));
});

test('the types are strict, and are what is there', async () => {
  const path = await app('types');
  const { exports } = JSON.parse(await readFile(join(PACKAGE, 'package.json'), 'utf8'));
  const lines = [];
  for (const [entry, where] of Object.entries(exports)) {
    if (entry.endsWith('.wasm')) continue;
    assert.ok(where.types, `${entry} has types`);
    // Those two are for what they do.
    const isWorker = entry.endsWith('worker');
    const names = isWorker ? [] : Object.keys(await import(join(PACKAGE, where.default)));
    const id = `entry${lines.length}`;
    // All that is promised is there, and all that is there is promised.
    const keys = names.map((name) => `${name}: true`).join(', ');
    lines.push(
      `import * as ${id} from 'shelfmq${entry.slice(1)}';`,
      `export const names${id}: Record<keyof typeof ${id}, true> = { ${keys} };`,
    );
  }
  await writeFile(join(path, 'entries.ts'), lines.join('\n'));
  const config = JSON.parse(await readFile(join(path, 'tsconfig.json'), 'utf8'));
  await writeFile(join(path, 'tsconfig.json'), JSON.stringify({ ...config, files: [...config.files, 'entries.ts'] }));
  execFileSync(join(PACKAGE, 'node_modules/.bin/tsc'), ['-p', path], { stdio: 'inherit' });
});

test('what is published has its licenses, and says what it runs on', async () => {
  const { files, engines, license } = JSON.parse(await readFile(join(PACKAGE, 'package.json'), 'utf8'));
  assert.equal(license, 'MIT OR Apache-2.0');
  for (const name of ['LICENSE-MIT', 'LICENSE-APACHE']) {
    assert.ok(files.includes(name));
    assert.equal(await readFile(join(PACKAGE, name), 'utf8'), await readFile(join(PACKAGE, '..', name), 'utf8'), name);
  }
  assert.ok(engines.node);
});
