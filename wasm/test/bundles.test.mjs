// The package as bundlers take it in, run where the result belongs.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { nodeResolve } from '@rollup/plugin-node-resolve';
import esbuild from 'esbuild';
import { rollup } from 'rollup';
import * as vite from 'vite';
import * as vite7 from 'vite7';
import webpack from 'webpack';

import { launch, serveFiles } from './browser.mjs';

const PACKAGE = fileURLToPath(new URL('..', import.meta.url));
const MODULE = 'shelfmq_wasm_bg.wasm';
const SAID = 'The Dispossessed';
const home = await mkdtemp(join(tmpdir(), 'shelfmq-'));
let browser;

before(async () => (browser = await launch()));
after(async () => {
  await browser.close();
  await rm(home, { recursive: true, force: true });
});

/** An app in a directory of its own: a program, a page, and both kinds of worker. */
async function app(name) {
  const path = join(home, name);
  await cp(join(PACKAGE, 'examples/bundled'), path, { recursive: true });
  await mkdir(join(path, 'node_modules'));
  for (const file of ['package.json', 'js', 'pkg']) {
    await cp(join(PACKAGE, file), join(path, 'node_modules/shelfmq', file), { recursive: true });
  }
  const files = {
    'package.json': '{ "type": "module" }',
    'node.js': `import { said } from './main.js';\nconsole.log(await said());\n`,
    'page.js': `import { said } from './main.js';
      said().then((text) => (document.title = text), (why) => (document.title = String(why)));\n`,
    'page-with.js': `import { said } from './main.js';\nimport module from 'shelfmq/shelfmq.wasm';
      said({ module }).then((text) => (document.title = text), (why) => (document.title = String(why)));\n`,
    'node-with.js': `import { said } from './main.js';\nimport module from 'shelfmq/shelfmq.wasm';
      console.log(await said({ module }));\n`,
    'split.js': `import { Broker, loadRest } from 'shelfmq/split';
      const title = Broker.open().then(async (broker) => (await loadRest(), (await broker.fetch('/ping')).text()));
      title.then((text) => (document.title = text), (why) => (document.title = String(why)));\n`,
    'split.html': '<!doctype html><script type="module" src="./split.js"></script>',
    'worker.js': `import 'shelfmq/worker';\n`,
    'service-worker.js': `import 'shelfmq/service-worker';\n`,
    'index.html': '<!doctype html><script type="module" src="./page.js"></script>',
  };
  for (const [file, text] of Object.entries(files)) await writeFile(join(path, file), text);
  return path;
}

const run = (file) => execFileSync(process.execPath, [file], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();

/** What a page calls itself in the end. */
async function titleOf(url) {
  const page = await browser.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  try {
    await page.goto(url);
    await page.waitForFunction(() => document.title !== '', undefined, { timeout: 20_000 }).catch(() => {});
    return [await page.title(), ...errors].join(' | ');
  } finally {
    await page.close();
  }
}

/** The same of a directory with a page that has one script. */
async function titleIn(path, script) {
  await writeFile(join(path, 'bundle.html'), `<!doctype html><script type="module" src="./${script}"></script>`);
  const files = await serveFiles(path);
  try {
    return await titleOf(`${files.url}/bundle.html`);
  } finally {
    files.close();
  }
}

/** A bundler that does not copy the module: there is an error that says what to do, and that is what helps. */
async function helps(path, file) {
  assert.throws(() => run(file), ({ stderr }) => {
    assert.match(stderr, /MODULE_NOT_FOUND/);
    assert.match(stderr, new RegExp(`is not at file:\\S+/pkg/${MODULE} .*: put shelfmq/pkg/${MODULE} there`));
    return true;
  });
  await mkdir(join(path, 'pkg'));
  await cp(join(PACKAGE, 'pkg', MODULE), join(path, 'pkg', MODULE));
  assert.equal(run(file), SAID);
}

/** Workers are there for what they do, not for what they export. */
async function doTheirWork(of) {
  for (const [name, what] of [['worker', /navigator\.locks/], ['service-worker', /skipWaiting/]]) {
    const text = await of(name);
    assert.match(text, what, name);
    assert.match(text, /addEventListener\(["']message["']/, name);
  }
}

test('esbuild, as it is', async () => {
  const path = await app('esbuild');
  const build = async (entry, more) => {
    const outfile = join(path, 'dist', entry);
    await esbuild.build({ absWorkingDir: path, entryPoints: [entry], bundle: true, format: 'esm', outfile, logLevel: 'error', ...more });
    return outfile;
  };
  await helps(path, await build('node.js', { platform: 'node' }));
  const binary = { '.wasm': 'binary' };
  assert.equal(run(await build('node-with.js', { platform: 'node', target: 'node20', loader: binary })), SAID);
  await build('page-with.js', { loader: binary });
  await build('page.js');
  assert.equal(await titleIn(join(path, 'dist'), 'page-with.js'), SAID);
  // From beside the bundle, where the page's own files are.
  assert.match(await titleIn(join(path, 'dist'), 'page.js'), /BrokerError.*put shelfmq\/pkg/);
  await build('page-with.js', { loader: { '.wasm': 'file' } });
  assert.equal(await titleIn(join(path, 'dist'), 'page-with.js'), SAID);
  await doTheirWork(async (name) => readFile(await build(`${name}.js`), 'utf8'));
});

test('rollup', async () => {
  const path = await app('rollup');
  const build = async (entry) => {
    const bundle = await rollup({ input: join(path, entry), plugins: [nodeResolve({ preferBuiltins: true })], onwarn: () => {} });
    const { output } = await bundle.write({ file: join(path, 'dist', entry), format: 'es', inlineDynamicImports: true });
    await bundle.close();
    return output[0].code;
  };
  await build('node.js');
  await helps(path, join(path, 'dist/node.js'));
  await build('page.js');
  assert.equal(await titleIn(path, 'dist/page.js'), SAID);
  await doTheirWork((name) => build(`${name}.js`));
});

test('webpack', async () => {
  const path = await app('webpack');
  const build = async (entry, target, more) => {
    const output = { path: join(path, target), filename: entry, module: true };
    const config = { context: path, entry: `./${entry}`, mode: 'production', target, output, experiments: { outputModule: true }, ...more };
    const stats = await promisify(webpack)(config);
    assert.deepEqual(stats.toJson({ all: false, errors: true }).errors, []);
    return readFile(join(path, target, entry), 'utf8');
  };
  await build('node.js', 'node');
  assert.equal(run(join(path, 'node/node.js')), SAID);
  await build('page.js', 'web');
  assert.equal(await titleIn(join(path, 'web'), 'page.js'), SAID);
  await doTheirWork((name) => build(`${name}.js`, 'webworker'));
});

for (const [name, { createServer, build }] of [['Vite', vite], ['Vite 7', vite7]]) {
  test(`${name}, in development and built`, async () => {
    const path = await app(name.replace(' ', ''));
    const server = await createServer({ root: path, logLevel: 'error', server: { port: 0, host: '127.0.0.1' }, configFile: false });
    try {
      await server.listen();
      assert.equal(await titleOf(server.resolvedUrls.local[0]), SAID);
      assert.equal(await titleOf(`${server.resolvedUrls.local[0]}split.html`), 'OK');
    } finally {
      await server.close();
    }
    const options = { root: path, logLevel: 'error', configFile: false };
    await build({ ...options, build: { target: 'es2022' } });
    const files = await serveFiles(join(path, 'dist'));
    try {
      assert.equal(await titleOf(`${files.url}/index.html`), SAID);
    } finally {
      files.close();
    }
    await doTheirWork(async (worker) => {
      const lib = { entry: join(path, `${worker}.js`), formats: ['es'], fileName: worker };
      await build({ ...options, build: { lib, outDir: `out-${worker}`, target: 'es2022' } });
      return readFile(join(path, `out-${worker}`, `${worker}.js`), 'utf8');
    });
  });
}
