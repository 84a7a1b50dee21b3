import type { Change, Storage, StoredTopic } from './index.js';

/** In memory: what a broker had is there for the next. */
export declare class MemoryStorage implements Storage {
  list(): Promise<StoredTopic[]>;
  read(topic: string, segment: number, offset: number, length: number): Promise<Uint8Array>;
  write(changes: Change[]): Promise<void>;
  close(): Promise<void>;
}
