// What stands between a broker and a storage: one broker has it, each topic fails for itself, and all that is under way
// comes to its end before another may have it.
import { BrokerError, inUse } from './errors.js';

/** Storages that a broker has. All copies of this package in one place share it. */
const TAKEN = (globalThis[Symbol.for('shelfmq.storages')] ??= new WeakSet());

/** What says that there is no room, and what says that something cannot be begun for now. */
const FULL = new Set(['QuotaExceededError', 'ENOSPC', 'EDQUOT']);
const BUSY = new Set(['EMFILE', 'ENFILE']);

const kindOf = (why) => {
  const [name, code] = [why?.name, why?.code];
  return FULL.has(name) || FULL.has(code) ? 'full' : BUSY.has(code) ? 'busy' : 'unknown';
};

/** A storage as a broker has it. */
export class Keeper {
  #storage;
  /** What was asked of it and is not at its end. */
  #underWay = new Set();
  #released;

  /** Takes a storage, which nobody else is to have. */
  constructor(storage) {
    if (TAKEN.has(storage)) throw inUse('the storage');
    TAKEN.add(storage);
    this.#storage = storage;
    RELEASES?.register(this, storage, this);
  }

  /** Where the storage is lost to somebody else: told why. */
  get lost() {
    return this.#storage.lost;
  }

  list() {
    return this.#until(() => this.#storage.list());
  }

  read(topic, segment, offset, length) {
    return this.#until(() => this.#storage.read(topic, segment, offset, length));
  }

  /** All or an error. */
  async write(changes) {
    const [failure] = await this.writeEach(changes);
    if (failure) throw failure[2];
  }

  /** Answers which topics could not be written, each with how and why: `[topic, kind, error]`. */
  writeEach(changes) {
    return this.#until(() => this.#writeEach(changes));
  }

  /** The storage is closed, and somebody else may have it. */
  release() {
    return (this.#released ??= this.#release(() => this.#storage.close()));
  }

  /** Somebody else may have it, who may go on with it as it is. */
  letGo() {
    return (this.#released ??= this.#release(() => this.#storage.letGo?.()));
  }

  async #writeEach(changes) {
    const failures = await write(this.#storage, changes);
    return failures.map(({ topic, error }) => [topic, kindOf(error), error]);
  }

  async #release(act) {
    await Promise.allSettled(this.#underWay);
    RELEASES?.unregister(this);
    try {
      await act();
    } finally {
      TAKEN.delete(this.#storage);
    }
  }

  /** Once it is let go of, nothing more is asked of it: it may be somebody else's by then. */
  #until(ask) {
    if (this.#released) return Promise.reject(new BrokerError('BROKER_CLOSED', 'the storage was let go of'));
    const settled = Promise.resolve(ask());
    const done = settled.then(
      () => this.#underWay.delete(done),
      () => this.#underWay.delete(done),
    );
    this.#underWay.add(done);
    return settled;
  }
}

/** What nobody holds any more lets go of its storage: a broker that was forgotten. */
const RELEASES =
  typeof FinalizationRegistry === 'undefined'
    ? undefined
    : new FinalizationRegistry((storage) => {
        TAKEN.delete(storage);
        Promise.resolve(storage.close()).catch(() => {});
      });

/** Writes; where a storage only says that something failed, each topic for itself. */
async function write(storage, changes) {
  try {
    await storage.write(changes);
    return [];
  } catch (error) {
    if (Array.isArray(error?.failures)) return error.failures;
    const topics = Map.groupBy ? Map.groupBy(changes, ({ topic }) => topic) : groups(changes);
    if (topics.size === 1) return [{ topic: changes[0].topic, error }];
    const failures = [];
    for (const [topic, own] of topics) {
      await storage.write(own).catch((error) => failures.push({ topic, error }));
    }
    return failures;
  }
}

function groups(changes) {
  const topics = new Map();
  for (const change of changes) topics.set(change.topic, [...(topics.get(change.topic) ?? []), change]);
  return topics;
}

/** Does something with a storage that no broker has. */
export async function withStorage(storage, act) {
  if (!storage) throw new BrokerError('INVALID_STORAGE', 'there is no storage');
  const keeper = new Keeper(storage);
  try {
    return await act(keeper);
  } finally {
    await keeper.letGo();
  }
}
