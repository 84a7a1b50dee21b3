import type { Change, Storage, StoredTopic } from './index.js';

/**
 * Files in Node: a data directory as a shelfmq server has it. It is locked by the first call, with the server's own lock, until
 * it is closed. On Linux that needs one of the programs `flock`, `perl` and `python3`: where there is none, it is not opened
 * (`NO_LOCK`).
 */
export declare class FileStorage implements Storage {
  /** @param path the data directory; it is made where it is not there */
  constructor(path: string);
  list(): Promise<StoredTopic[]>;
  read(topic: string, segment: number, offset: number, length: number): Promise<Uint8Array>;
  write(changes: Change[]): Promise<void>;
  close(): Promise<void>;
  letGo(): Promise<void>;
}
