// Every lesson, against the real broker: goals are not met before they are earned, the commands earn them, and none of
// the commands is there for nothing.
import { Broker, VirtualClock } from 'shelfmq';
import { describe, expect, test } from 'vitest';

import { language } from '../../src/app/texts.js';
import { Api } from '../../src/broker/api.js';
import type { Fetch } from '../../src/broker/fetch.js';
import { keepReceipts, receipts } from '../../src/broker/receipts.js';
import { filled, held, isCommand, perform, prepare } from '../../src/lessons/act.js';
import { everything, lessons, scenes } from '../../src/lessons/all.js';
import { IDS, LESSONS, names, SCENES } from '../../src/lessons/catalogue.js';
import { reached } from '../../src/lessons/goals.js';
import { type Act, type Lesson, Look } from '../../src/lessons/lesson.js';
import { runScript } from '../../src/terminal/run.js';

const turn = () => new Promise<void>((done) => setImmediate(done));

interface Place {
  api: Api;
  look(): Look;
  does(acts: readonly Act[]): Promise<void>;
  close(): Promise<void>;
}

async function open(): Promise<Place> {
  receipts.value = {};
  const clock = new VirtualClock(1_800_000_000_000);
  const broker = await Broker.open({ clock });
  // What the broker was asked and has not answered yet.
  const asking = new Set<symbol>();
  const fetch: Fetch = keepReceipts(async (at, init) => {
    const asked = Symbol(at);
    asking.add(asked);
    const response = await broker.fetch(at, init).finally(() => asking.delete(asked));
    // A parameter that nobody knows is a mistake in the lesson.
    if (response.headers.has('shelf-ignored')) throw new Error(`${at}: ${response.headers.get('shelf-ignored')} is ignored`);
    return response;
  });
  const api = new Api(fetch);
  const host = { fetch, now: () => clock.now() };
  const run = async (command: string): Promise<void> => {
    let through = false;
    let said = '';
    const tell = (text: string) => void (said += text);
    const script = runScript(host, command, { out: tell, err: tell }).finally(() => (through = true));
    script.catch(() => undefined);
    while (!through) {
      const [asked] = asking;
      await broker.settled();
      for (let turns = 0; turns < 5; turns += 1) await turn();
      // It waits for a message that does not come.
      if (asked !== undefined && asking.has(asked)) clock.advance(500);
    }
    // curl takes an error of the broker for an answer as any other.
    if ((await script) !== 0 || said.includes('{"message":"')) throw new Error(`${command}\n${said}`);
  };
  return {
    api,
    look: () => new Look(api, clock.now()),
    does: (acts) =>
      perform(acts, {
        run,
        pass: async (ms) => {
          clock.advance(ms);
          await broker.settled();
          await turn();
        },
        stage: () => {
          throw new Error('nobody is on a stage here');
        },
        receipts: () => receipts.value,
      }),
    close: () => broker.close(),
  };
}

/** Does what the first steps of a lesson say; after each of them, its goal is met. */
async function solve(place: Place, lesson: Lesson, steps = lesson.steps.length): Promise<void> {
  for (let step = 0; step < steps; step += 1) {
    await place.does(lesson.steps[step]!.acts);
    expect(await reached(lesson, step, place.look()), `${lesson.id}, after step ${step + 1}`).toBe(step + 1);
  }
}

async function within(act: (place: Place) => Promise<void>): Promise<void> {
  const place = await open();
  try {
    await act(place);
  } finally {
    await place.close();
  }
}

describe.each(lessons.map((lesson) => [lesson.id, lesson] as const))('%s', (_, lesson) => {
  test('no goal is met at the start, and all are met by doing what is said', () =>
    within(async (place) => {
      await prepare(lesson, place.api, undefined);
      for (const step of lesson.steps) expect(await step.met(place.look())).toBe(false);
      await solve(place, lesson);
    }));

  test('asking for a goal changes nothing', () =>
    within(async (place) => {
      await prepare(lesson, place.api, undefined);
      for (const { acts, met } of lesson.steps) {
        await place.does(acts);
        for (let times = 0; times < 3; times += 1) expect(await met(place.look())).toBe(true);
      }
    }));

  test('it can be taken again', () =>
    within(async (place) => {
      for (let times = 0; times < 2; times += 1) {
        await prepare(lesson, place.api, undefined);
        expect(await held(lesson, place.api)).toEqual([]);
        expect(await reached(lesson, 0, place.look())).toBe(0);
        await solve(place, lesson);
      }
    }));

  const needed = lesson.steps.flatMap((step, at) => step.acts.filter((act) => !('looks' in act)).map((act) => ({ at, act })));
  const names = needed.map(({ at, act }) => [`step ${at + 1}: ${isCommand(act) ? act.run : JSON.stringify(act)}`, at, act] as const);
  test.each(names)('not without %s', (_, at, without) =>
    within(async (place) => {
      await prepare(lesson, place.api, undefined);
      await solve(place, lesson, at);
      // A command that needs what was left out fails, as it does for a user.
      await place.does(lesson.steps[at]!.acts.filter((act) => act !== without)).catch(() => undefined);
      expect(await reached(lesson, at, place.look())).toBe(at);
    }),
  );
});

describe('texts', () => {
  test('there are ten lessons and five scenes, each with a name and topics of its own', () => {
    expect(lessons.map((one) => one.id)).toEqual(LESSONS);
    expect(scenes.map((one) => one.id)).toEqual(SCENES);
    expect([LESSONS.length, SCENES.length]).toEqual([10, 5]);
    expect(new Set(IDS.map((id) => names()[id].title)).size).toBe(15);
    const topics = everything.flatMap((one) => one.topics);
    expect(new Set(topics).size).toBe(topics.length);
  });

  test.each(['en', 'zh'] as const)('are whole in %s', (tongue) => {
    language.value = tongue;
    for (const lesson of everything) {
      const said = lesson.said();
      expect(said.steps, lesson.id).toHaveLength(lesson.steps.length);
      for (const [at, step] of lesson.steps.entries()) {
        const scene = step.acts.some((act) => 'act' in act);
        expect(said.steps[at]!.act !== undefined, `${lesson.id} ${at + 1}`).toBe(scene);
      }
      const all = JSON.stringify([said, names()[lesson.id]]);
      expect(/\p{Script=Han}/u.test(all), lesson.id).toBe(tongue === 'zh');
      expect((all.match(/`/g)?.length ?? 0) % 2, lesson.id).toBe(0);
      expect((all.match(/\*/g)?.length ?? 0) % 2, lesson.id).toBe(0);
    }
    language.value = 'en';
  });
});

test('what a start deletes is said by its name, where there is something in it', () =>
  within(async (place) => {
    const [first] = lessons;
    expect(await held(first!, place.api)).toEqual([]);
    await place.api.topic('create', 'books');
    expect(await held(first!, place.api)).toEqual([]);
    await place.api.publish('books', 'Dune');
    expect(await held(first!, place.api)).toEqual([{ topic: 'books', messages: 1 }]);
    await place.api.channel('create', 'books', 'xiaoming');
    expect(await held(first!, place.api)).toEqual([{ topic: 'books', messages: 1 }]);
    await prepare(first!, place.api, undefined);
    expect(await held(first!, place.api)).toEqual([]);
  }));

test('a receipt is filled in for its own channel only', () => {
  const fin = "curl -X POST 'localhost:4151/fin?topic=a&channel=b&receipt=RECEIPT'";
  expect(filled(fin, { 'a/c': '1-2' })).toBe(fin);
  expect(filled(fin, { 'a/b': '1-2' })).toBe("curl -X POST 'localhost:4151/fin?topic=a&channel=b&receipt=1-2'");
});
