// Consumers and producers that are played: they ask the broker by its API alone, in the broker's own time.
import type { ConsumerSpec, ConsumerView, ProducerSpec, ProducerView } from '../broker/play.js';
import { type Fetch, ok, path } from '../broker/fetch.js';
import type { Pace } from './pace.js';

/** How long a behaviour takes for a message, in milliseconds. */
const TAKES = { fast: 0, slow: 2_000, flaky: 400, crashes: 0, ordered: 500 } as const;
/** What a consumer that is fast takes at once. */
const BATCH = 100;
/** How long the lease of a consumer that crashes lasts, where nothing is said: its channel's would be a minute. */
const CRASH_LEASE = '10s';
/** How long a consumer waits before it asks again after an error, in milliseconds. */
const AGAIN = 1_000;

interface Leased {
  id: string;
  receipt: string;
}

abstract class Actor {
  #stop = new AbortController();
  protected readonly signal = this.#stop.signal;

  constructor(
    protected readonly fetch: Fetch,
    protected readonly pace: Pace,
  ) {}

  /** Runs until it is stopped, over errors: a topic may be deleted under it, and time goes on. */
  async run(): Promise<void> {
    while (!this.signal.aborted) {
      try {
        await this.act();
      } catch {
        if (!this.signal.aborted) await this.pace.sleep(AGAIN, this.signal).catch(() => {});
      }
    }
  }

  stop(): void {
    this.#stop.abort();
  }

  protected abstract act(): Promise<void>;
}

export class Consumer extends Actor {
  readonly view: ConsumerView;
  #spec: ConsumerSpec;
  #taken = 0;
  #prepared = false;

  constructor(id: number, spec: ConsumerSpec, fetch: Fetch, pace: Pace) {
    super(fetch, pace);
    this.#spec = spec;
    const { topic, channel, behaviour } = spec;
    this.view = { id, topic, channel, behaviour, name: spec.name ?? `${behaviour}-${id}`, holds: [], finished: 0, requeued: 0 };
  }

  get spec(): ConsumerSpec {
    return { ...this.#spec, name: this.view.name };
  }

  protected async act(): Promise<void> {
    const { behaviour } = this.view;
    await this.#prepare();
    const messages = await this.#lease();
    if (messages.length === 0) return;
    this.view.holds = messages.map(({ id }) => id);
    try {
      if (behaviour === 'crashes') await this.#forget();
      else await this.#work(messages);
    } finally {
      this.view.holds = [];
    }
  }

  /** What is consumed in order needs a channel that keeps one. */
  async #prepare(): Promise<void> {
    if (this.#prepared || this.view.behaviour !== 'ordered') return;
    const { topic, channel } = this.view;
    await ok(this.fetch(path('/topic/create', { topic }), { method: 'POST' }));
    await ok(this.fetch(path('/channel/create', { topic, channel, ordered: true }), { method: 'POST' }));
    this.#prepared = true;
  }

  async #lease(): Promise<Leased[]> {
    const { topic, channel, behaviour, name } = this.view;
    const params = {
      topic,
      channel,
      client: name,
      format: 'json',
      max: behaviour === 'fast' ? BATCH : 1,
      wait: '1h',
      timeout: this.#spec.timeout ?? (behaviour === 'crashes' ? CRASH_LEASE : undefined),
    };
    const answer = await ok(this.fetch(path('/sub', params), { signal: this.signal }));
    if (answer.status === 204) return [];
    return ((await answer.json()) as { messages: Leased[] }).messages;
  }

  /** It falls over with what it has. What it had comes back when the lease is over, and so does it. */
  #forget(): Promise<void> {
    return this.pace.sleep(milliseconds(this.#spec.timeout ?? CRASH_LEASE), this.signal);
  }

  async #work(messages: Leased[]): Promise<void> {
    const { topic, channel, behaviour } = this.view;
    if (TAKES[behaviour] > 0) await this.pace.sleep(TAKES[behaviour], this.signal);
    this.#taken += messages.length;
    const receipt = messages.map((message) => message.receipt).join('\n');
    const fails = behaviour === 'flaky' && this.#taken % 3 === 0;
    const at = fails ? path('/req', { topic, channel, defer: '1s' }) : path('/fin', { topic, channel });
    const answer = await this.fetch(at, { method: 'POST', body: receipt });
    const done = answer.ok ? ((await answer.json()) as { finished?: number; requeued?: number }) : {};
    this.view.finished += done.finished ?? 0;
    this.view.requeued += done.requeued ?? 0;
  }
}

export class Producer extends Actor {
  readonly view: ProducerView;
  #owed = 0;
  #began: number;

  constructor(id: number, spec: ProducerSpec, fetch: Fetch, pace: Pace) {
    super(fetch, pace);
    this.view = { id, topic: spec.topic, rate: spec.rate, keys: spec.keys ?? 0, published: 0 };
    this.#began = pace.clock.now();
  }

  get spec(): ProducerSpec {
    const { topic, rate, keys } = this.view;
    return { topic, rate, keys };
  }

  protected async act(): Promise<void> {
    const { rate } = this.view;
    await this.pace.sleep(Math.max(1_000 / rate, 50), this.signal);
    // By the clock, so that the mean is right however the sleeps fall.
    const due = Math.floor(((this.pace.clock.now() - this.#began) * rate) / 1_000 + 1e-6) - this.#owed;
    if (due <= 0) return;
    this.#owed += due;
    const { topic } = this.view;
    const lines = Array.from({ length: due }, (_, index) => JSON.stringify(this.#message(this.view.published + index + 1)));
    const init = { method: 'POST', body: lines.join('\n'), headers: { 'content-type': 'application/x-ndjson' } };
    const answer = await this.fetch(path('/mpub', { topic }), init);
    if (answer.ok) this.view.published += due;
  }

  #message(number: number): { body: string; key?: string } {
    const { keys } = this.view;
    const body = `#${number}`;
    return keys > 0 ? { body, key: String.fromCharCode(97 + (number % keys)) } : { body };
  }
}

/** A duration of the API, in milliseconds. */
export function milliseconds(text: string): number {
  const [, number = '0', unit = 'ms'] = /^(\d+)(ms|s|m|h|d)?$/.exec(text) ?? [];
  return Number(number) * { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }[unit as 'ms' | 's' | 'm' | 'h' | 'd'];
}
