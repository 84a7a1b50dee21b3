// The past, as a tab goes through it: the recording of the broker, or one that was opened from files. It is run again
// in a worker of this tab's own, so that neither the page nor the living broker waits for it.
import { signal, type ReadonlySignal } from '@preact/signals';
import { fetchOver } from 'shelfmq/port';

import { ORIGIN, type Fetch } from '../broker/fetch.js';
import type { Frame, History, Moment, Told } from '../broker/play.js';
import { Absent } from './absent.js';
import { remote, type Remote } from './rpc.js';
import type { About, HostCalls } from './wire.js';

type Bytes = Uint8Array<ArrayBuffer>;
export type To = { at: number } | { step: number };

/** What a recording is. */
export interface Opened {
  from: number;
  to: number;
  steps: number;
  /** Why it goes no further, or how many bytes are torn off. */
  broken?: string;
}

/** What there is at a moment. */
export interface Shown {
  moment: Moment;
  frame: Frame;
}

/** What the worker with a recording does. */
export interface PastCalls {
  open(parts: Bytes[]): Promise<Opened>;
  seek(to: To): Promise<Shown>;
  told(from: number, count: number): Promise<Told[]>;
  /** Up to a step. */
  story(topic: string, id: string, step: number): Promise<unknown[]>;
}

export class Past {
  readonly moment = signal<Moment | undefined>(undefined);
  readonly frame = signal<Frame | undefined>(undefined);
  readonly history = signal<History | undefined>(undefined);
  /** How much of a recording has been read, from 0 to 1; undefined when none is being read. */
  readonly reading = signal<number | undefined>(undefined);

  #absent: { run: number; known: Absent } | undefined;
  #worker: Worker | undefined;
  #calls: Remote<PastCalls> | undefined;
  #ask: Fetch | undefined;
  #gone = new AbortController();
  /** What is open: how far it goes, and of which run of the broker it is. */
  #opened: (Opened & { run: number }) | undefined;
  #opening: Promise<void> | undefined;
  /** Of the broker's own recording, as long as that was not asked for. */
  #queued: Promise<void> | undefined;
  /** What is asked of the worker comes one after another: while it reads, there is no recording to look at. */
  #turn: Promise<unknown> = Promise.resolve();
  #file: string | undefined;
  /** Where to go next; only the last wish counts. */
  #wish: { to: To; done: ((why?: unknown) => void)[] } | undefined;
  #going = false;
  /** Counts the ways back to now. */
  #trip = 0;

  constructor(
    readonly host: Remote<HostCalls>,
    readonly about: ReadonlySignal<About>,
    /** What time it is for the broker. */
    readonly now: () => number,
    /** Asks the broker as it is now. */
    readonly live: Fetch,
  ) {}

  readonly fetch: Fetch = (at, init) => this.#ask!(ORIGIN + at, init);

  /** Looks at a moment; `undefined`: back to now, which is in no recording that was opened. */
  async travel(to: To | undefined): Promise<void> {
    if (to === undefined) return this.#file === undefined ? this.#leave() : this.close();
    const trip = this.#trip;
    await this.#upTo('at' in to ? to.at : undefined);
    if (trip !== this.#trip) return;
    await new Promise<void>((resolve, reject) => {
      const done = [...(this.#wish?.done ?? []), (why?: unknown) => (why === undefined ? resolve() : reject(why))];
      this.#wish = { to, done };
      void this.#go();
    });
  }

  async told(from: number, count: number): Promise<Told[]> {
    await this.#upTo();
    return this.#inTurn(() => this.#there.told(from, count));
  }

  async story(topic: string, id: string): Promise<unknown[]> {
    // Of now, where this tab is in no past.
    if (this.moment.value) await this.#upTo();
    else await this.catchUp();
    return this.#inTurn(() => this.#there.story(topic, id, this.moment.value?.step ?? this.#opened!.steps));
  }

  /** Takes in what has happened up to now, unless that is not what is looked at. */
  async catchUp(): Promise<History> {
    if (this.#file === undefined && !this.#looking) await this.#read();
    else await this.#opening;
    return this.history.value ?? this.#historyOf(this.#opened!);
  }

  /** Opens files of a recording. */
  async open(name: string, parts: Bytes[]): Promise<void> {
    await this.#read(parts, name);
    await this.travel({ step: this.#opened!.steps });
  }

  /** Back to the broker of this page. */
  close(): void {
    this.#end();
    this.#file = undefined;
    this.#leave();
  }

  /** Nowhere in the past any more; whoever is on the way there comes back. */
  #leave(): void {
    this.#trip += 1;
    for (const tell of this.#wish?.done ?? []) tell();
    this.#wish = undefined;
    this.moment.value = undefined;
    if (this.#file === undefined) this.history.value = undefined;
  }

  /** There is a recording, that goes up to this time. */
  async #upTo(at?: number): Promise<void> {
    await this.#opening?.catch(() => {});
    const reaches = this.#opened && (at === undefined || this.#file !== undefined || at <= this.#opened.to);
    // Where the broker was opened anew since, its recording is another one.
    const same = this.#file !== undefined || this.#opened?.run === this.about.value.run;
    if (reaches && same) {
      this.history.value ??= this.#historyOf(this.#opened!);
      return;
    }
    await this.#read();
  }

  /** Somebody looks at a moment of what is open, or is on the way to one. */
  get #looking(): boolean {
    return this.moment.value !== undefined || this.#wish !== undefined || this.#going;
  }

  /** Reads a recording: of files, or the broker's own up to now. */
  #read(parts?: Bytes[], file?: string): Promise<void> {
    if (file === undefined && this.#queued) return this.#queued;
    const read = async () => {
      if (file === undefined) {
        this.#queued = undefined;
        // Somebody opened one meanwhile.
        if (this.#file !== undefined) return;
      }
      const { run } = this.about.value;
      const recorded = parts ?? (await this.host.recording());
      if (recorded.length === 0) throw new Error('nothing was recorded');
      if (file !== undefined) this.#end();
      const calls = this.#start();
      this.reading.value = 0;
      try {
        // After the last thing that happened, time went on to now.
        const now = file === undefined ? this.now() : 0;
        const opened = file === undefined ? await this.#openOwn(calls, recorded) : await calls.open(recorded);
        this.#opened = { ...opened, to: Math.max(opened.to, now), run };
        this.#file = file;
        this.history.value = this.#historyOf(this.#opened);
      } catch (why) {
        this.close();
        throw why;
      } finally {
        this.reading.value = undefined;
      }
    };
    // Whoever wants to go somewhere waits for this.
    this.#opening = this.#inTurn(read);
    if (file === undefined) this.#queued = this.#opening;
    return this.#opening;
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(act);
    this.#turn = done.catch(() => {});
    return done;
  }

  /** The worker that has a recording. */
  get #there(): Remote<PastCalls> {
    if (!this.#calls) throw new Error('no recording is open');
    return this.#calls;
  }

  /** What was kept of brokers before this one may be damaged: then the past is that of this one. */
  async #openOwn(calls: Remote<PastCalls>, recorded: Bytes[]): Promise<Opened> {
    const opened = await calls.open(recorded).catch(() => undefined);
    return opened && opened.broken === undefined ? opened : calls.open(await this.host.recording(true));
  }

  #historyOf({ from, to, steps, broken }: Opened): History {
    return { from, to, steps, ...(this.#file === undefined ? {} : { file: this.#file }), ...(broken === undefined ? {} : { broken }) };
  }

  #start(): Remote<PastCalls> {
    if (this.#calls) return this.#calls;
    const worker = new Worker(new URL('./past.worker.ts', import.meta.url), { type: 'module', name: 'shelfmq-past' });
    const [api, control] = [new MessageChannel(), new MessageChannel()];
    worker.postMessage('ports', [api.port2, control.port2]);
    const gone = new AbortController();
    worker.addEventListener('error', () => gone.abort(new Error('what happened cannot be read here: its worker does not start')));
    this.#gone = gone;
    this.#worker = worker;
    this.#ask = fetchOver(api.port1);
    this.#calls = remote<PastCalls>(control.port1, (news) => (this.reading.value = news as number), gone.signal);
    return this.#calls;
  }

  /** Gives all memory back. */
  #end(): void {
    this.#worker?.terminate();
    this.#gone.abort(new Error('the recording was closed'));
    this.#worker = undefined;
    this.#calls = undefined;
    this.#opened = undefined;
  }

  async #go(): Promise<void> {
    if (this.#going) return;
    this.#going = true;
    while (this.#wish) await this.#inTurn(() => this.#seek());
    this.#going = false;
  }

  async #seek(): Promise<void> {
    if (!this.#wish) return;
    const { to, done } = this.#wish;
    const trip = this.#trip;
    this.#wish = undefined;
    try {
      const { moment, frame } = await this.#there.seek(to);
      if (this.#file === undefined) await this.#known().fill(frame.snapshot, frame.now);
      if (trip === this.#trip) {
        this.frame.value = frame;
        this.moment.value = moment;
      }
      for (const tell of done) tell();
    } catch (why) {
      // Whoever came back meanwhile does not ask any more.
      for (const tell of done) tell(trip === this.#trip ? why : undefined);
    }
  }

  /** What the broker said of its messages: one that was opened anew may say something else. */
  #known(): Absent {
    const { run } = this.about.value;
    if (this.#absent?.run !== run) this.#absent = { run, known: new Absent(this.live) };
    return this.#absent.known;
  }
}
