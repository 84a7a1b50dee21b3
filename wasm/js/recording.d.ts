// All times are milliseconds since 1970, with fractions, where nothing else is said.

export interface RecordingOptions {
  /** How many bytes the images may take that make seeking back fast; 64 MiB where it is not said. */
  imageBytes?: number;
  /** Told now and then while the recording is opened: from 0 to 1. */
  onProgress?(done: number): void;
  /** Ends the opening. */
  signal?: AbortSignal;
  /** The WebAssembly module (`shelfmq/recording.wasm`), where it is not beside the package's files. */
  module?: WebAssembly.Module | BufferSource | URL | string;
}

export interface Position {
  /** How many steps were made: 0 is the beginning. */
  readonly step: number;
  /** What time it is there. */
  readonly at: number;
}

export type StepKind =
  | 'request' | 'timeout' | 'writable' | 'parcel' | 'hang-up' | 'shutdown' | 'written' | 'appended'
  | 'append-failed' | 'read' | 'space' | 'unwell' | 'open-topic';

/** Who asked, as far as is known: what was asked before the recording began is known by its ticket only. */
export interface Asker {
  /** Counts the requests of a shard; what is later told of this request has the same number. */
  ticket: number;
  method?: string;
  path?: string;
  query?: string;
  /** As ip:port, or empty. */
  peer?: string;
  /** The name that a consumer gives itself (`client=`). */
  client?: string;
  /** How many bytes the body has. */
  bytes?: number;
}

/** What the engine wanted done. `to` is whose request it is for. */
export type Told =
  /** An answer. `body`: the first 256 bytes of it as text, if it is text. */
  | { kind: 'respond' | 'open'; to: Asker; status: number; bytes: number; body?: string }
  /** A piece of an open answer. */
  | { kind: 'chunk'; to: Asker; bytes: number; body?: string }
  | { kind: 'close'; to: Asker }
  | { kind: 'forward'; topic: string }
  | { kind: 'read' | 'append' | 'forget' | 'delete'; topic: string; bytes?: number }
  | { kind: 'configured'; name: string; value: unknown };

/** Messages that were handed to somebody. */
export interface Handed {
  topic: string;
  channel: string;
  to: Asker;
  /** At most 100 of them. */
  messages: { id: string; receipt: string; attempts: number }[];
  /** How many there are. */
  count: number;
}

/** What became of messages, beside that they were handed out: some of the codes that stories have. */
export interface Happened {
  code: WhatCode;
  /** Of `died`: by the end of a lease, or by a consumer. */
  because_code?: 'lease_ran_out' | 'requeued';
  topic: string;
  /** What is published is in no channel yet. */
  channel?: string;
  /** At most 100 of them. */
  ids: string[];
  /** How many there are. */
  count: number;
}

export interface StepTold {
  /** Counts from 1: it is the step that leads to `position.step` of the same number. */
  step: number;
  at: number;
  /** The same as RFC 3339 with nanoseconds. */
  time: string;
  shard: number;
  kind: StepKind;
  /** Who asked, hung up, or took a chunk. */
  by?: Asker;
  /** The topic that it is about, where that is known. */
  topic?: string;
  told: Told[];
  handed: Handed[];
  /** In its order. A message is published where its publisher is answered. */
  happened: Happened[];
}

/** What happened to a message. A code means the same for ever; the sentences beside codes may change. */
export type WhatCode =
  | 'published' | 'leased' | 'touched' | 'finished' | 'requeued' | 'timed_out' | 'died' | 'dead_gone' | 'redriven'
  | 'dropped' | 'channel_moved' | 'lost' | 'topic_deleted' | 'expired' | 'moved' | 'now';

/** Why it happened, or why a message is where it is. What the sentence names is beside it. */
export type BecauseCode =
  | 'unknown' | 'no_channel' | 'topic_paused' | 'not_durable' | 'in_topic' | 'channel_paused' | 'in_flight_limit'
  | 'no_consumer' | 'no_room' | 'leased' | 'deferred' | 'held' | 'dead' | 'dead_waits' | 'expired' | 'done'
  | 'lease_ran_out' | 'requeued' | 'moved_or_dropped' | 'topic_full' | 'unreadable';

/** Why, and what there is to say of it. Of `because_code`, where that is not said otherwise. */
export interface Why {
  because?: string;
  because_code?: BecauseCode;
  /** Of `in_flight_limit`: how many messages are in flight. */
  in_flight?: number;
  /** Of `no_room`: the id that the channel reads on at. */
  reads_next?: string;
  /** Of `leased`: who has it. */
  client?: string;
  /** Of `leased` and `deferred`: RFC 3339 with nanoseconds. */
  until?: string | null;
  /** Of `held`: the id of the first message of its key. */
  behind?: string;
  /** Of `dead` and `dead_waits`: how often it was delivered. */
  attempts?: number;
  /** Of `dead_waits`: the topic that dead letters go to. */
  dead_letter?: string;
}

/** One thing that happened to a message; `code: 'now'` comes last and says where it is and why. */
export interface StoryLine extends Why {
  what: string;
  code: WhatCode;
  at: string; // RFC 3339 with nanoseconds
  channel?: string | null;
  /** What came to the engine; `by_code` is the `kind` of that step. */
  by?: unknown;
  by_code?: StepKind;
  receipt?: string;
  to?: unknown;
  /** Of `now`: where it is in each channel. */
  channels?: (Why & { channel: string; because: string; because_code: BecauseCode } & Record<string, unknown>)[];
  [more: string]: unknown;
}

/**
 * What a broker did, to step through: parts of `broker.recording()`, or the files of `shelfmq serve --record` (the one
 * with `.1` first, if both are there; one alone will do).
 */
export declare class Recording {
  /** Runs all of it once, in pieces, so that any moment is near afterwards. */
  static open(parts: Uint8Array[], options?: RecordingOptions): Promise<Recording>;
  /**
   * Takes parts that have all of this one, and what came since: only that is run, at once. The position stays. False, and
   * nothing has changed, where they are not that: the oldest may be gone, or several engines share the topics.
   */
  grow(parts: Uint8Array[]): boolean;
  /** When the first and the last step was. */
  readonly from: number;
  readonly to: number;
  readonly stepCount: number;
  /** Bytes at its end that are torn or damaged, and were left out. */
  readonly torn: number;
  /** Why it goes no further than `stepCount`, where something in it makes no sense; a sentence. */
  readonly broken: string | undefined;
  /** Which version wrote it, and how many engines it has. */
  readonly madeBy: string;
  readonly shards: number;
  readonly position: Position;
  /** Goes there; answers the position it came to. `at`: after the last step at or before this time. */
  seek(to: { step: number } | { at: number }): Position;
  /** One step on; what it was, or undefined at the end. */
  next(): StepTold | undefined;
  /** One step back; which one is undone, or undefined at the beginning. */
  previous(): StepTold | undefined;
  /** Answers what only looks (GET /stats, /peek, /dead, /topics …) from the state at the position; else 403 READ_ONLY. */
  fetch(input: Request | URL | string, init?: RequestInit): Promise<Response>;
  /**
   * Steps `from`, `from + 1` … (counted from 1), as many as `count` or as there are: what happened since step n is
   * `steps(n + 1, count)`. Does not move the position.
   */
  steps(from: number, count: number): StepTold[];
  /** What happened to a message from the beginning to the position. `id`: 16 hex digits, as the API has them. */
  story(topic: string, id: string): StoryLine[];
  /** Gives its memory back. */
  close(): void;
}
