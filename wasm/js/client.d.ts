/** A fetch function: the platform's, or a broker's own. */
export type Fetch = (input: string, init?: RequestInit) => Promise<Response>;

/** A time as the API takes it: `1500` or `1500ms`, `30s`, `5m`, `1h`, `1h30m`. A number is milliseconds. */
export type Time = string | number;

export type Body = string | ArrayBuffer | ArrayBufferView;

export interface PublishOptions {
  /** Messages of one key are delivered one after another where a channel is ordered. */
  key?: string;
  /** Not delivered before so long. */
  defer?: Time;
  /** Not delivered after so long. */
  ttl?: Time;
  /** A publish with a key that was used in the last minutes is answered as that one was, and does nothing. */
  dedup?: string;
  signal?: AbortSignal;
}

export interface Published {
  /** The id, of the first where there are more: 16 hex digits that count up. */
  id: string;
  /** It was published before, under the same dedup key. */
  duplicate: boolean;
}

export interface SubscribeOptions {
  /** How many messages are fetched at once. */
  max?: number;
  /** How long a poll waits; the loop goes on after it. */
  wait?: Time;
  /** How long a lease lasts. */
  timeout?: Time;
  /** Every message counts as finished when it is delivered. */
  ack?: 'auto';
  /** Ends the loop with the signal's reason. */
  signal?: AbortSignal;
}

export declare class Message {
  readonly id: string;
  readonly receipt: string;
  /** How often it was delivered, this time included. */
  readonly attempts: number;
  readonly key?: string;
  /** What was published with it, by lower-case names: `shelf-meta-…`, `content-type` … */
  readonly headers: Record<string, string>;
  /** When it was published. */
  readonly timestamp: Date;
  readonly bytes: Uint8Array;
  text(): string;
  json(): unknown;
  finish(options?: { signal?: AbortSignal }): Promise<void>;
  requeue(options?: { defer?: Time; signal?: AbortSignal }): Promise<void>;
  touch(options?: { timeout?: Time; signal?: AbortSignal }): Promise<void>;
}

/** What a broker answered instead of what was asked for. */
export declare class ShelfmqError extends Error {
  readonly status: number;
  /** `INVALID_TOPIC`, `STORAGE_FULL` … */
  readonly code: string;
}

/** The API in words, on any fetch function. */
export declare class Client {
  /** Without `fetch`, the platform's; `url` is the broker's, `token` what it may want to see. */
  constructor(options?: { fetch?: Fetch; url?: string; token?: string });
  publish(topic: string, body: Body, options?: PublishOptions & { headers?: Record<string, string> }): Promise<Published>;
  /** All or none. */
  publishMany(topic: string, bodies: Body[], options?: PublishOptions): Promise<Published>;
  /** Messages of a channel, one after another. What was fetched and not reached when the loop ends is given back. */
  subscribe(topic: string, channel: string, options?: SubscribeOptions): AsyncGenerator<Message, never>;
  finish(topic: string, channel: string, receipt: string, options?: { signal?: AbortSignal }): Promise<void>;
  requeue(
    topic: string,
    channel: string,
    receipt: string,
    options?: { defer?: Time; signal?: AbortSignal },
  ): Promise<void>;
  touch(
    topic: string,
    channel: string,
    receipt: string,
    options?: { timeout?: Time; signal?: AbortSignal },
  ): Promise<void>;
}
