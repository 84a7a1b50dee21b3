// A broker whose module comes in two parts: what a visit begins with, and the rest, which is loaded at the first call of
// any of it. For pages that want to be there soon; in workers, where what is loaded can be waited for, and in Node.
import init from '../pkg/shelfmq_wasm.js';
import { brokerOn } from './broker.js';
import { compile, compileNow, loader } from './loader.js';

export { VirtualClock } from './clock.js';
export { Client } from './client.js';
export { MemoryStorage } from './storage/memory.js';

const REST = new URL('../pkg/shelfmq_split_rest.wasm', import.meta.url);
/** A module that hands on the function that it imports: a table takes functions of modules only. */
const HANDING_ON = [
  [0, 97, 115, 109, 1, 0, 0, 0],
  [1, 4, 1, 96, 0, 0],
  [2, 7, 1, 1, 97, 1, 97, 0, 0],
  [7, 5, 1, 1, 97, 0, 0],
].flat();

const loadFirst = loader(init, () => new URL('../pkg/shelfmq_split_first.wasm', import.meta.url));
let first;
let whole = false;

async function load(module) {
  if (module !== undefined) throw new TypeError('shelfmq/split: the modules of a broker in two parts cannot be handed in');
  first ??= begin(await loadFirst());
  return first;
}

function begin(exports) {
  const loadNow = () => join(exports, compileNow(REST));
  const { a } = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(HANDING_ON)), { a: { a: loadNow } }).exports;
  exports.rest.set(0, a);
  return exports;
}

/** As it comes to be, it takes its places in the table, the one of what loads it among them. */
function join(exports, module) {
  if (whole) return;
  new WebAssembly.Instance(module, { first: exports });
  whole = true;
}

export async function loadRest() {
  const exports = await load();
  if (!whole) join(exports, await compile(REST));
}

export const Broker = brokerOn(load);
