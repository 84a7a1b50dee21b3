// Finds a module, and compiles it once: from beside the package's files, or from what is handed in.
import { BrokerError } from './errors.js';

/** Node's, whose fetch does not read files. By a name that bundlers for browsers do not follow. */
const FILES = 'node:fs/promises';
/** What Vite serves while one develops, made of many files: what is beside those files is not beside this. */
const VITE = /\/\.vite\/deps[^/]*\/.*$/;

/**
 * What finds a module of this package.
 *
 * @param place where it is; on the edge, a module has no place, and this is not called
 * @param entry by which it can be imported, to be handed in, if it can be
 */
export function loader(place, entry) {
  let own;
  return function load(module) {
    if (module !== undefined) return compiled(module);
    own ??= found(place(), entry).catch((why) => {
      own = undefined;
      throw why;
    });
    return own;
  };
}

/** What was handed in, which is a module, its bytes, or where they are. */
async function compiled(module) {
  const given = await module;
  if (given instanceof WebAssembly.Module) return given;
  if (typeof given === 'string') return compile(new URL(given, globalThis.location?.href ?? import.meta.url));
  if (given instanceof URL) return compile(given);
  if (typeof Response === 'function' && given instanceof Response) return WebAssembly.compile(await given.arrayBuffer());
  return WebAssembly.compile(given);
}

/** The package's own, where it is, or where Vite has it. */
async function found(url, entry) {
  try {
    return await compile(url);
  } catch (why) {
    const name = url.pathname.split('/').at(-1);
    const beside = import.meta.url.replace(VITE, `/shelfmq/pkg/${name}`);
    if (beside !== import.meta.url) return compile(new URL(beside));
    const handed = entry ? `, or import it as '${entry}' and hand it in as the option \`module\`` : '';
    throw new BrokerError(
      'MODULE_NOT_FOUND',
      `the WebAssembly module is not at ${url} (${why.message}). A bundler that does not copy it leaves it behind: put ` +
        `shelfmq/pkg/${name} there${handed}`,
      { cause: why },
    );
  }
}

async function read(url) {
  if (url.protocol !== 'file:') return url;
  const { readFile } = await import(/* @vite-ignore */ /* webpackIgnore: true */ FILES);
  return readFile(url);
}

/** Compiles the module of a file, as it comes where its host says what it is. */
export async function compile(url) {
  const found = await read(url);
  if (found !== url) return WebAssembly.compile(found);
  const response = await fetch(url);
  if (!response.ok) throw new Error(`shelfmq: ${url}: ${response.status} ${response.statusText}`);
  const isTold = response.headers.get('content-type')?.toLowerCase() === 'application/wasm';
  return isTold ? WebAssembly.compileStreaming(response) : WebAssembly.compile(await response.arrayBuffer());
}

/** The same at once, while everything waits for it. */
export function compileNow(url) {
  return new WebAssembly.Module(url.protocol === 'file:' ? process.getBuiltinModule('node:fs').readFileSync(url) : fetchNow(url));
}

function fetchNow(url) {
  const request = new XMLHttpRequest();
  request.open('GET', url, false);
  request.responseType = 'arraybuffer';
  request.send();
  if (request.status !== 200) throw new Error(`shelfmq: ${url}: ${request.status} ${request.statusText}`);
  return request.response;
}
