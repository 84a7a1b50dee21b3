// What happened, as far as it was asked for: the newest first, more when it is wanted.
import { signal } from '@preact/signals';

import type { Play, Told } from '../broker/play.js';

/** How many of a recording's steps are asked for at once. */
const PAGE = 512;
/** How many lines are had at first. */
const ENOUGH = 200;

export class EventList {
  /** Newest first. */
  readonly rows = signal<readonly Told[]>([]);
  /** Everything before is there, too. */
  readonly complete = signal(false);
  /** Somebody reads further down: what is there is not to move. */
  readonly held = signal(false);
  /** The first step that was asked for. */
  #first = 1;
  #loading: Promise<void> = Promise.resolve();

  constructor(readonly play: Play) {}

  /** All up to now, or of the recording that is open. */
  refresh(): Promise<void> {
    return this.#inTurn(async () => {
      const { steps } = await this.play.catchUp();
      this.#first = steps + 1;
      this.rows.value = await this.#before(ENOUGH);
    });
  }

  /** What was before what is there. */
  earlier(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.complete.value) return;
      this.rows.value = [...this.rows.value, ...(await this.#before(ENOUGH))];
    });
  }

  async #before(enough: number): Promise<Told[]> {
    const rows: Told[] = [];
    while (this.#first > 1 && rows.length < enough) {
      const from = Math.max(1, this.#first - PAGE);
      rows.push(...(await this.play.told(from, this.#first - from)).reverse());
      this.#first = from;
    }
    this.complete.value = this.#first <= 1;
    return rows;
  }

  #inTurn(act: () => Promise<void>): Promise<void> {
    const done = this.#loading.then(act);
    this.#loading = done.catch(() => {});
    return done;
  }
}

/** Which row leads to where somebody is: the newest that is not later. Rows are newest first. */
export function rowAt(rows: readonly Told[], step: number): number {
  const found = rows.findIndex((row) => row.step <= step);
  return found < 0 ? rows.length : found;
}

/** The messages that something is about, with their topic. */
export function messagesOf({ detail }: Told): { topic: string; id: string }[] {
  const found = new Map<string, { topic: string; id: string }>();
  for (const step of detail as { handed?: { topic: string; messages: { id: string }[] }[] }[]) {
    for (const { topic, messages } of step.handed ?? []) {
      for (const { id } of messages) found.set(`${topic} ${id}`, { topic, id });
    }
  }
  return [...found.values()];
}
