// Clocks: what time it is, and timers.

/** The real one. A timer that nobody waits for keeps no process of Node alive. */
export const realClock = {
  now: () => Date.now(),
  setTimeout: (callback, ms) => setTimeout(callback, ms),
  clearTimeout: (timer) => clearTimeout(timer),
  hold: (timer, needed) => (needed ? timer.ref?.() : timer.unref?.()),
};

/** One that stands still until it is moved. */
export class VirtualClock {
  #now;
  #timers = new Map();
  #last = 0;

  /** @param {number} [now] milliseconds since 1970 */
  constructor(now = Date.now()) {
    this.#now = now;
  }

  now() {
    return this.#now;
  }

  setTimeout(callback, ms) {
    this.#last += 1;
    this.#timers.set(this.#last, { at: this.#now + Math.max(0, ms), callback });
    return this.#last;
  }

  clearTimeout(timer) {
    this.#timers.delete(timer);
  }

  /** When the next timer goes off, in milliseconds since 1970; undefined where there is none. */
  next() {
    let next;
    for (const { at } of this.#timers.values()) {
      if (next === undefined || at < next) next = at;
    }
    return next;
  }

  /** Moves on by so many milliseconds; every timer that is due on the way goes off at its time. */
  advance(ms) {
    const end = this.#now + ms;
    for (;;) {
      let first;
      for (const [timer, { at }] of this.#timers) {
        if (at <= end && (first === undefined || at < this.#timers.get(first).at)) first = timer;
      }
      if (first === undefined) break;
      const { at, callback } = this.#timers.get(first);
      this.#timers.delete(first);
      this.#now = Math.max(this.#now, at);
      callback();
    }
    this.#now = end;
  }
}
