import type { Change, Storage, StoredTopic } from './index.js';

/** The storage of a Durable Object, or of whatever has its `list`, `put` and `delete`. */
export declare class DurableObjectStorage implements Storage {
  constructor(storage: object);
  list(): Promise<StoredTopic[]>;
  read(topic: string, segment: number, offset: number, length: number): Promise<Uint8Array>;
  write(changes: Change[]): Promise<void>;
  close(): Promise<void>;
  letGo(): Promise<void>;
}
