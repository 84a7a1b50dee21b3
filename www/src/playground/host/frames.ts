// What tabs are shown: a frame when something has changed, as often as it costs little.
import type { ChannelStats } from '../../broker/api.js';
import type { Fetch } from '../../broker/fetch.js';
import type { Flow } from '../../broker/play.js';
import { snapshot, type Piles, type Snapshot, type Wanted } from '../../broker/snapshot.js';
import { bytesIn, type Sized } from '../../picture/size.js';

/** The time from one frame to the next, at least, in milliseconds. */
const EVERY_MS = 50;
/** Of all time, so much is for frames: one part in so many. */
const SHARE = 4;
/** A frame that costs more than this shows less, one that costs less than that shows more, in milliseconds. */
const DEAR_MS = 12;
const CHEAP_MS = 4;
/** How much of a body a frame has, in characters: more is seen by looking at the message itself. */
const BODY = 1_024;

const LEVELS: readonly Wanted[] = [
  { messages: 24, channels: 40 },
  { messages: 12, channels: 40 },
  { messages: 6, channels: 24 },
  { messages: 3, channels: 12 },
  { messages: 0, channels: 0 },
];

/** Long bodies are cut. */
export function clipped(shown: Snapshot): Snapshot {
  for (const topic of shown.topics) {
    for (const pile of [topic.backlog, ...topic.channels.flatMap(({ piles }) => Object.values(piles))]) {
      for (const message of pile.first) {
        if (message.body !== undefined && message.body.length > BODY) message.body = `${message.body.slice(0, BODY)}…`;
        if (message.body_base64 !== undefined && message.body_base64.length > BODY) {
          (message as Sized).size = bytesIn(message.body_base64);
          message.body_base64 = message.body_base64.slice(0, BODY);
        }
      }
    }
  }
  return shown;
}

export interface Show {
  /** Looks at the broker; undefined where there is none at the moment. */
  fetch(): Fetch | undefined;
  flows(shown: Snapshot): Flow[];
  frame(shown: Snapshot, flows: Flow[]): void;
  now(): void;
}

export class Frames {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #next = 0;
  #changed = false;
  #moved = false;
  #level = 0;
  #making = false;
  /** Piles of channels as they were, by topic and channel, with the stats that they had. */
  #piles = new Map<string, { stats: string; piles: Piles }>();
  /** Counts what no counter tells: what was looked at before is not known any more. */
  #shape = 0;
  /** Who waits for a frame with all that has changed. */
  #waiting: (() => void)[] = [];

  constructor(readonly show: Show) {}

  /** Something has changed. */
  changed(): void {
    this.#changed = true;
    this.#wait();
  }

  /** Something has changed that no counter tells: a lease was extended, a topic is another one. */
  reshaped(): void {
    this.#shape += 1;
    this.#piles.clear();
    this.changed();
  }

  /** Only time has moved. */
  moved(): void {
    this.#moved = true;
    this.#wait();
  }

  /** Kept once all that has changed so far was shown. */
  latest(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.changed();
    });
  }

  #wait(): void {
    if (this.#making) return;
    this.#timer ??= setTimeout(() => void this.#make(), Math.max(0, this.#next - performance.now()));
  }

  async #make(): Promise<void> {
    const began = performance.now();
    const changed = this.#changed;
    const waiting = changed ? this.#waiting.splice(0) : [];
    this.#making = true;
    this.#changed = this.#moved = false;
    try {
      if (changed) await this.#frame();
      else this.show.now();
    } catch {
      // The broker is being opened anew: there is a frame when it is.
    }
    for (const tell of waiting) tell();
    const cost = performance.now() - began;
    if (changed && cost > DEAR_MS) this.#toLevel(this.#level + 1);
    else if (changed && cost < CHEAP_MS) this.#toLevel(this.#level - 1);
    this.#next = Math.max(began + EVERY_MS, performance.now() + cost * (SHARE - 1));
    this.#making = false;
    this.#timer = undefined;
    if (this.#changed || this.#moved) this.#wait();
  }

  async #frame(): Promise<void> {
    const fetch = this.show.fetch();
    if (!fetch) return;
    // Whose counters have not moved has what it had.
    const known = new Map(this.#piles);
    const shape = this.#shape;
    const key = (topic: string, channel: string) => `${topic}/${channel}`;
    const told = new Map<ChannelStats, string>();
    const shown = await snapshot(fetch, {
      ...LEVELS[this.#level]!,
      known: (topic, stats) => {
        const text = JSON.stringify(stats);
        told.set(stats, text);
        const before = known.get(key(topic, stats.channel_name));
        return before?.stats === text ? before.piles : undefined;
      },
    });
    this.#piles.clear();
    for (const { name, channels } of clipped(shown).topics) {
      if (shape !== this.#shape) break;
      for (const { stats, piles } of channels) this.#piles.set(key(name, stats.channel_name), { stats: told.get(stats)!, piles });
    }
    this.show.frame(shown, this.show.flows(shown));
  }

  #toLevel(level: number): void {
    const next = Math.min(LEVELS.length - 1, Math.max(0, level));
    if (next === this.#level) return;
    this.#level = next;
    this.#piles.clear();
  }
}
