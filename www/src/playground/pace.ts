// Time of the broker in the page: a clock that stands still unless it is moved, and what moves it.
import { VirtualClock, type Clock } from 'shelfmq';

/** How long one tick may work, in real milliseconds, before the rest of its time is given up. */
const PATIENCE = 100;
/** What a tick makes up for at most, in real milliseconds: a page that slept does not catch up for hours. */
const CATCH_UP = 250;

export class Pace {
  readonly clock: VirtualClock;
  /** 0: time stands still; 1: as fast as real time. */
  speed = 1;
  #settled: () => Promise<void>;
  #last = performance.now();
  #moving: Promise<unknown> = Promise.resolve();

  /** @param settled kept once all that a timer caused is done, but for what waits for time */
  constructor(now: number, settled: () => Promise<void>) {
    this.clock = new VirtualClock(now);
    this.#settled = settled;
  }

  /** Moves on by what has passed in real time since the last tick. */
  async tick(): Promise<void> {
    const now = performance.now();
    const passed = Math.min(now - this.#last, CATCH_UP);
    this.#last = now;
    if (this.speed > 0) await this.advance(passed * this.speed, PATIENCE);
  }

  /** Moves on; what a timer causes is done before the next one goes off. */
  advance(ms: number, patience = Infinity): Promise<void> {
    return this.#alone(async () => {
      const end = this.clock.now() + ms;
      const started = performance.now();
      for (;;) {
        const next = this.clock.next();
        if (next === undefined || next > end) break;
        if (performance.now() - started > patience) return;
        this.clock.advance(Math.max(0, next - this.clock.now()));
        await this.#settled();
      }
      this.clock.advance(Math.max(0, end - this.clock.now()));
    });
  }

  /** Moves on to the next timer, or to this time if that is earlier; false where there is neither. */
  step(at = Infinity): Promise<boolean> {
    return this.#alone(async () => {
      const next = Math.min(this.clock.next() ?? Infinity, at);
      if (next === Infinity) return false;
      this.clock.advance(Math.max(0, next - this.clock.now()));
      await this.#settled();
      return true;
    });
  }

  /** Kept at that time of the clock; broken when the signal is. */
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const timer = this.clock.setTimeout(done, ms);
      const stop = () => {
        this.clock.clearTimeout(timer);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', stop, { once: true });
      function done() {
        signal?.removeEventListener('abort', stop);
        resolve();
      }
    });
  }

  /** The clock for a broker, which tells when a timer of its own went off. */
  clockFor(wentOff: () => void): Clock & { next(): number | undefined } {
    const { clock } = this;
    const due = new Map<number, number>();
    return {
      now: () => clock.now(),
      setTimeout: (callback, ms) => {
        const timer = clock.setTimeout(() => {
          due.delete(timer);
          wentOff();
          callback();
        }, ms);
        due.set(timer, clock.now() + Math.max(0, ms));
        return timer;
      },
      clearTimeout: (timer) => {
        due.delete(timer as number);
        clock.clearTimeout(timer as number);
      },
      next: () => (due.size === 0 ? undefined : Math.min(...due.values())),
    };
  }

  /** One at a time: two that move the clock at once would each see the other's time. */
  #alone<T>(act: () => Promise<T>): Promise<T> {
    const done = this.#moving.then(act);
    this.#moving = done.catch(() => {});
    return done;
  }
}
