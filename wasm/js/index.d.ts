import type { BrokerError } from './errors.js';
import type { Storage } from './storage/index.js';

export * from './client.js';
export { BrokerError } from './errors.js';
export type { Change, Storage, StoredTopic } from './storage/index.js';
export { MemoryStorage } from './storage/memory.js';

/** A clock with timers. Times are milliseconds since 1970. */
export interface Clock {
  now(): number;
  setTimeout(callback: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
  /** Somebody waits for this timer, or nobody does: whether a process should stay for it. */
  hold?(timer: unknown, needed: boolean): void;
}

/** A clock that stands still until it is moved. */
export declare class VirtualClock implements Clock {
  constructor(now?: number);
  now(): number;
  setTimeout(callback: () => void, ms: number): number;
  clearTimeout(timer: number): void;
  /** When the next timer goes off. */
  next(): number | undefined;
  /** Moves on; every timer that is due on the way goes off at its time. */
  advance(ms: number): void;
}

/** Limits of the API: sizes in bytes, times in milliseconds. What is not said is as in a server. */
export interface Limits {
  msgTimeout?: number;
  maxMsgTimeout?: number;
  maxReqTimeout?: number;
  maxMsgSize?: number;
  maxBodySize?: number;
  maxBatch?: number;
  maxAnswerBytes?: number;
  maxWait?: number;
  maxMessages?: number;
  dedupWindow?: number;
  memQueueSize?: number;
  heartbeat?: number;
  clientTimeout?: number;
  /**
   * How many bytes of memory are in use before publishes are refused (`507 STORAGE_FULL`), until an eighth of it is free again:
   * 2 GiB where it is not said, 3 GiB at most. WebAssembly has 4, and what is there is still to be handed out.
   */
  memory?: number;
}

export interface BrokerOptions {
  /** Where the logs are kept; without it, all is in memory. */
  storage?: Storage;
  clock?: Clock;
  limits?: Limits;
  /** About how many bytes a segment of a log has; 1 MiB where it is not said. */
  segmentBytes?: number;
  /** How many bytes of messages stay in memory that the storage has; 16 MiB where it is not said. */
  cacheBytes?: number;
  /** What makes receipts hard to guess; random where it is not said. */
  seed?: bigint | number;
  /**
   * Writes down in memory all that comes to the broker, for `broker.recording()`: in up to so many bytes, 64 MiB where
   * it is not said. The oldest goes; what is there always begins with the whole state, for which there has to be room
   * in half of the bytes: where there is not, recording ends, and what was recorded so far stays.
   */
  record?: boolean | { bytes?: number };
  /** The WebAssembly module, where it is not beside the package's files (an edge worker has it as an import). */
  module?: WebAssembly.Module | BufferSource | URL | string;
}

/**
 * A whole shelfmq broker in this very place. It has an instance of the module of its own, whose memory goes with it. One that
 * nobody holds any more goes once it has nothing to do; one that has a storage is better closed.
 */
export declare class Broker {
  private constructor();
  /** Opens a broker, with all topics that the storage has. */
  static open(options?: BrokerOptions): Promise<Broker>;
  /** Puts a log that `shelfmq log export` made into a storage that no broker has open; answers the topic's name. */
  static importLog(storage: Storage, bytes: Uint8Array, options?: Pick<BrokerOptions, 'module'>): Promise<string>;
  /**
   * Answers as a server does: everything of the HTTP API, long polls and streams included. A path alone will do for a
   * URL. A signal that is aborted is a client that hangs up. `peer` is who asks, as `ip:port`, where that is known.
   */
  fetch(input: Request | URL | string, init?: RequestInit & { peer?: string }): Promise<Response>;
  /**
   * Answers what only looks (GET /stats, /peek, /dead, /topics …) at once, from what is in memory: messages that are only
   * in the storage have `"absent": true` instead of a body. The rest gets 403 READ_ONLY. It is nothing that happens: no
   * recording has it.
   */
  look(input: Request | URL | string, init?: RequestInit): Promise<Response>;
  /**
   * Kept, with an error, once the broker broke off: by a trap of its module, for want of memory, or because its storage was
   * taken away. Each call is rejected with that error from then on, and so is what waits. Its storage is let go of: close it, and
   * open another. Never kept where nothing breaks.
   */
  readonly failed: Promise<BrokerError>;
  /** Bytes of memory that WebAssembly has taken for it: it gives none back before it is closed. */
  readonly memoryBytes: number;
  /** Comes back when every request was taken in, and nothing waits for the storage. */
  settled(): Promise<void>;
  /** A topic's whole log as one file, which `shelfmq log import` takes. */
  exportLog(topic: string): Promise<Uint8Array>;
  /**
   * What was recorded up to now, in parts that follow each other: for `Recording.open` of `shelfmq/recording`, and, as
   * files, for `shelfmq replay`. None without `record`.
   */
  recording(): Uint8Array[];
  /**
   * What was recorded after so many bytes of this part: pieces, to be kept somewhere as they come. `part` counts from 1;
   * `at` is where in it the bytes belong. Parts of several brokers, one after another, are one recording.
   */
  recordingSince(known?: { part: number; bytes: number }): { part: number; at: number; bytes: Uint8Array }[];
  /**
   * When something is due next: a lease that ends, a deferral, a poll. In milliseconds since 1970; never later than that,
   * sometimes earlier (for a lease that was finished meanwhile).
   */
  nextTimeout(): number | undefined;
  /**
   * Answers who waits, writes what is to be written, lets go of the storage, and ends. Rejected with `NOT_WRITTEN` where not all
   * could be stored, for want of room say: then who waited for that was told, and it is closed all the same.
   */
  close(): Promise<void>;
}
