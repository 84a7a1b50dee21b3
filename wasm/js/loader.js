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
