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
 * come meanwhile. Only one broker may use it at a time: one object is refused to a second broker, and what else could reach
 * the same bytes is for the storage to lock, from its first call on until it is closed. A broker closes the one that it was
 * opened with, also where that fails.
 *
 * Names of topics are case-sensitive, of up to 64 of the characters `.a-zA-Z0-9_-`, and `#ephemeral` never comes here.
 */
export interface Storage {
  list(): Promise<StoredTopic[]>;
  /** Bytes of a segment from `offset` on, as many as `length` or as there are. */
  read(topic: string, segment: number, offset: number, length: number): Promise<Uint8Array>;
  /**
   * Makes these changes, in order. The promise is kept once they are durable: then publishes are answered.
   *
   * It is broken by an error that may have `failures`: an array of `{ topic, error }`, one for each topic that could not be
   * written; then all others are durable. Without that each topic's changes come again by themselves. An error whose `name` is
   * `QuotaExceededError`, or whose `code` is `ENOSPC` or `EDQUOT`, says that there is no room: the same changes come again in
   * half a second, and publishes get `507` meanwhile. `EMFILE` and `ENFILE` likewise, for that topic alone, with `503`. By
   * another error the topic takes nothing in until the broker is opened again.
   */
  write(changes: Change[]): Promise<void>;
  /** Lets go of all that was taken, a lock included. */
  close(): Promise<void> | void;
  /**
   * Something was done with it without a broker (`Broker.importLog`): where its first call takes a lock by itself, that goes until
   * the next call.
   */
  letGo?(): Promise<void>;
  /** Kept, with an error, once somebody else has what was locked: the broker ends with that (`broker.failed`). */
  readonly lost?: Promise<Error>;
}
