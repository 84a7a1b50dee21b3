import type { BrokerError } from '../errors.js';
import type { Change, Storage, StoredTopic } from './index.js';

/** The origin's private file system; only in dedicated workers. */
export declare class OpfsStorage implements Storage {
  private constructor();
  /** Opens a directory, under a lock of the browser until it is closed. */
  static open(name?: string): Promise<OpfsStorage>;
  readonly lost: Promise<BrokerError>;
  list(): Promise<StoredTopic[]>;
  read(topic: string, segment: number, offset: number, length: number): Promise<Uint8Array>;
  write(changes: Change[]): Promise<void>;
  close(): Promise<void>;
}
