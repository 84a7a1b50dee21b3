// A recording, to step through: of `broker.recording()`, or of `shelfmq serve --record`.
import { bind } from '../pkg/shelfmq_recording.js';
import { instantiate } from './instance.js';
import { loader } from './loader.js';
import { requestOf } from './request.js';

const find = loader(() => new URL('../pkg/shelfmq_recording_bg.wasm', import.meta.url), 'shelfmq/recording.wasm');

/** How many bytes images may take, where nothing else is said. */
const IMAGE_BYTES = 64 * 1024 * 1024;
/** About how many bytes are run before somebody else has a turn. */
const RUN_BYTES = 1024 * 1024;

/** Answers what the core does; where it cannot go on, for the bytes say what no broker did, in a sentence. */
function guarded(call) {
  try {
    return call();
  } catch (why) {
    if (why?.code !== 'BROKER_FAILED') throw why;
    throw new Error('shelfmq: this recording tells of something that no broker does', { cause: why.cause });
  }
}

export class Recording {
  #core;
  #about;

  constructor(core) {
    this.#core = core;
    this.#about = JSON.parse(core.about());
    // So that it can be handed to whatever wants a fetch function.
    this.fetch = this.fetch.bind(this);
  }

  static async open(parts, { imageBytes = IMAGE_BYTES, onProgress, signal, module } = {}) {
    // Each has an instance of its own: what one tells of harms no other.
    const instance = await instantiate(bind, await find(module));
    const core = guarded(() => instance.Recording.open(parts, imageBytes));
    const bytes = parts.reduce((sum, part) => sum + part.length, 1);
    let run = 0;
    while (!guarded(() => core.run(RUN_BYTES))) {
      signal?.throwIfAborted();
      run += RUN_BYTES;
      onProgress?.(Math.min(run / bytes, 1));
      await new Promise((resume) => setTimeout(resume));
    }
    onProgress?.(1);
    return new Recording(core);
  }

  grow(parts) {
    const { step } = this.position;
    if (!guarded(() => this.#core.grow(parts))) return false;
    while (!guarded(() => this.#core.run(RUN_BYTES)));
    this.#about = JSON.parse(this.#core.about());
    this.seek({ step });
    return true;
  }

  get from() {
    return this.#about.from;
  }

  get to() {
    return this.#about.to;
  }

  get stepCount() {
    return this.#about.stepCount;
  }

  get torn() {
    return this.#about.torn;
  }

  get broken() {
    return this.#about.broken ?? undefined;
  }

  get madeBy() {
    return this.#about.madeBy;
  }

  get shards() {
    return this.#about.shards;
  }

  get position() {
    return { step: this.#core.step(), at: this.#core.at() };
  }

  seek({ step, at }) {
    guarded(() => (step === undefined ? this.#core.seekTime(at) : this.#core.seek(step)));
    return this.position;
  }

  next() {
    return this.#told(guarded(() => this.#core.forward()));
  }

  previous() {
    return this.#told(guarded(() => this.#core.back()));
  }

  async fetch(input, init) {
    const request = requestOf(input, init);
    return guarded(() => this.#core.fetch(request));
  }

  steps(from, count) {
    return JSON.parse(guarded(() => this.#core.steps(from, count)));
  }

  story(topic, id) {
    return JSON.parse(guarded(() => this.#core.story(topic, id)));
  }

  close() {
    // The instance goes, with its memory.
    this.#core = undefined;
  }

  #told(json) {
    return json === undefined ? undefined : JSON.parse(json);
  }
}
