// What a broker has in JavaScript: its time, its storage, who waits for it. Where its instance breaks off, all of that comes
// to an end from here.
import { BrokerError } from './errors.js';
import { Keeper } from './keeper.js';

export class Host {
  /** Kept, with an error, once the broker broke off; never, where it does not. */
  failed;
  /** That error. */
  failure;
  storage;
  clock;
  /** The broker in the instance, and what else that exports. Whatever holds this holds them. */
  core;
  exports;
  #tellFailed;
  /** Rejections of promises that the broker has to keep. */
  #waiting = new Set();
  /** Controllers of streams that are open. */
  #streams = new Set();
  #timers = new Set();
  #clock;

  constructor(storage, clock) {
    this.failed = new Promise((resolve) => (this.#tellFailed = resolve));
    this.fail = this.fail.bind(this);
    this.#clock = clock;
    this.clock = this.#held(clock);
    if (storage) {
      this.storage = new Keeper(storage);
      // Weakly: the storage may be held for longer than the broker.
      const self = new WeakRef(this);
      this.storage.lost?.then((why) => self.deref()?.fail(why));
    }
  }

  /**
   * The clock, through which a timer holds this: a broker that nobody holds any more is there for as long as it has something
   * to do, and goes after that.
   */
  #held(clock) {
    const set = (callback, ms) => {
      const timer = clock.setTimeout(() => {
        this.#timers.delete(timer);
        callback();
      }, ms);
      this.#timers.add(timer);
      return timer;
    };
    const clear = (timer) => {
      this.#timers.delete(timer);
      clock.clearTimeout(timer);
    };
    return { now: () => clock.now(), setTimeout: set, clearTimeout: clear, hold: (timer, needed) => clock.hold?.(timer, needed) };
  }

  /** A stream for an answer that stays open: its controller, and itself. */
  stream(pull, cancel) {
    let controller;
    const stream = new ReadableStream({
      start: (given) => (controller = given),
      pull,
      cancel: () => {
        this.#streams.delete(controller);
        cancel();
      },
    });
    this.#streams.add(controller);
    const ended = (end) => (why) => {
      this.#streams.delete(controller);
      end.call(controller, why);
    };
    const { enqueue, close, error } = controller;
    return [{ enqueue: (chunk) => enqueue.call(controller, chunk), close: ended(close), error: ended(error) }, stream];
  }

  /** What the broker promises, which is broken where the broker breaks. */
  settles(promise) {
    return new Promise((resolve, reject) => {
      if (this.failure) return reject(this.failure);
      this.#waiting.add(reject);
      const end = (settle) => (value) => {
        this.#waiting.delete(reject);
        settle(value);
      };
      promise.then(end(resolve), end(reject));
    });
  }

  /** Nothing can be relied on any more: who waits is told so, and the storage is let go of. */
  fail(why) {
    if (this.failure) return;
    this.failure =
      why instanceof BrokerError ? why : new BrokerError('BROKER_FAILED', String(why?.message ?? why), { cause: why });
    for (const reject of this.#waiting) reject(this.failure);
    this.#waiting.clear();
    for (const controller of this.#streams) {
      try {
        controller.error(this.failure);
      } catch {
        // It was at its end.
      }
    }
    this.#streams.clear();
    this.end();
    this.release().catch(() => {});
    this.#tellFailed(this.failure);
  }

  /** The instance goes, with its memory: nobody calls it any more. */
  end() {
    for (const timer of this.#timers) this.#clock.clearTimeout(timer);
    this.#timers.clear();
    this.core = undefined;
    this.exports = undefined;
  }

  /** Lets go of the storage, once what is under way there is at its end. */
  async release() {
    await this.storage?.release();
  }
}
