// Loads the module: from beside this file, or from what is handed in.
import init from '../pkg/shelfmq_wasm.js';

/** Node's, whose fetch does not read files. By a name that bundlers for browsers do not follow. */
const FILES = 'node:fs/promises';

let loaded;

export function load(module) {
  loaded ??= find(module)
    .then((found) => init({ module_or_path: found }))
    .catch((why) => {
      loaded = undefined;
      throw why;
    });
  return loaded;
}

async function find(module) {
  // On the edge, a module has no place.
  if (module !== undefined) return module;
  const url = new URL('../pkg/shelfmq_wasm_bg.wasm', import.meta.url);
  if (url.protocol !== 'file:') return url;
  const { readFile } = await import(/* @vite-ignore */ /* webpackIgnore: true */ FILES);
  return readFile(url);
}
