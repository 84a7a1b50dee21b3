/** A topic's log as a storage has it. */
export interface StoredTopic {
  topic: string;
  /** Its segments, in any order; sizes in bytes. */
  segments: { number: number; size: number }[];
}

/** What is to be done to one topic. */
export type Change =
  /** These bytes are to stand there. Nothing is there yet, unless the same write failed before: then they replace it. */
  | { kind: 'append'; topic: string; segment: number; offset: number; bytes: Uint8Array }
  /** What stands from `size` on is to go. */
  | { kind: 'cut'; topic: string; segment: number; size: number }
  /** One segment is to go. */
  | { kind: 'drop'; topic: string; segment: number }
  /** All segments with a lower number are to go. */
  | { kind: 'forget'; topic: string; before: number }
  /** All of the topic is to go. */
  | { kind: 'delete'; topic: string };

/**
 * Where logs are kept: segments of topics, which are only appended to. Calls to `write` come one at a time; `read` may
 * come meanwhile. Only one broker may use it at a time.
 *
 * Names of topics are case-sensitive, of up to 64 of the characters `.a-zA-Z0-9_-`, and `#ephemeral` never comes here.
 */
export interface Storage {
  list(): Promise<StoredTopic[]>;
  /** Bytes of a segment from `offset` on, as many as `length` or as there are. */
  read(topic: string, segment: number, offset: number, length: number): Promise<Uint8Array>;
  /**
   * Makes these changes, in order. The promise is kept once they are durable: then publishes are answered. Broken by
   * an error whose `name` is `QuotaExceededError`, the same changes come again in half a second, and publishes get
   * `507` meanwhile; broken by another, the topics concerned take nothing in until the broker is opened again.
   */
  write(changes: Change[]): Promise<void>;
  close(): Promise<void> | void;
}

/** In memory: what a broker had is there for the next. */
export declare class MemoryStorage implements Storage {
  list(): Promise<StoredTopic[]>;
  read(topic: string, segment: number, offset: number, length: number): Promise<Uint8Array>;
  write(changes: Change[]): Promise<void>;
  close(): Promise<void>;
}

/** Files in Node, as a shelfmq server has them in its data directory. */
export declare class FileStorage extends MemoryStorage {
  /** @param path the data directory; it is made where it is not there */
  constructor(path: string);
}

/** The origin's private file system; only in dedicated workers. */
export declare class OpfsStorage extends MemoryStorage {
  static open(name?: string): Promise<OpfsStorage>;
}

/** The storage of a Durable Object, or of whatever has its `list`, `put` and `delete`. */
export declare class DurableObjectStorage extends MemoryStorage {
  constructor(storage: object);
}

/** IndexedDB. */
export declare class IndexedDbStorage extends MemoryStorage {
  static open(name?: string): Promise<IndexedDbStorage>;
}
