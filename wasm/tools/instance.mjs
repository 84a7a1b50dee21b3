// Makes a function of what wasm-bindgen made, so that each call of it is for an instance of its own: `node instance.mjs FILE`.
//
// As it comes, the JavaScript of a module has one instance for all who import it. One that trapped cannot be used again, and
// one that grew keeps its memory: so each broker has its own. And whatever is called in an instance goes through `guard`,
// timers and promises too, so that a trap is noticed wherever it comes, and thrown at nobody who does not wait for it.
import { readFileSync, writeFileSync } from 'node:fs';

/** What an instance still does once it trapped: it lets go of things, in vain. */
const LETS_GO = '/^__wbindgen_destroy_closure$|^__wbg_.*_free$/';

const [file] = process.argv.slice(2);
let text = readFileSync(file, 'utf8');

function replace(what, by) {
  if (text.split(what).length !== 2) throw new Error(`instance: ${file} has not exactly one ${JSON.stringify(what)}`);
  text = text.replace(what, () => by);
}

const names = [...text.matchAll(/^export class (\w+)/gm)].map(([, name]) => name);
if (names.length === 0) throw new Error(`instance: ${file} exports no class`);
text = text.replace(/^export class /gm, 'class ');
// What loads a module is ours.
const loading = text.indexOf('let wasmModule, wasmInstance, wasm;');
if (loading < 0) throw new Error(`instance: ${file} does not load a module as it did`);
text = text.slice(0, loading);
text = text.replace(/^\/\* @ts-self-types=.*\n/, '');
// A closure that JavaScript calls back when it likes.
if (text.includes('function makeMutClosure(')) {
  replace('            return f(a, state.b, ...args);', '            return guard.call(() => f(a, state.b, ...args));');
}

writeFileSync(
  file,
  `/**
 * What stands between JavaScript and one instance: what it imports, what begins it, and its classes.
 *
 * @param guard looks after what is called in it, see js/instance.js
 */
export function bind(guard) {
let wasm;
${text}
const begin = (instance) => {
    wasm = guard.exports(instance.exports, ${LETS_GO});
    wasm.__wbindgen_start();
};
return { imports: __wbg_get_imports(), begin, ${names.join(', ')} };
}
`,
);
