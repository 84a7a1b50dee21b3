// A broker in this very place: the whole HTTP API behind a fetch function.
import { load } from './load.js';
import { Broker as Core } from '../pkg/shelfmq_wasm.js';
import { realClock } from './clock.js';

/** What a path alone is taken to be a path of. */
const ORIGIN = 'http://localhost:4151';

export class Broker {
  #core;
  #memory;

  constructor(core, memory) {
    this.#core = core;
    this.#memory = memory;
    // So that it can be handed to whatever wants a fetch function.
    this.fetch = this.fetch.bind(this);
  }

  static async open({ storage, clock = realClock, limits, segmentBytes, cacheBytes, seed, module } = {}) {
    const { memory } = await load(module);
    seed ??= crypto.getRandomValues(new BigUint64Array(1))[0];
    const core = await Core.open({ storage, clock, limits, segmentBytes, cacheBytes, seed: BigInt(seed) });
    return new Broker(core, memory);
  }

  /** Puts a log that was exported into a storage that no broker has open. */
  static async importLog(storage, bytes, { module } = {}) {
    await load(module);
    return Core.importLog(storage, bytes);
  }

  fetch(input, init) {
    if (!(input instanceof Request) || init !== undefined) {
      // A path is taken as it is: resolved, "//ping" would be a host.
      if (typeof input === 'string' && input.startsWith('/')) input = ORIGIN + input;
      input = new Request(input, init);
    }
    return this.#core.fetch(input, init?.peer);
  }

  get memoryBytes() {
    return this.#memory.buffer.byteLength;
  }

  settled() {
    return this.#core.settled();
  }

  exportLog(topic) {
    return this.#core.exportLog(topic);
  }

  async close() {
    await this.#core.close();
    this.#core.free();
  }
}
