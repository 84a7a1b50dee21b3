// Loads a module, once: from beside the package's files, or from what is handed in.

/** Node's, whose fetch does not read files. By a name that bundlers for browsers do not follow. */
const FILES = 'node:fs/promises';

/**
 * What loads a module.
 *
 * @param init what wasm-bindgen made to start it
 * @param place where it is; on the edge, a module has no place, and this is not called
 */
export function loader(init, place) {
  let loaded;
  return function load(module) {
    loaded ??= (module === undefined ? read(place()) : Promise.resolve(module))
      .then((found) => init({ module_or_path: found }))
      .catch((why) => {
        loaded = undefined;
        throw why;
      });
    return loaded;
  };
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
