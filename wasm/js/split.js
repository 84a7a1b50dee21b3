// A broker whose module comes in two parts: what a visit begins with, and the rest, which is loaded once something is
// asked of the broker. For pages that want to be there soon.
import init from '../pkg/shelfmq_wasm.js';
import { brokerOn } from './broker.js';
import { isFirstLook } from './first.js';
import { compile, compileNow, loader } from './loader.js';
import { requestOf } from './request.js';

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
/** The rest, while it is on its way. */
let loading;

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

/** One load for all who want it; where it fails, whoever comes next tries again. */
export function loadRest() {
  loading ??= fetchRest().finally(() => (loading = undefined));
  return loading;
}

async function fetchRest() {
  const exports = await load();
  if (!whole) join(exports, await compile(REST));
}

/**
 * What may call any of the rest waits for it: were it loaded within a call and could not be, that call would break off in
 * the middle, and the broker with it.
 */
const withRest = (call) => (whole ? call() : loadRest().then(call));

export class Broker extends brokerOn(load) {
  static async open(options) {
    // What was kept is read by the rest.
    if (!whole && (await options?.storage?.list())?.length > 0) await loadRest();
    return super.open(options);
  }

  static importLog(...given) {
    return withRest(() => super.importLog(...given));
  }

  fetch(input, init) {
    return whole ? super.fetch(input, init) : this.#fetchLate(input, init);
  }

  async #fetchLate(input, init) {
    const request = requestOf(input, init);
    await loadRest();
    return super.fetch(request, { peer: init?.peer });
  }

  async look(input, init) {
    const request = requestOf(input, init);
    const { pathname, search } = new URL(request.url);
    return isFirstLook(pathname + search) ? super.look(request) : withRest(() => super.look(request));
  }

  settled() {
    const settled = () => super.settled();
    // What waits for the rest comes first.
    return loading ? loading.then(settled, settled) : settled();
  }

  exportLog(topic) {
    return withRest(() => super.exportLog(topic));
  }

  close() {
    return withRest(() => super.close());
  }
}
