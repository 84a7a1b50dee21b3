// What simulated consumers and producers have in common: they live by the broker's clock, and ask by its fetch.
import type { Fetch } from '../../broker/fetch.js';
import type { Time } from './time.js';

/** Where they live. */
export interface Stage {
  fetch: Fetch;
  time: Time;
  /** Messages went somewhere, by somebody's hand: what the flows are told by. */
  moved(kind: 'published' | 'delivered' | 'finished' | 'requeued', at: Place, ids: readonly string[]): void;
  /** Something is to be shown. */
  changed(): void;
  /** One more is in the middle of something, or one less. */
  busy(change: 1 | -1): void;
}

export interface Place {
  topic: string;
  channel?: string;
  client?: string;
}

/** Longer than anybody looks on, so that nobody comes back from a poll with nothing. */
export const POLL_WAIT = '900d';
/** After something that went wrong, in milliseconds. */
const AGAIN_MS = 1_000;

export abstract class Actor {
  readonly #gone = new AbortController();

  constructor(
    readonly stage: Stage,
    readonly id: number,
  ) {}

  protected get signal(): AbortSignal {
    return this.#gone.signal;
  }

  /** Lives until it is removed. */
  start(): void {
    this.stage.busy(1);
    void this.#live().finally(() => this.stage.busy(-1));
  }

  leave(): void {
    this.#gone.abort();
  }

  /** One round of what it does all day. */
  protected abstract round(): Promise<void>;

  protected async begin(): Promise<void> {}

  async #live(): Promise<void> {
    let begun = false;
    while (!this.signal.aborted) {
      try {
        if (!begun) await this.begin();
        begun = true;
        await this.round();
      } catch {
        if (this.signal.aborted) return;
        await this.sleep(AGAIN_MS).catch(() => {});
      }
    }
  }

  /** Waits by the broker's clock. */
  protected async sleep(ms: number): Promise<void> {
    this.signal.throwIfAborted();
    const { clock } = this.stage.time;
    return this.idle(
      new Promise((resolve, reject) => {
        const timer = clock.setTimeout(() => {
          this.signal.removeEventListener('abort', wake);
          resolve();
        }, ms);
        const wake = () => {
          clock.clearTimeout(timer);
          reject(this.signal.reason);
        };
        this.signal.addEventListener('abort', wake, { once: true });
      }),
    );
  }

  /** Waits for something that only time or others bring about; meanwhile it does nothing. */
  protected async idle<T>(promise: Promise<T>): Promise<T> {
    this.stage.busy(-1);
    // In the very turn in which it goes on it is at work again: time stands still for it.
    const back = () => this.stage.busy(1);
    promise.then(back, back);
    return promise;
  }

  protected post(at: string, body?: string, headers?: Record<string, string>): Promise<Response> {
    const more = { ...(body === undefined ? {} : { body }), ...(headers ? { headers } : {}) };
    return this.stage.fetch(at, { method: 'POST', signal: this.signal, ...more });
  }
}
