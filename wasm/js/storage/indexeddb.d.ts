import type { BrokerError } from '../errors.js';
import type { Change, Storage, StoredTopic } from './index.js';

/** IndexedDB, in a page or a worker. */
export declare class IndexedDbStorage implements Storage {
  private constructor();
  /**
   * Opens a database, under a lock of the browser until it is closed. Where the browser has no locks (a page that did not come
   * over HTTPS), whoever opens it last has it, and the other's broker ends with `STORAGE_LOST` before it writes anything.
   *
   * `persist` asks the browser not to clear the origin's data when it wants room (`navigator.storage.persist()`; pages only).
   */
  static open(name?: string, options?: { persist?: boolean }): Promise<IndexedDbStorage>;
  readonly lost: Promise<BrokerError>;
  list(): Promise<StoredTopic[]>;
  read(topic: string, segment: number, offset: number, length: number): Promise<Uint8Array>;
  write(changes: Change[]): Promise<void>;
  close(): Promise<void>;
}
