// Simulated consumers.
import type { Behaviour, ConsumerSpec, ConsumerView } from '../../broker/play.js';
import { ok, path } from '../../broker/fetch.js';
import { Actor, POLL_WAIT, type Stage } from './actor.js';

interface Leased {
  id: string;
  receipt: string;
}

interface Manner {
  /** How many it takes at once. */
  max: number;
  /** How long it works on what it has, in milliseconds. */
  works: number;
  /** Every so many-th is put back. */
  fails?: number;
  /** It says nothing any more once it has something. */
  silent?: true;
  ordered?: true;
}

const MANNERS: Record<Behaviour, Manner> = {
  fast: { max: 100, works: 0 },
  slow: { max: 1, works: 2_000 },
  flaky: { max: 10, works: 100, fails: 3 },
  crashes: { max: 1, works: 0, silent: true },
  ordered: { max: 1, works: 500, ordered: true },
};
/** What is put back is due again after this. */
const REQUEUE = '1s';
/** How long a lease lasts where neither the consumer nor the channel says, in milliseconds. */
const LEASE_MS = 60_000;

const UNITS_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `500ms`, `5s`, `2m`, `1h30m`, `1d` or a bare number of milliseconds, in milliseconds. */
export function milliseconds(text: string): number | undefined {
  const whole = text.trim();
  if (/^\d+$/.test(whole)) return Number(whole);
  if (!/^(\d+(ms|s|m|h|d))+$/.test(whole)) return undefined;
  const parts = [...whole.matchAll(/(\d+)(ms|s|m|h|d)/g)];
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * UNITS_MS[unit as keyof typeof UNITS_MS], 0);
}

export class Consumer extends Actor {
  readonly name: string;
  #manner: Manner;
  #holds: Leased[] = [];
  #taken = 0;
  #finished = 0;
  #requeued = 0;

  constructor(
    stage: Stage,
    id: number,
    readonly spec: ConsumerSpec,
  ) {
    super(stage, id);
    this.#manner = MANNERS[spec.behaviour];
    this.name = spec.name ?? `${spec.behaviour}-${id}`;
  }

  get view(): ConsumerView {
    const { topic, channel, behaviour } = this.spec;
    const holds = this.#holds.map(({ id }) => id);
    return { id: this.id, name: this.name, topic, channel, behaviour, holds, finished: this.#finished, requeued: this.#requeued };
  }

  protected override async begin(): Promise<void> {
    if (!this.#manner.ordered) return;
    const { topic, channel } = this.spec;
    const how = { topic, channel, ordered: true };
    if ((await this.post(path('/channel/config', how))).ok) return;
    await ok(this.post(path('/topic/create', { topic })));
    await ok(this.post(path('/channel/create', how)));
  }

  protected override async round(): Promise<void> {
    this.#holds = await this.#take();
    if (this.#holds.length === 0) return;
    this.stage.moved('delivered', this.#place, this.#holds.map(({ id }) => id));
    this.stage.changed();
    const { works, silent } = this.#manner;
    if (silent) await this.sleep((await this.#lease()) + 1);
    else if (works > 0) await this.sleep(works);
    if (!silent) await this.#settle();
    this.#holds = [];
    this.stage.changed();
  }

  get #place() {
    return { topic: this.spec.topic, channel: this.spec.channel, client: this.name };
  }

  async #take(): Promise<Leased[]> {
    const { topic, channel, timeout } = this.spec;
    const how = { topic, channel, timeout, max: this.#manner.max, wait: POLL_WAIT, format: 'json', client: this.name };
    const response = await this.idle(this.stage.fetch(path('/sub', how), { signal: this.signal }));
    if (response.status === 204) return [];
    return ((await (await ok(response)).json()) as { messages: Leased[] }).messages;
  }

  async #settle(): Promise<void> {
    const { fails } = this.#manner;
    const [fin, req]: [Leased[], Leased[]] = [[], []];
    for (const one of this.#holds) {
      this.#taken += 1;
      (fails !== undefined && this.#taken % fails === 0 ? req : fin).push(one);
    }
    const { topic, channel } = this.spec;
    const body = { fin: fin.map(({ receipt }) => receipt), req: req.map(({ receipt }) => ({ receipt, defer: REQUEUE })) };
    const response = await this.post(path('/settle', { topic, channel }), JSON.stringify(body));
    // Leases that ran out meanwhile: somebody else may have these by now.
    if (!response.ok) return;
    const done = (await response.json()) as { finished?: number; requeued?: number };
    this.#finished += done.finished ?? 0;
    this.#requeued += done.requeued ?? 0;
    if (done.finished) this.stage.moved('finished', this.#place, fin.map(({ id }) => id));
    if (done.requeued) this.stage.moved('requeued', this.#place, req.map(({ id }) => id));
  }

  /** How long its leases last. */
  async #lease(): Promise<number> {
    const { topic, channel, timeout } = this.spec;
    const said = timeout === undefined ? undefined : milliseconds(timeout);
    if (said !== undefined) return said;
    const response = await ok(this.stage.fetch(path('/stats', { format: 'json', topic, channel, include_mem: false })));
    const { topics } = (await response.json()) as { topics: { channels: { options: { timeout_ms: number } }[] }[] | null };
    return topics?.[0]?.channels[0]?.options.timeout_ms || LEASE_MS;
  }
}
