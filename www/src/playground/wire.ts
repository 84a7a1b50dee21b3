// What a tab and the worker with the broker say to each other, beside the API's own requests.
import type { ConsumerSpec, Frame, ProducerSpec } from '../broker/play.js';

type Bytes = Uint8Array<ArrayBuffer>;

/** A tab comes; where there are locks, it holds one of this name for as long as it lives. Two ports come with it: for the API, and this. */
export interface Join {
  join: string;
}

/** What a tab may ask of the worker. */
export interface HostCalls {
  /** Kept once the broker is open. */
  ready(): Promise<About>;
  setSpeed(speed: number): Promise<void>;
  step(): Promise<void>;
  nextDeadline(): Promise<boolean>;
  advance(ms: number): Promise<void>;
  addConsumer(spec: ConsumerSpec): Promise<number>;
  removeConsumer(id: number): Promise<void>;
  addProducer(spec: ProducerSpec): Promise<number>;
  removeProducer(id: number): Promise<void>;
  importLog(bytes: Bytes): Promise<string>;
  exportLog(topic: string): Promise<Bytes>;
  /** What happened; `own`: only to this broker, not to those before a reload. */
  recording(own?: boolean): Promise<Bytes[]>;
  exportState(): Promise<Bytes>;
  importState(bytes: Bytes): Promise<void>;
  reset(): Promise<void>;
  /** This tab is about to go: what is only in memory is to be kept. */
  keep(): Promise<void>;
  /** This tab goes, where no lock tells. */
  leave(): Promise<void>;
  /** Whether this tab wants frames: one that nobody sees does not. */
  show(wanted: boolean): Promise<void>;
}

/** What all tabs share, beside the broker's own state. */
export interface About {
  speed: number;
  tabs: number;
  /** When what is known began: there is no past before. */
  from: number;
  /** Counts the runs of this worker: another one has another past. */
  run: number;
  /** Whether what is published is there after a reload. */
  kept: boolean;
}

export type News = { frame: Frame } | { now: number } | { about: About };
