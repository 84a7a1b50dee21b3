// What keeps the picture going: takes frames as they come, has the scene made of them as often as it is worth it, and
// moves what moves, sixty times a second, for as long as something does.
import { type ReadonlySignal, computed, effect, signal } from '@preact/signals';

import { theme } from '../app/theme.js';
import type { Frame } from '../broker/play.js';
import type { Session } from '../broker/session.js';
import { clock } from './clock.js';
import { Layer, colours } from './draw.js';
import { Motion, follows } from './motion.js';
import type { Scene } from './nodes.js';
import { needs, scene } from './scene.js';

/** So many messages a second are too many to be read: places stand still then. */
const BUSY = 60;
const CALM = 30;
/** How long at least it is shown how something happened in a time that stands still, ms. */
const ECHO = 1_400;

export class Engine {
  readonly motion = new Motion();
  readonly width = signal(0);
  readonly opened = signal<ReadonlySet<string>>(new Set());
  readonly busy = signal(false);
  /** The frame that nodes are made of: not each one when much goes on. */
  readonly #shown = signal<Frame | undefined>(undefined);
  #needed: Set<string> = new Set();
  readonly scene: ReadonlySignal<Scene | undefined> = computed(() => {
    const frame = this.#shown.value;
    if (!frame || this.width.value === 0) return undefined;
    const consumers = this.session.play !== undefined && frame.snapshot.topics.length > 0;
    return scene(frame, { width: this.width.value, opened: this.opened.value, needed: this.#needed, consumers });
  });
  #layer: Layer | undefined;
  #last: Frame | undefined;
  #lastAt = 0;
  #echo = 0;
  #shownAt = 0;
  #later: ReturnType<typeof setTimeout> | undefined;
  #raf = 0;
  #ticked = 0;
  readonly #still = matchMedia('(prefers-reduced-motion: reduce)');

  constructor(readonly session: Session) {}

  /** Draws on this canvas over this view from now on; the answer ends it. */
  start(canvas: HTMLCanvasElement, view: HTMLElement, frames: ReadonlySignal<Frame | undefined>): () => void {
    const layer = (this.#layer = new Layer(canvas, view));
    const wake = () => this.wake();
    const recolour = () => {
      layer.colours = colours(view);
      this.wake();
    };
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const size = new ResizeObserver(() => {
      this.width.value = view.clientWidth;
      this.wake();
    });
    size.observe(view);
    dark.addEventListener('change', recolour);
    addEventListener('scroll', wake, { capture: true, passive: true });
    addEventListener('resize', wake);
    const ends = [
      effect(() => {
        theme.value;
        // The attribute that the colours depend on is set by another effect of the same signal.
        queueMicrotask(recolour);
      }),
      effect(() => frames.value && this.#take(frames.value)),
      effect(() => {
        this.session.play?.speed.value;
        this.session.play?.past.value;
        this.wake();
      }),
      effect(() => {
        this.scene.value;
        this.wake();
      }),
    ];
    return () => {
      for (const end of ends) end();
      size.disconnect();
      dark.removeEventListener('change', recolour);
      removeEventListener('scroll', wake, true);
      removeEventListener('resize', wake);
      cancelAnimationFrame(this.#raf);
      clearTimeout(this.#later);
      this.#raf = 0;
      this.#layer = undefined;
    };
  }

  open(topic: string, open: boolean): void {
    const opened = new Set(this.opened.value);
    if (open) opened.add(topic);
    else opened.delete(topic);
    this.opened.value = opened;
  }

  /** How fast time goes: 0 where it stands still, or another moment is looked at. */
  get #speed(): number {
    const { play } = this.session;
    if (!play) return 1;
    return play.past.peek() ? 0 : play.speed.peek();
  }

  #now(): number {
    if (!this.#last) return 0;
    return this.#last.now + (performance.now() - this.#lastAt) * this.#speed;
  }

  #take(frame: Frame): void {
    const at = performance.now();
    const before = this.#last;
    const spread = Math.max(40, Math.min(1_000, at - this.#lastAt));
    this.#last = frame;
    this.#lastAt = at;
    const goesOn = follows(before, frame);
    if (!goesOn) this.motion.clear();
    const rate = this.motion.total();
    this.busy.value = this.busy.peek() ? rate > CALM : rate > BUSY;
    clearTimeout(this.#later);
    const wait = goesOn && rate > BUSY ? (rate > 400 ? 330 : 200) : 0;
    const rest = this.#shownAt + wait - at;
    if (rest <= 0) this.#show(frame);
    else this.#later = setTimeout(() => this.#show(frame), rest);
    const scene = this.scene.peek();
    if (scene && goesOn && frame.flows.length > 0) {
      this.motion.feed(frame.flows, scene, frame.now, spread);
      this.#echo = at + ECHO;
    }
    this.wake();
  }

  #show(frame: Frame): void {
    this.#shownAt = performance.now();
    this.#needed = needs(frame, this.#shown.peek() ? this.#needed : undefined);
    this.#shown.value = frame;
  }

  /** Something may have to be drawn again. */
  wake(): void {
    if (this.#raf !== 0 || !this.#layer) return;
    this.#ticked = performance.now();
    this.#raf = requestAnimationFrame(this.#tick);
  }

  readonly #tick = (): void => {
    this.#raf = 0;
    const at = performance.now();
    const dt = Math.min(100, at - this.#ticked);
    this.#ticked = at;
    const scene = this.scene.peek();
    const speed = this.#speed;
    // What is on its way gets there, also where time stands still.
    const moves = speed > 0 || at < this.#echo || this.motion.busy;
    const now = this.#now();
    if (moves) this.motion.advance(dt * (speed > 0 && speed < 1 ? Math.max(0.25, speed) : 1), now);
    const grain = this.busy.peek() ? 250 : 100;
    clock.value = speed > 0 ? Math.floor(now / grain) * grain : now;
    if (scene) this.#layer?.draw(scene, this.motion, !this.#still.matches);
    if (moves && scene && (this.motion.busy || this.motion.streams().length > 0 || counts(scene))) {
      this.#raf = requestAnimationFrame(this.#tick);
    } else if (speed > 0 && this.busy.peek()) {
      this.busy.value = false;
    }
  };
}

/** Whether something counts down. */
function counts({ channels }: Scene): boolean {
  return channels.some(({ tokens }) => tokens.some(({ message }) => message.until !== undefined));
}
