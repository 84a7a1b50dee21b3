// A broker whose module comes in two parts: what a visit begins with, and the rest, which is loaded once something is
// asked of the broker. For pages that want to be there soon.
import { bind } from '../pkg/shelfmq_wasm.js';
import { brokerOn } from './broker.js';
import { isFirstLook } from './first.js';
import { instantiate } from './instance.js';
import { compileNow, loader } from './loader.js';
import { requestOf } from './request.js';

export { VirtualClock } from './clock.js';
export { Client, Message, ShelfmqError } from './client.js';
export { BrokerError } from './errors.js';
export { MemoryStorage } from './storage/memory.js';

const REST = new URL('../pkg/shelfmq_split_rest.wasm', import.meta.url);
/** A module that hands on the function that it imports: a table takes functions of modules only. */
const HANDING_ON = [
  [0, 97, 115, 109, 1, 0, 0, 0],
  [1, 4, 1, 96, 0, 0],
  [2, 7, 1, 1, 97, 1, 97, 0, 0],
  [7, 5, 1, 1, 97, 0, 0],
].flat();

const findFirst = loader(() => new URL('../pkg/shelfmq_split_first.wasm', import.meta.url));
const findRest = loader(() => REST);
/** The rest, compiled. */
let rest;
/** The rest, while it is on its way. */
let loading;
/** What is to be done once it is there: each instance has to be joined with it. */
const joins = new Set();

async function load(module, told) {
  if (module !== undefined) throw new TypeError('shelfmq/split: the modules of a broker in two parts cannot be handed in');
  const instance = await instantiate(bind, await findFirst(), told);
  if (rest) join(instance.exports);
  else await begin(instance.exports);
  return instance;
}

async function begin(exports) {
  const loadNow = () => {
    rest ??= compileNow(REST);
    join(exports);
  };
  const { instance } = await WebAssembly.instantiate(new Uint8Array(HANDING_ON), { a: { a: loadNow } });
  exports.rest.set(0, instance.exports.a);
  const held = new WeakRef(exports);
  const late = () => {
    joins.delete(late);
    const exports = held.deref();
    if (exports) join(exports);
  };
  if (rest) late();
  else joins.add(late);
}

/** Instances that have both parts. */
const whole = new WeakSet();

/** As it comes to be, it takes its places in the table, the one of what loads it among them. */
function join(exports) {
  if (whole.has(exports)) return;
  whole.add(exports);
  new WebAssembly.Instance(rest, { first: exports });
}

/** One load for all who want it; where it fails, whoever comes next tries again. */
export function loadRest() {
  loading ??= fetchRest().finally(() => (loading = undefined));
  return loading;
}

async function fetchRest() {
  rest ??= await findRest();
  for (const late of [...joins]) late();
}

/**
 * What may call any of the rest waits for it: were it loaded within a call and could not be, that call would break off in
 * the middle, and the broker with it.
 */
const withRest = (call) => (rest ? call() : loadRest().then(call));

export class Broker extends brokerOn(load) {
  static async open(options) {
    const storage = options?.storage;
    // What was kept is read by the rest.
    if (!rest && storage) {
      try {
        if ((await storage.list()).length > 0) await loadRest();
      } catch (why) {
        // Nobody has it after that.
        await Promise.resolve(storage.close()).catch(() => {});
        throw why;
      }
    }
    return super.open(options);
  }

  static importLog(...given) {
    return withRest(() => super.importLog(...given));
  }

  fetch(input, init) {
    return rest ? super.fetch(input, init) : this.#fetchLate(input, init);
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
