// Simulated producers.
import { path } from '../../broker/fetch.js';
import type { ProducerSpec, ProducerView } from '../../broker/play.js';
import { Actor, type Stage } from './actor.js';

/** Faster ones than this publish several messages at once, in messages a second. */
const ONE_BY_ONE = 50;
/** How often these publish, in milliseconds. */
const BATCH_MS = 50;
export const SLOWEST = 0.1;
export const FASTEST = 5_000;

const hex = (id: bigint) => id.toString(16).padStart(16, '0');

/** Ids of a batch: they follow each other. */
export function idsFrom(first: string | null, count: number, most = 20): string[] {
  if (first === null || !/^[0-9a-f]{16}$/.test(first)) return [];
  const start = BigInt(`0x${first}`);
  return Array.from({ length: Math.min(count, most) }, (_, n) => hex(start + BigInt(n)));
}

/** When the message after `published` others is due, and how many are due together, counted from the start. */
export function due(rate: number, published: number): { at: number; count: number } {
  if (rate <= ONE_BY_ONE) return { at: ((published + 1) * 1_000) / rate, count: 1 };
  // The batch at whose time this message has been due, with all that are due by then.
  const batch = Math.floor(((published + 1) * 1_000) / rate / BATCH_MS) + 1;
  return { at: batch * BATCH_MS, count: Math.max(1, Math.floor((batch * BATCH_MS * rate) / 1_000) - published) };
}

export class Producer extends Actor {
  readonly spec: Required<ProducerSpec>;
  /** All that were sent, since it began. */
  #sent = 0;
  #published: number;
  #began: number;

  constructor(stage: Stage, id: number, { topic, rate, keys = 0 }: ProducerSpec, published = 0) {
    super(stage, id);
    this.spec = { topic, rate: Math.min(FASTEST, Math.max(SLOWEST, rate)), keys: Math.min(26, Math.max(0, Math.floor(keys))) };
    this.#published = published;
    this.#began = stage.time.now;
  }

  get view(): ProducerView {
    return { id: this.id, ...this.spec, published: this.#published };
  }

  protected override async round(): Promise<void> {
    const { at, count } = due(this.spec.rate, this.#sent);
    await this.sleep(Math.max(0, this.#began + at - this.stage.time.now));
    this.#sent += count;
    const response = await this.#publish(count);
    // A topic that is full has no room for it: it is lost, and the next one comes in its time.
    if (!response.ok) return;
    this.#published += count;
    this.stage.moved('published', { topic: this.spec.topic }, idsFrom(response.headers.get('shelf-id'), count));
    this.stage.changed();
  }

  #publish(count: number): Promise<Response> {
    const { topic, keys } = this.spec;
    const numbers = Array.from({ length: count }, (_, n) => this.#published + n + 1);
    const key = (n: number) => String.fromCharCode(97 + ((n - 1) % keys));
    if (count === 1) {
      const n = numbers[0]!;
      return keys > 0 ? this.post(path('/pub', { topic, key: key(n) }), `${key(n)} #${n}`) : this.post(path('/pub', { topic }), `#${n}`);
    }
    if (keys === 0) return this.post(path('/mpub', { topic }), numbers.map((n) => `#${n}`).join('\n'));
    const lines = numbers.map((n) => JSON.stringify({ body: `${key(n)} #${n}`, key: key(n) }));
    return this.post(path('/mpub', { topic }), lines.join('\n'), { 'content-type': 'application/x-ndjson' });
  }
}
