// A broker in this very place: the whole HTTP API behind a fetch function.
import { Broker as Core } from '../pkg/shelfmq_wasm.js';
import { realClock } from './clock.js';
import { requestOf } from './request.js';

/** How many bytes what is recorded may have, where nothing else is said. */
const RECORD_BYTES = 64 * 1024 * 1024;

/** The class of brokers whose module `load` loads. */
export function brokerOn(load) {
  return class Broker {
    #core;
    #memory;

    constructor(core, memory) {
      this.#core = core;
      this.#memory = memory;
      // So that it can be handed to whatever wants a fetch function.
      this.fetch = this.fetch.bind(this);
      this.look = this.look.bind(this);
    }

    static async open({ storage, clock = realClock, limits, segmentBytes, cacheBytes, seed, record, module } = {}) {
      const { memory } = await load(module);
      seed ??= crypto.getRandomValues(new BigUint64Array(1))[0];
      const recordBytes = record ? (record.bytes ?? RECORD_BYTES) : undefined;
      const core = await Core.open({ storage, clock, limits, segmentBytes, cacheBytes, seed: BigInt(seed), recordBytes });
      return new this(core, memory);
    }

    /** Puts a log that was exported into a storage that no broker has open. */
    static async importLog(storage, bytes, { module } = {}) {
      await load(module);
      return Core.importLog(storage, bytes);
    }

    fetch(input, init) {
      try {
        return this.#core.fetch(requestOf(input, init), init?.peer);
      } catch (why) {
        return Promise.reject(why);
      }
    }

    async look(input, init) {
      return this.#core.look(requestOf(input, init));
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

    recording() {
      return this.recordingSince().map(({ bytes }) => bytes);
    }

    recordingSince({ part, bytes } = { part: 0, bytes: 0 }) {
      return this.#core.recording(part, bytes).map(([part, at, bytes]) => ({ part, at, bytes }));
    }

    nextTimeout() {
      return this.#core.nextTimeout();
    }

    async close() {
      await this.#core.close();
      this.#core.free();
    }
  };
}
