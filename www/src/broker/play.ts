// What the broker in the page can do beyond the API: its time, its recording, its consumers. It runs in a worker that
// all tabs of this origin share (src/playground/worker.ts); this is how a tab sees it.
import type { ReadonlySignal } from '@preact/signals';

import type { Fetch } from './fetch.js';
import type { Snapshot } from './snapshot.js';

/** What a simulated consumer does with each message. */
export type Behaviour =
  /** Finishes it at once. */
  | 'fast'
  /** Takes two seconds. */
  | 'slow'
  /** Requeues every third. */
  | 'flaky'
  /** Never says anything: its leases run out. */
  | 'crashes'
  /** One at a time, in order, half a second each; makes its channel an ordered one. */
  | 'ordered';

export const BEHAVIOURS: readonly Behaviour[] = ['fast', 'slow', 'flaky', 'crashes', 'ordered'];

export interface ConsumerSpec {
  topic: string;
  channel: string;
  behaviour: Behaviour;
  /** Its name in `/stats`; made up where it is not said. */
  name?: string;
  /** How long a lease lasts, as `5s`; the channel's where it is not said. */
  timeout?: string;
}

export interface ConsumerView extends Required<Omit<ConsumerSpec, 'timeout'>> {
  id: number;
  /** Ids of the messages that it has. */
  holds: string[];
  finished: number;
  requeued: number;
}

export interface ProducerSpec {
  topic: string;
  /** Messages a second of the broker's time, 0.1 to 5,000. */
  rate: number;
  /** Messages have ordering keys `a`, `b`, `c` … of so many; 0: none. */
  keys?: number;
}

export interface ProducerView extends Required<ProducerSpec> {
  id: number;
  published: number;
}

/** What moved since the last frame, for what the eye can follow: with counts, and some of the ids. */
export interface Flow {
  kind: 'published' | 'delivered' | 'finished' | 'requeued' | 'timed_out' | 'dead' | 'redriven';
  topic: string;
  /** Not for what was published. */
  channel?: string;
  /** The consumer, where one is known. */
  client?: string;
  count: number;
  /** At most 20. */
  ids: string[];
}

/** What a tab is shown, about 20 times a second while something changes. */
export interface Frame {
  /** The moment that is shown, ms since 1970. */
  now: number;
  snapshot: Snapshot;
  flows: Flow[];
  consumers: ConsumerView[];
  producers: ProducerView[];
}

/** What is known of the past: of this broker, or of a recording that was opened. */
export interface History {
  /** ms since 1970. */
  from: number;
  to: number;
  steps: number;
  /** The recording's file, where it is one. */
  file?: string;
  /** Why it ends before its end, where it does. */
  broken?: string;
}

/** Where this tab is in the past. */
export interface Moment {
  at: number;
  step: number;
}

/** One thing that happened, as a recording tells it. */
export interface Told {
  step: number;
  at: number;
  /** One line, as `POST /pub books → 200 OK`. */
  text: string;
  /** All that is known, as JSON. */
  detail: unknown;
}

export interface Play {
  readonly fetch: Fetch;
  readonly frame: ReadonlySignal<Frame | undefined>;
  /** How fast time goes: 0 stands still, 1 is real time. Shared by all tabs. */
  readonly speed: ReadonlySignal<number>;
  readonly history: ReadonlySignal<History | undefined>;
  /** The moment of the past that this tab looks at; undefined: now. */
  readonly past: ReadonlySignal<Moment | undefined>;
  /** How many tabs share this broker; 1 where that cannot be known. */
  readonly tabs: ReadonlySignal<number>;
  /** False where another tab has the storage, and this one cannot share its broker: all is lost with a reload. */
  readonly kept: ReadonlySignal<boolean>;
  /** How much of a recording has been read, from 0 to 1, while that is done. */
  readonly reading: ReadonlySignal<number | undefined>;

  setSpeed(speed: number): Promise<void>;
  /** Time goes on to the next thing that happens: a deadline, or a consumer's next act. */
  step(): Promise<void>;
  /** Time goes on to the broker's next deadline: a lease or a delay that ends. False where there is none. */
  nextDeadline(): Promise<boolean>;
  advance(ms: number): Promise<void>;

  /** Looks at a moment of the past, by time or by step; `undefined`: back to now. */
  travel(to: { at: number } | { step: number } | undefined): Promise<void>;
  /** Takes in what has happened up to now, without going there. */
  catchUp(): Promise<History>;
  /** What happened in so many steps from this one on: what matters of them. */
  told(from: number, count: number): Promise<Told[]>;
  /** What happened to a message, and why it is where it is, up to the moment that is shown. */
  story(topic: string, id: string): Promise<unknown[]>;

  addConsumer(spec: ConsumerSpec): Promise<number>;
  removeConsumer(id: number): Promise<void>;
  addProducer(spec: ProducerSpec): Promise<number>;
  removeProducer(id: number): Promise<void>;

  /** Steps through what a server (or another playground) did: files of `shelfmq serve --record`. */
  openRecording(name: string, parts: Uint8Array<ArrayBuffer>[]): Promise<void>;
  /** Back from a recording to the own broker. */
  closeRecording(): Promise<void>;
  /** Puts a topic's log in (`shelfmq log export`); answers the topic's name. */
  importLog(bytes: Uint8Array<ArrayBuffer>): Promise<string>;
  exportLog(topic: string): Promise<Uint8Array<ArrayBuffer>>;
  /** This broker's recording so far: `shelfmq replay` reads it, too. */
  recording(): Promise<Uint8Array<ArrayBuffer>[]>;
  /** All topics with their messages, the time and the consumers, as bytes to be shared. */
  exportState(): Promise<Uint8Array<ArrayBuffer>>;
  importState(bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** An empty broker: all topics, consumers and producers go. */
  reset(): Promise<void>;
}
