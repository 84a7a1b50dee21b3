// Every scene, played by the playground's own consumers and producers on the real broker.
import { signal } from '@preact/signals';
import { expect, test } from 'vitest';

import { Api } from '../../src/broker/api.js';
import type { Frame } from '../../src/broker/play.js';
import { isLost, perform, prepare, stageOf } from '../../src/lessons/act.js';
import { scenes } from '../../src/lessons/all.js';
import { reached } from '../../src/lessons/goals.js';
import { type Act, type Cast, type Lesson, Look } from '../../src/lessons/lesson.js';
import { Host } from '../../src/playground/host/host.js';

/** Seconds of the broker's time after which a goal would have been met. */
const LONG = 90;

class Theatre {
  readonly #host = new Host(false, () => 1, () => {});
  readonly api = new Api((at, init) => this.#host.fetch(new Request(`http://localhost${at}`, init)));
  readonly #frame = signal<Frame | undefined>(undefined);
  #now = 0;
  readonly #cast: Cast = {
    frame: this.#frame,
    speed: signal(0),
    setSpeed: async () => undefined,
    addConsumer: async (spec) => this.#seen(this.#host.actors.addConsumer(spec)),
    addProducer: async (spec) => this.#seen(this.#host.actors.addProducer(spec)),
    removeConsumer: async (id) => this.#seen(this.#host.actors.remove(id)),
    removeProducer: async (id) => this.#seen(this.#host.actors.remove(id)),
  };

  #seen<T>(answer: T): T {
    const { consumers, producers } = this.#host.actors;
    this.#frame.value = { now: this.#now, snapshot: { topics: [] }, flows: [], consumers, producers };
    return answer;
  }

  static async open(lesson: Lesson): Promise<Theatre> {
    const theatre = new Theatre();
    await theatre.#host.opened();
    // Time goes on only where the test says so.
    theatre.#host.setSpeed(0);
    await prepare(lesson, theatre.api, stageOf(lesson, theatre.api, theatre.#cast));
    return theatre;
  }

  look({ empty = false } = {}): Look {
    const { consumers, producers } = empty ? { consumers: [], producers: [] } : this.#host.actors;
    return new Look(this.api, this.#now, consumers, producers);
  }

  async second(): Promise<void> {
    await this.#host.advance(1_000);
  }

  does(lesson: Lesson, acts: readonly Act[]): Promise<void> {
    const none = async (): Promise<void> => {
      throw new Error('a scene has no commands');
    };
    return perform(acts, {
      run: none,
      pass: none,
      stage: () => stageOf(lesson, this.api, this.#cast),
      receipts: () => ({}),
      look: () => this.look(),
      on: () => true,
    });
  }

  /** How many steps are done once this one is, or after a long time. */
  async until(lesson: Lesson, step: number): Promise<number> {
    for (let seconds = 0; seconds < LONG; seconds += 1) {
      const next = await reached(lesson, step, this.look());
      if (next > step) return next;
      await this.second();
    }
    return step;
  }
}

const cases = scenes.map((scene) => [scene.id, scene] as const);

test.each(cases)('%s: each act leads to its goal', async (_, scene) => {
  const theatre = await Theatre.open(scene);
  let step = 0;
  while (step < scene.steps.length) {
    expect(await scene.steps[step]!.met(theatre.look()), `step ${step + 1}, before its act`).toBe(false);
    await theatre.does(scene, scene.steps[step]!.acts);
    const next = await theatre.until(scene, step);
    expect(next, `after the act of step ${step + 1}`).toBe(step + 1);
    step = next;
  }
});

/** Steps that cannot be done once everybody has gone, as there is no button for them to come. */
const alone: Record<string, number[]> = { decoupling: [1], speed: [2], broadcast: [1], peak: [1, 3], wrong: [] };

test.each(cases)('%s: where those are gone that a step needs, it says so', async (_, scene) => {
  const theatre = await Theatre.open(scene);
  const lost: number[] = [];
  for (let step = 0; step < scene.steps.length; step += 1) {
    expect(await isLost(scene, step, theatre.look()), `step ${step + 1}`).toBe(false);
    if (await isLost(scene, step, theatre.look({ empty: true }))) lost.push(step + 1);
    await theatre.does(scene, scene.steps[step]!.acts);
    await theatre.until(scene, step);
  }
  expect(lost).toEqual(alone[scene.id]);
});

const needed = scenes.flatMap((scene) =>
  scene.steps.flatMap((one, at) => (one.acts.some((act) => !('looks' in act)) ? [[scene.id, at + 1, scene] as const] : [])),
);

test.each(needed)('%s: step %i is not done by waiting', async (_, number, scene) => {
  const theatre = await Theatre.open(scene);
  for (let step = 0; step < number - 1; step += 1) {
    await theatre.does(scene, scene.steps[step]!.acts);
    await theatre.until(scene, step);
  }
  expect(await theatre.until(scene, number - 1)).toBe(number - 1);
});
