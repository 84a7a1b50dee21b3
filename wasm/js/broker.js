// A broker in this very place: the whole HTTP API behind a fetch function.
import { realClock } from './clock.js';
import { BrokerError } from './errors.js';
import { Host } from './host.js';
import { withStorage } from './keeper.js';
import { requestOf } from './request.js';

/** How many bytes what is recorded may have, where nothing else is said. */
const RECORD_BYTES = 64 * 1024 * 1024;
/** From how many bytes of memory on publishes are refused, where nothing else is said; and the most that may be said. */
const MEMORY_BYTES = 2 ** 31;
const MOST_MEMORY_BYTES = 3 * 2 ** 30;

/** How much memory a broker may use: WebAssembly has 4 GiB, of which some has to be left to hand messages out. */
function memoryOf(bytes = MEMORY_BYTES) {
  if (bytes > 0 && bytes <= MOST_MEMORY_BYTES) return bytes;
  throw new BrokerError('INVALID_LIMIT', `limits.memory is a number of bytes, ${MOST_MEMORY_BYTES} at most`);
}

/** The class of brokers whose module `load` loads, an instance for each. */
export function brokerOn(load) {
  return class Broker {
    #host;
    #closing;

    constructor(host) {
      this.#host = host;
      // So that it can be handed to whatever wants a fetch function.
      this.fetch = this.fetch.bind(this);
      this.look = this.look.bind(this);
    }

    static async open({ storage, clock = realClock, limits, segmentBytes, cacheBytes, seed, record, module } = {}) {
      const { memory: memoryBytes, ...apiLimits } = limits ?? {};
      const memory = memoryOf(memoryBytes);
      seed = BigInt(seed ?? crypto.getRandomValues(new BigUint64Array(1))[0]);
      const recordBytes = record ? (record.bytes ?? RECORD_BYTES) : undefined;
      const host = new Host(storage, clock);
      try {
        const instance = await load(module, host.fail);
        const { storage, clock } = host;
        const options = { host, storage, clock, memory, limits: apiLimits, segmentBytes, cacheBytes, seed, recordBytes };
        host.core = await host.settles(instance.Broker.open(options));
        host.exports = instance.exports;
        return new this(host);
      } catch (why) {
        await host.release().catch(() => {});
        throw host.failure ?? why;
      }
    }

    /** Puts a log that was exported into a storage that no broker has open. */
    static async importLog(storage, bytes, { module } = {}) {
      return withStorage(storage, async (keeper) => {
        let broke;
        const broken = new Promise((_, reject) => (broke = reject));
        const instance = await load(module, broke);
        return Promise.race([instance.Broker.importLog(keeper, bytes), broken]);
      });
    }

    get failed() {
      return this.#host.failed;
    }

    fetch(input, init) {
      try {
        const request = requestOf(input, init);
        return this.#host.settles(this.#open.fetch(request, init?.peer));
      } catch (why) {
        return Promise.reject(why);
      }
    }

    async look(input, init) {
      const request = requestOf(input, init);
      return this.#open.look(request);
    }

    get memoryBytes() {
      return this.#host.exports?.memory.buffer.byteLength ?? 0;
    }

    async settled() {
      return this.#host.settles(this.#open.settled());
    }

    async exportLog(topic) {
      return this.#host.settles(this.#open.exportLog(topic));
    }

    recording() {
      return this.recordingSince().map(({ bytes }) => bytes);
    }

    recordingSince({ part, bytes } = { part: 0, bytes: 0 }) {
      return this.#open.recording(part, bytes).map(([part, at, bytes]) => ({ part, at, bytes }));
    }

    nextTimeout() {
      return this.#open.nextTimeout();
    }

    close() {
      return (this.#closing ??= this.#close());
    }

    async #close() {
      const host = this.#host;
      try {
        // What broke is closed all the same.
        if (!host.failure) await host.settles(host.core.close());
      } catch (why) {
        if (!host.failure) throw new BrokerError('NOT_WRITTEN', `not all could be stored: ${why?.message ?? why}`, { cause: why });
      } finally {
        host.end();
        await host.release();
      }
    }

    /** The core, while it can be asked. */
    get #open() {
      if (this.#host.failure) throw this.#host.failure;
      if (!this.#host.core) throw new BrokerError('BROKER_CLOSED', 'this broker is closed');
      return this.#host.core;
    }
  };
}
