// Where in time a tab is, and how it goes on from there: now with the broker's own time, in the past by what happened.
import { computed, effect, signal } from '@preact/signals';

import type { Play, Told } from '../broker/play.js';
import { tellError } from '../ui/toast.js';

export const SPEEDS = [0.1, 1, 10, 100] as const;
/** How many of a recording's steps are looked through at once for what matters. */
const PAGE = 256;
/** How often a recording that is played moves on, in milliseconds. */
const TICK_MS = 60;

export class Timeline {
  /** The speed that time goes on at after a pause, and that the past is played at. */
  readonly #last = signal(1);
  /** The past is being played. */
  readonly rolling = signal(false);
  readonly running = computed(() => (this.play.past.value ? this.rolling.value : this.play.speed.value > 0));
  /** The speed that is chosen, also while time stands still. */
  readonly speed = computed(() => (this.play.past.value ? 0 : this.play.speed.value) || this.#last.value);
  /** From 0 to 1: where in all that is known. */
  readonly place = computed(() => {
    const [history, past] = [this.play.history.value, this.play.past.value];
    if (!history || !past || history.to <= history.from) return 1;
    return Math.min(1, Math.max(0, (past.at - history.from) / (history.to - history.from)));
  });
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Counts how often the past began to be played: only the last time goes on. */
  #roll = 0;
  readonly #end: () => void;

  constructor(readonly play: Play) {
    // Whoever enters the past plays it at the speed that time had before.
    this.#end = effect(() => {
      if (!play.past.value && play.speed.value > 0) this.#last.value = play.speed.value;
    });
  }

  /** Nothing is played any more. */
  dispose(): void {
    this.#end();
    this.rolling.value = false;
    clearTimeout(this.#timer);
  }

  async setSpeed(speed: number): Promise<void> {
    this.#last.value = speed;
    // While time stands still it is for when it goes on; in the past it is how fast that is played.
    if (!this.play.past.value && this.play.speed.value > 0) await this.play.setSpeed(speed);
  }

  /** Stands still, or goes on. */
  async toggle(): Promise<void> {
    if (this.play.past.value) {
      this.rolling.value = !this.rolling.value;
      if (this.rolling.value) this.#play();
      return;
    }
    await this.play.setSpeed(this.play.speed.value > 0 ? 0 : this.#last.value);
  }

  /** One thing further. */
  async forward(): Promise<void> {
    const past = this.play.past.value;
    if (!past) return this.play.step();
    const next = await this.#next(past.step);
    if (next) await this.play.travel({ step: next.step });
    else if (this.play.history.value?.file === undefined) await this.now();
  }

  /** One thing back. */
  async back(): Promise<void> {
    const at = this.play.past.value?.step ?? (await this.play.catchUp()).steps;
    await this.play.travel({ step: (await this.#previous(at))?.step ?? 0 });
  }

  /** To a place between the beginning, 0, and now, 1. */
  async to(place: number): Promise<void> {
    const history = this.play.history.value;
    if (!history) return;
    if (place >= 1 && history.file === undefined) return this.now();
    // At the very beginning, before what came at that moment.
    await this.play.travel(place <= 0 ? { step: 0 } : { at: history.from + place * (history.to - history.from) });
  }

  /** Back to where the broker is; a recording that was opened stays. */
  async now(): Promise<void> {
    this.rolling.value = false;
    const { file, steps = 0 } = this.play.history.value ?? {};
    await this.play.travel(file === undefined ? undefined : { step: steps });
  }

  async #next(step: number): Promise<Told | undefined> {
    const steps = this.play.history.value?.steps ?? 0;
    for (let from = step + 1; from <= steps; from += PAGE) {
      const [next] = await this.play.told(from, PAGE);
      if (next) return next;
    }
    return undefined;
  }

  /** What came before that which led here; undefined where that was the first of all. */
  async #previous(step: number): Promise<Told | undefined> {
    const found: Told[] = [];
    for (let end = step; end > 0 && found.length < 2; end -= PAGE) {
      const from = Math.max(1, end - PAGE + 1);
      found.unshift(...(await this.play.told(from, end - from + 1)));
    }
    return found.at(-2);
  }

  #play(): void {
    clearTimeout(this.#timer);
    const roll = (this.#roll += 1);
    let last = performance.now();
    const wait = () => {
      this.#timer = setTimeout(() => {
        tick().catch((why: unknown) => {
          this.rolling.value = false;
          tellError(why);
        });
      }, TICK_MS);
    };
    const tick = async () => {
      const [past, history] = [this.play.past.value, this.play.history.value];
      if (!this.rolling.value || !past || !history) return void (this.rolling.value = false);
      const now = performance.now();
      const at = past.at + (now - last) * this.speed.value;
      last = now;
      if (at >= history.to) return this.now();
      await this.play.travel({ at });
      if (this.rolling.value && roll === this.#roll) wait();
    };
    wait();
  }
}
