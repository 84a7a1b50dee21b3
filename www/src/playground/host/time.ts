// The broker's time: a clock that stands still until it is moved, and what moves it. From one timer to the next, all
// that a timer sets off comes to rest before the next goes off. So a hundred times real time is the same as real time,
// only sooner; where this machine cannot keep up, time goes slower than it was asked to.
import { VirtualClock, type Clock } from 'shelfmq/split';

/** How often time moves, in real milliseconds. */
const TICK_MS = 12;
/** For how long it moves at most before others have a turn. */
const BUDGET_MS = 30;
/** How much real time is made up for after this worker was held up. */
const DEBT_MS = 2_000;
/** Timers further away than this wait for nothing: polls without an end. */
export const FAR_MS = 20 * 86_400_000;
/** How long what a timer set off may take before time goes on anyway. */
const PATIENCE_MS = 500;

const { port1, port2 } = new MessageChannel();
const turns: (() => void)[] = [];
port1.onmessage = () => turns.shift()?.();

/** Everything that is due in this worker at this moment goes first. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    turns.push(resolve);
    port2.postMessage(0);
  });
}

export class Time {
  readonly #clock: VirtualClock;
  #speed = 0;
  /** Of real time: when time was moved last. */
  #moved = 0;
  #debt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Moves come one after another. */
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  /**
   * @param busy how many simulated consumers and producers are in the middle of something
   * @param onMove told whenever time has moved; `fired`: something was due
   */
  constructor(
    now: number,
    readonly busy: () => number,
    readonly onMove: (fired: boolean) => void,
  ) {
    this.#clock = new VirtualClock(now);
  }

  get clock(): Clock {
    return this.#clock;
  }

  get now(): number {
    return this.#clock.now();
  }

  get speed(): number {
    return this.#speed;
  }

  setSpeed(speed: number): void {
    this.#speed = speed;
    this.#debt = 0;
    this.#moved = performance.now();
    clearTimeout(this.#timer);
    if (speed > 0) this.#wait();
  }

  /** When something is due next; undefined where nothing is in sight. */
  next(): number | undefined {
    const next = this.#clock.next();
    return next === undefined || next > this.now + FAR_MS ? undefined : next;
  }

  advance(ms: number): Promise<void> {
    return this.#inTurn(() => this.#to(this.now + ms));
  }

  /** Goes on to what is due next; false where nothing is. */
  step(): Promise<boolean> {
    return this.#inTurn(async () => {
      await this.#rest();
      const next = this.next();
      if (next === undefined) return false;
      await this.#to(next);
      return true;
    });
  }

  /** Nothing is to happen from now on. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#last;
  }

  #inTurn<T>(move: () => Promise<T>): Promise<T> {
    const done = this.#last.then(move);
    this.#last = done.catch(() => {});
    return done;
  }

  #wait(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#tick(), TICK_MS);
  }

  #tick(): void {
    const now = performance.now();
    this.#debt = Math.min(this.#debt + now - this.#moved, DEBT_MS);
    this.#moved = now;
    const speed = this.#speed;
    void this.#inTurn(async () => {
      if (this.#closed || this.#speed !== speed) return;
      const before = this.now;
      await this.#to(before + this.#debt * speed, now + BUDGET_MS);
      this.#debt = this.#speed === speed ? Math.max(0, this.#debt - (this.now - before) / speed) : 0;
    }).finally(() => {
      if (!this.#closed && this.#speed > 0 && this.#speed === speed) this.#wait();
    });
  }

  /** Moves, from timer to timer; not all the way where real time is up before. */
  async #to(target: number, until = Infinity): Promise<void> {
    let fired = false;
    // What goes on at this moment takes no time.
    await this.#rest();
    for (;;) {
      const next = this.#clock.next();
      if (next === undefined || next > target) break;
      this.#clock.advance(Math.max(0, next - this.now));
      fired = true;
      await this.#rest();
      if (performance.now() > until || this.#closed) return this.onMove(fired);
    }
    this.#clock.advance(Math.max(0, target - this.now));
    this.onMove(fired);
  }

  /** All that was set off has come to rest. */
  async #rest(): Promise<void> {
    const until = performance.now() + PATIENCE_MS;
    do {
      await turn();
    } while (this.busy() > 0 && performance.now() < until);
  }
}
