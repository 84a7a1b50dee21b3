// The broker for all tabs, with its time, its consumers and producers.
import { looks, routeOf } from 'shelfmq/routes';
import { Broker, loadRest, MemoryStorage, type Storage } from 'shelfmq/split';
import { IndexedDbStorage } from 'shelfmq/storage/indexeddb';

import { reason } from '../../broker/fetch.js';
import type { Frame } from '../../broker/play.js';
import { Flows } from '../flows.js';
import type { About, News } from '../wire.js';
import { Actors, type Cast } from './actors.js';
import { BehindStorage } from './behind.js';
import { Frames } from './frames.js';
import { forgetful, openKept, type Kept } from './kept.js';
import { Recorded, type Bytes } from './recorded.js';
import { readState, writeState } from './state.js';
import { Tap } from './tap.js';
import { FAR_MS, Time } from './time.js';

const NAME = 'shelfmq-playground';
/** How many bytes of what happened are remembered, and of what happened before a reload: all of it is run to be looked at. */
const RECORD_BYTES = 48 * 1024 * 1024;
const KEPT_BYTES = 16 * 1024 * 1024;
/** What time it is and what happened is kept so much later, in milliseconds. */
const KEEP_MS = 250;
/** How long a broker that is not wanted any more may take to close, in milliseconds: the storage may take nothing any more. */
const CLOSE_MS = 2_000;
/** How long it may take to store what waits for that, in milliseconds. */
const FLUSH_MS = 10_000;
/** As long as nobody looks: consumers wait without an end. */
const MAX_WAIT_MS = 1_000 * 86_400_000;
/** How many timers may go by that nobody sees anything of. */
const HOPS = 50;
/** Speeds that make sense. */
const FASTEST = 1_000;

const NOBODY: Cast = { last: 0, consumers: [], producers: [] };

/** The answer where the browser would not store what was done. */
function unstored(why: unknown): Response {
  const full = why instanceof Error && why.name === 'QuotaExceededError';
  const body = {
    message: full ? 'STORAGE_FULL' : 'STORAGE_FAILED',
    detail: `The browser could not store it: ${reason(why)}`,
  };
  return Response.json(body, { status: full ? 507 : 503 });
}

/** Whether a request does something that is not to be forgotten. A lease may be: then the message is handed out again. */
function isForGood({ method, url }: Request): boolean {
  const { pathname, searchParams } = new URL(url);
  if (looks(method, pathname)) return false;
  return method !== 'GET' || searchParams.get('ack') === 'auto' || searchParams.has('fin');
}

export class Host {
  #broker: Broker | undefined;
  #storage: BehindStorage | undefined;
  #kept: Kept = forgetful();
  #recorded: Recorded | undefined;
  #time = new Time(Date.now(), () => this.#busy, () => {});
  #busy = 0;
  #from = 0;
  #run = 0;
  #opened: Promise<void>;
  #changing: Promise<unknown> = Promise.resolve();
  #keeping: ReturnType<typeof setTimeout> | undefined;
  #shown: Frame | undefined;
  #keeps: boolean;
  #whole: Promise<void> | undefined;
  readonly #flows = new Flows();
  readonly #actors: Actors;
  readonly #frames: Frames;
  readonly #tap: Tap;

  /**
   * @param keeps whether IndexedDB is ours
   * @param news tells all tabs
   */
  constructor(
    keeps: boolean,
    readonly tabs: () => number,
    readonly news: (news: News) => void,
  ) {
    this.#keeps = keeps;
    const host = this;
    this.#actors = new Actors(
      {
        fetch: (at, init) => this.#ask(at, init),
        get time() {
          return host.#time;
        },
        moved: (kind, at, ids) => this.#flows.see({ kind, ...at, count: ids.length, ids }),
        changed: () => this.#frames.changed(),
        busy: (change) => (this.#busy += change),
      },
      () => this.#changedCast(),
    );
    this.#frames = new Frames({
      fetch: () => this.#look(),
      flows: (shown) => this.#flows.upTo(shown),
      frame: (snapshot, flows) => {
        const { consumers, producers } = this.#actors;
        const frame = { now: this.#time.now, snapshot, flows, consumers, producers };
        // Who comes later is shown where things are, not how they moved.
        this.#shown = { ...frame, flows: [] };
        this.news({ frame });
      },
      now: () => this.news({ now: this.#time.now }),
    });
    this.#tap = new Tap((request) => this.#ask(request), (request) => this.#askOnly(request), {
      see: (seen) => this.#flows.see(seen),
      going: (topic, channel) => this.#actors.removeOf(topic, channel),
      changed: () => this.#frames.changed(),
      reshaped: () => this.#frames.reshaped(),
    });
    this.#opened = this.#begin();
    this.#opened.catch(() => {});
  }

  get about(): About {
    return { speed: this.#time.speed, tabs: this.tabs(), from: this.#from, run: this.#run, kept: this.#keeps };
  }

  /** The last frame, for a tab that comes. */
  get shown(): Frame | undefined {
    return this.#shown;
  }

  opened(): Promise<void> {
    return this.#opened;
  }

  /** Does something; when it comes back, what came of it is kept, and all tabs have been shown it. */
  async andShow<T>(act: () => T | Promise<T>): Promise<T> {
    this.#begun();
    const done = await act();
    await Promise.all([this.keep(), this.#frames.latest()]);
    return done;
  }

  /** The time, who is there, and what happened are known after a reload. */
  async keep(): Promise<void> {
    const values = [this.#kept.set('now', this.#time.now), this.#kept.set('cast', this.#actors.cast)];
    await Promise.all(this.#keeps ? [...values, this.#keepRecorded()] : values);
  }

  /** Answers a tab: what it is told to be done is durable, or it is told that it is not. */
  readonly fetch = async (request: Request): Promise<Response> => {
    await this.#opened;
    const response = await this.#tap.through(request);
    this.#keepTime();
    const settles = isForGood(request);
    if (settles) this.#begun();
    if (settles && response.ok) {
      try {
        await this.#storage?.flushed();
      } catch (why) {
        return unstored(why);
      }
    }
    return response;
  };

  get actors(): Actors {
    return this.#actors;
  }

  setSpeed(speed: number): void {
    if (!(speed >= 0 && speed <= FASTEST)) throw new Error(`a speed is a number from 0 to ${FASTEST}`);
    this.#time.setSpeed(speed);
    void this.#kept.set('speed', speed).catch(() => {});
    this.#keepTime();
    this.news({ about: this.about });
  }

  async step(): Promise<void> {
    await this.#time.step();
  }

  advance(ms: number): Promise<void> {
    if (!(ms >= 0 && ms <= FAR_MS)) throw new Error('time goes on by at most 20 days at once');
    return this.#time.advance(ms);
  }

  /** Goes on from one thing that is due to the next, until messages have gone somewhere by themselves. */
  async nextDeadline(): Promise<boolean> {
    for (let hop = 0; hop < HOPS; hop += 1) {
      const due = this.#broker?.nextTimeout();
      if (due === undefined || due > this.#time.now + FAR_MS) return false;
      const before = await this.#counts();
      await this.#time.advance(Math.max(1, Math.ceil(due - this.#time.now)));
      if ((await this.#counts()) !== before) return true;
    }
    return false;
  }

  /** What happened, in parts: to this broker, and to those before it where not only its own is wanted. */
  async recording(own = false): Promise<Bytes[]> {
    await this.#opened;
    const before = own ? [] : ((await this.#recorded?.before()) ?? []);
    return [...before, ...((this.#broker?.recording() ?? []) as Bytes[])];
  }

  async exportLog(topic: string): Promise<Bytes> {
    await this.#opened;
    return (await this.#broker!.exportLog(topic)) as Bytes;
  }

  importLog(bytes: Bytes): Promise<string> {
    return this.#anew(async (storage) => Broker.importLog(storage, bytes));
  }

  async exportState(): Promise<Bytes> {
    await this.#opened;
    const names = (await this.#storage!.list()).map(({ topic }) => topic).sort();
    const logs = await Promise.all(names.map((name) => this.exportLog(name)));
    return writeState({ now: this.#time.now, speed: this.#time.speed, cast: this.#actors.cast, logs });
  }

  async importState(bytes: Bytes): Promise<void> {
    // Nothing that is here goes where what comes makes no sense.
    const { now, speed, cast, logs } = readState(bytes);
    const trial = new MemoryStorage();
    for (const log of logs) await Broker.importLog(trial, log);
    await this.#anew(
      async (storage) => {
        await clear(storage);
        for (const log of logs) await Broker.importLog(storage, log);
      },
      { now, speed, cast },
    );
  }

  async reset(): Promise<void> {
    await this.#anew(clear, { now: Date.now(), speed: 1, cast: NOBODY });
  }

  /** Somebody does something: what of the broker a first look does not need is fetched meanwhile. */
  #begun(): void {
    this.#whole ??= loadRest().catch(() => {
      this.#whole = undefined;
    });
  }

  /** Something of the API, by whoever. */
  async #ask(input: string | Request, init?: RequestInit): Promise<Response> {
    if (!this.#broker) throw new Error('the broker is not open');
    return this.#broker.fetch(input, init);
  }

  /** Something that only looks: as a look, where that tells all. Messages may be in the storage alone. */
  async #askOnly(request: Request): Promise<Response> {
    const showsMessages = routeOf(request.method, new URL(request.url).pathname)?.of === 'topic';
    const look = showsMessages ? undefined : await this.#look()?.(request);
    return look === undefined || look.status === 403 ? this.#ask(request) : look;
  }

  /** Looks at the broker. What only looks need not be written down with what happened. */
  #look(): Broker['look'] | undefined {
    return this.#broker?.look;
  }

  async #counts(): Promise<string> {
    const { topics } = (await (await this.#look()!('/stats?format=json')).json()) as { topics: unknown };
    return JSON.stringify(topics);
  }

  async #begin(): Promise<void> {
    if (this.#keeps) {
      try {
        this.#kept = await openKept(`${NAME}-values`);
      } catch {
        // A private window may have no storage.
        this.#keeps = false;
      }
    }
    const [now, speed, cast, madeBy] = await Promise.all([
      this.#kept.get<number>('now'),
      this.#kept.get<number>('speed'),
      this.#kept.get<Cast>('cast'),
      this.#kept.get<string>('madeBy'),
    ]);
    this.#recorded = await Recorded.open(this.#kept.recorded, KEPT_BYTES);
    // A build has a name of its own, and what another one recorded cannot be run by this one.
    if (madeBy !== import.meta.url) await this.#recorded.clear();
    await this.#kept.set('madeBy', import.meta.url);
    // What was kept is read by parts of the broker that a first visit has no use for.
    if (now !== undefined) await loadRest();
    await this.#open(await this.#openStorage(), { now: now ?? Date.now(), speed: speed ?? 1, cast: cast ?? NOBODY });
  }

  async #openStorage(): Promise<Storage> {
    return this.#keeps ? IndexedDbStorage.open(NAME) : this.#storage?.inner ?? new MemoryStorage();
  }

  async #open(storage: Storage, { now, speed, cast }: { now: number; speed: number; cast: Cast }): Promise<void> {
    const time = new Time(now, () => this.#busy, (fired) => {
      this.#keepTime();
      if (fired) this.#frames.changed();
      else this.#frames.moved();
    });
    this.#time = time;
    // No message is from a time that is later than what is known after a reload.
    this.#storage = new BehindStorage(storage, () => this.#kept.set('now', time.now));
    this.#recorded!.begin(now);
    this.#from = this.#recorded!.from ?? now;
    this.#run += 1;
    this.#flows.clear();
    this.#broker = await Broker.open({
      storage: this.#storage,
      clock: time.clock,
      limits: { maxWait: MAX_WAIT_MS },
      record: { bytes: RECORD_BYTES },
    });
    this.#actors.start(cast);
    time.setSpeed(speed);
    this.#frames.reshaped();
    this.news({ about: this.about });
  }

  /** Closes the broker, does something with its storage, and opens it again, with all that was there or with other. */
  #anew<T>(change: (storage: Storage) => Promise<T>, to?: { now: number; speed: number; cast: Cast }): Promise<T> {
    const done = this.#changing.then(async () => {
      // One that could not be opened is no reason not to open another.
      await this.#opened.catch(() => {});
      // Where nothing can be stored at the moment, all stays as it is.
      if (!to) await within(FLUSH_MS, this.#storage?.flushed());
      let opened = () => {};
      let failed: (why: unknown) => void = () => {};
      this.#opened = new Promise((resolve, reject) => ([opened, failed] = [resolve, reject]));
      this.#opened.catch(() => {});
      try {
        const { speed } = this.#time;
        const cast = this.#actors.stop();
        await this.#time.close();
        await this.#close(to === undefined);
        if (to) await this.#forget();
        const storage = await this.#openStorage();
        try {
          return await change(storage);
        } finally {
          await this.#open(storage, to ?? { now: this.#time.now, speed, cast });
          opened();
          if (to) await Promise.all([this.#kept.set('now', to.now), this.#kept.set('speed', to.speed)]);
          this.#changedCast();
        }
      } catch (why) {
        // Once it is open, this changes nothing.
        failed(why);
        throw why;
      }
    });
    this.#changing = done.catch(() => {});
    return done;
  }

  /** Closes the broker and its storage, however these are. */
  async #close(keeps: boolean): Promise<void> {
    const broker = this.#broker;
    // What is to stay is given more time.
    const time = keeps ? FLUSH_MS : CLOSE_MS;
    await within(time, keeps ? this.#keepRecorded() : this.#storage?.drop()).catch(() => {});
    this.#broker = undefined;
    let waits = !keeps;
    const closed = within(time, broker?.close())
      .catch(async () => {
        await within(CLOSE_MS, this.#storage?.drop()).catch(() => {});
        await this.#storage?.inner.close();
      })
      .finally(() => (waits = false));
    // Where it waits for room, it does so in a time that stands still by now.
    while (waits && (await this.#time.step()));
    await closed;
  }

  /** Nothing has happened yet. Where site data were cleared, what is kept has to be opened anew for it. */
  async #forget(): Promise<void> {
    try {
      await this.#recorded!.clear();
    } catch {
      if (this.#keeps) this.#kept = await openKept(`${NAME}-values`);
      await this.#kept.set('madeBy', import.meta.url);
      this.#recorded = await Recorded.open(this.#kept.recorded, KEPT_BYTES);
      await this.#recorded.clear();
    }
  }

  #changedCast(): void {
    void this.#kept.set('cast', this.#actors.cast).catch(() => {});
    this.#frames.changed();
  }

  #keepTime(): void {
    this.#keeping ??= setTimeout(() => {
      this.#keeping = undefined;
      void this.keep().catch(() => {});
    }, KEEP_MS);
  }

  /** Where it cannot be kept, the past is shorter. */
  async #keepRecorded(): Promise<void> {
    if (this.#broker) await this.#recorded?.keep(this.#broker, this.#time.now).catch(() => {});
  }
}

/** A storage has nothing any more. */
async function clear(storage: Storage): Promise<void> {
  const topics = await storage.list();
  if (topics.length > 0) await storage.write(topics.map(({ topic }) => ({ kind: 'delete', topic })));
}

/** Something that takes so many milliseconds at most. */
async function within<T>(ms: number, what: Promise<T> | undefined): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => (timer = setTimeout(() => reject(new Error(`it takes more than ${ms} ms`)), ms)));
  try {
    return await Promise.race([what, late]);
  } finally {
    clearTimeout(timer);
  }
}
