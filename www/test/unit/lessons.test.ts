// Every lesson, against the real broker: goals are not met before they are earned, the commands earn them, and none of
// the commands is there for nothing.
import { Broker, VirtualClock } from 'shelfmq';
import { describe, expect, test } from 'vitest';

import { language } from '../../src/app/texts.js';
import { Api } from '../../src/broker/api.js';
import type { Fetch } from '../../src/broker/fetch.js';
import { keepReceipts, receipts } from '../../src/broker/receipts.js';
import { filled, held, isCommand, isLost, perform, prepare } from '../../src/lessons/act.js';
import { everything, lessons, scenes } from '../../src/lessons/all.js';
import { IDS, LESSONS, names, SCENES } from '../../src/lessons/catalogue.js';
import { reached } from '../../src/lessons/goals.js';
import { type Act, type Lesson, Look, type Seen } from '../../src/lessons/lesson.js';
import { runScript } from '../../src/terminal/run.js';

const turn = () => new Promise<void>((done) => setImmediate(done));

interface Place {
  api: Api;
  look(): Look;
  does(acts: readonly Act[]): Promise<void>;
  pass(ms: number): Promise<void>;
  /** The lesson begins anew: its goals have seen nothing. */
  forget(): void;
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
  let seen: Seen = {};
  const look = () => new Look(api, clock.now(), [], [], seen);
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms);
    await broker.settled();
    await turn();
  };
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
    look,
    pass,
    forget: () => (seen = {}),
    does: (acts) =>
      perform(acts, {
        run,
        pass,
        stage: () => {
          throw new Error('nobody is on a stage here');
        },
        receipts: () => receipts.value,
        look,
        on: () => true,
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

/** What a user may do with a topic besides, as lines of the terminal. */
const interferences: readonly (readonly [string, (topic: string, channel: string) => string[]])[] = [
  ['all is taken', (topic, channel) => [`curl 'localhost:4151/sub?topic=${topic}&channel=${channel}&ack=auto&max=100&wait=0'`]],
  ['one is taken and kept', (topic, channel) => [`curl -i 'localhost:4151/sub?topic=${topic}&channel=${channel}&wait=0'`]],
  ['many are taken and kept', (topic, channel) => [`curl 'localhost:4151/sub?topic=${topic}&channel=${channel}&max=100&wait=0'`]],
  ['the channel is emptied', (topic, channel) => [`curl -X POST 'localhost:4151/channel/empty?topic=${topic}&channel=${channel}'`]],
  ['dead letters are deleted', (topic, channel) => [`curl -X POST 'localhost:4151/dead/empty?topic=${topic}&channel=${channel}'`]],
  ['the channel is deleted', (topic, channel) => [`curl -X POST 'localhost:4151/channel/delete?topic=${topic}&channel=${channel}'`]],
  ['the topic is deleted', (topic) => [`curl -X POST 'localhost:4151/topic/delete?topic=${topic}'`]],
  ['there is another channel', (topic) => [`curl -X POST 'localhost:4151/channel/create?topic=${topic}&channel=another'`]],
  ['one more is published', (topic) => [`curl -d 'One more' 'localhost:4151/pub?topic=${topic}'`]],
  ['what is in hand is finished', (topic, channel) => [`curl -X POST 'localhost:4151/fin?topic=${topic}&channel=${channel}&receipt=RECEIPT'`]],
  ['what is in hand is given back', (topic, channel) => [`curl -X POST 'localhost:4151/req?topic=${topic}&channel=${channel}&receipt=RECEIPT'`]],
];

/** How many clicks on “Show me” a step may take where things are not as they were meant to be. */
const CLICKS = 5;

/** How long one reads what the terminal says before one clicks again. */
const READS_MS = 20_000;

/** Goes on from a step by “Show me” alone; answers how many steps are done. */
async function shown(place: Place, lesson: Lesson, from: number): Promise<number> {
  let step = await reached(lesson, from, place.look());
  for (let clicks = 0; step === from && clicks < CLICKS; clicks += 1) {
    // A command that fails says so in the terminal; the next one runs.
    for (const act of lesson.steps[step]!.acts) await place.does([act]).catch(() => undefined);
    step = await reached(lesson, step, place.look());
    if (step === from) await place.pass(READS_MS);
  }
  return step;
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
        expect(await held(lesson, place.api, true)).toEqual([]);
        expect(await reached(lesson, 0, place.look())).toBe(0);
        await solve(place, lesson);
      }
    }));

  test.each([31, 61, 301, 7_200])('it is solved by who comes back to each step %i s later', (late) =>
    within(async (place) => {
      await prepare(lesson, place.api, undefined);
      let step = 0;
      while (step < lesson.steps.length) {
        const next = await shown(place, lesson, step);
        expect(next, `step ${step + 1}`).toBeGreaterThan(step);
        step = next;
        await place.pass(late * 1_000);
      }
    }),
  );

  test('it is solved by who loads the page again at each step', () =>
    within(async (place) => {
      await prepare(lesson, place.api, undefined);
      let step = 0;
      while (step < lesson.steps.length) {
        receipts.value = {};
        const next = await shown(place, lesson, step);
        expect(next, `step ${step + 1}`).toBeGreaterThan(step);
        step = next;
      }
    }));

  test.each(interferences)('it is solved, or only a new start helps, after this before any step: %s', (_, does) =>
    within(async (place) => {
      for (let at = 0; at < lesson.steps.length; at += 1) {
        await prepare(lesson, place.api, undefined);
        receipts.value = {};
        place.forget();
        await solve(place, lesson, at);
        const topic = lesson.topics[0]!;
        const [channel] = ((await place.look().topic(topic))?.channels ?? []).map((one) => one.channel_name);
        for (const command of does(topic, channel ?? 'other')) await place.does([{ run: command }]).catch(() => undefined);
        let step = await reached(lesson, at, place.look());
        while (step < lesson.steps.length) {
          const next = await shown(place, lesson, step);
          if (next === step) expect(await isLost(lesson, step, place.look()), `before step ${at + 1}: step ${step + 1}`).toBe(true);
          if (next === step) break;
          step = next;
        }
      }
    }),
  );

  const several = lesson.steps.flatMap((step, at) => (step.acts.filter((act) => !('mends' in act)).length > 1 ? [at] : []));
  const orders = several.flatMap((at) => [0, 61].map((late) => [at + 1, late] as const));
  test.runIf(orders.length > 0).each(orders)('step %i is done by “Show me” after its lines were run backwards, %i s apart', (number, late) =>
    within(async (place) => {
      await prepare(lesson, place.api, undefined);
      await solve(place, lesson, number - 1);
      for (const act of lesson.steps[number - 1]!.acts.filter((act) => !('mends' in act)).reverse()) {
        await place.does([isCommand(act) ? { run: act.run } : act]).catch(() => undefined);
        await place.pass(late * 1_000);
      }
      let step = number - 1;
      while (step < lesson.steps.length) {
        const next = await shown(place, lesson, step);
        expect(next, `step ${step + 1}`).toBeGreaterThan(step);
        step = next;
      }
    }),
  );

  const needed = lesson.steps.flatMap((step, at) => step.acts.filter((act) => !('looks' in act || 'mends' in act)).map((act) => ({ at, act })));
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

/** What looks like the deed of a step, and is not: lesson, step, what is done instead. */
const shams: readonly (readonly [string, number, Act[]])[] = [
  ['lease', 5, [{ run: "curl -d 'Dry it' 'localhost:4151/pub?topic=chores'" }, { run: "curl 'localhost:4151/sub?topic=chores&channel=kitchen&ack=auto'" }]],
  ['requeue', 4, [{ run: "curl -d 'Call back' 'localhost:4151/pub?topic=calls&defer=1m'" }]],
  ['requeue', 5, [{ run: "curl -d 'Call' 'localhost:4151/pub?topic=calls'" }, { run: "curl 'localhost:4151/sub?topic=calls&channel=phone&ack=auto'" }]],
  ['dead', 3, [{ run: "curl -X POST 'localhost:4151/dead/empty?topic=orders&channel=billing'" }, { run: "curl -d 'Order 8' 'localhost:4151/pub?topic=orders'" }]],
  ['dead', 4, [{ run: "curl -X POST 'localhost:4151/channel/empty?topic=orders&channel=billing'" }]],
  ['deferred', 3, [{ run: "curl -d 'Lunch' 'localhost:4151/pub?topic=alarms'" }, { run: "curl 'localhost:4151/sub?topic=alarms&channel=bed&ack=auto'" }]],
  ['replay', 3, [{ run: "curl -X POST 'localhost:4151/channel/create?topic=diary&channel=xiaoming'" }, { run: "for i in {4..6}; do curl -d \"Day $i\" 'localhost:4151/pub?topic=diary'; done" }]],
  ['replay', 4, [{ run: "for i in {4..6}; do curl -d \"Day $i\" 'localhost:4151/pub?topic=diary'; done" }]],
  ['touch', 2, [{ run: "curl -X POST 'localhost:4151/touch?topic=films&channel=studio&receipt=RECEIPT&timeout=1m'" }]],
  ['touch', 3, [{ run: "curl -X POST 'localhost:4151/touch?topic=films&channel=studio&receipt=RECEIPT&timeout=3m'" }, { pass: 60_000 }]],
  ['touch', 4, [{ run: "curl -d 'Trailer' 'localhost:4151/pub?topic=films'" }, { run: "curl 'localhost:4151/sub?topic=films&channel=studio&ack=auto'" }]],
];

test.each(shams)('%s: step %i is not done by something else: %j', (id, number, acts) =>
  within(async (place) => {
    const lesson = lessons.find((one) => one.id === id)!;
    await prepare(lesson, place.api, undefined);
    await solve(place, lesson, number - 1);
    await place.does(acts);
    expect(await reached(lesson, number - 1, place.look())).toBe(number - 1);
  }),
);

test('two minutes have to pass with a lease of three, too', () =>
  within(async (place) => {
    const lesson = lessons.find((one) => one.id === 'touch')!;
    await prepare(lesson, place.api, undefined);
    await solve(place, lesson, 1);
    await place.does([{ run: "curl -X POST 'localhost:4151/touch?topic=films&channel=studio&receipt=RECEIPT&timeout=3m'" }]);
    expect(await reached(lesson, 1, place.look())).toBe(2);
    await place.pass(119_000);
    expect(await reached(lesson, 2, place.look())).toBe(2);
    await place.pass(1_000);
    expect(await reached(lesson, 2, place.look())).toBe(3);
  }));

test.each([3, 4])('a diary that is no longer kept at step %i is told of', (number) =>
  within(async (place) => {
    const lesson = lessons.find((one) => one.id === 'replay')!;
    await prepare(lesson, place.api, undefined);
    await solve(place, lesson, number - 1);
    expect(await isLost(lesson, number - 1, place.look())).toBe(false);
    // What the newcomer has not read is kept for him.
    if (number === 4) await place.does([{ run: "curl 'localhost:4151/sub?topic=diary&channel=xiaoming&ack=auto&max=10'" }]);
    await place.pass(8 * 86_400_000);
    expect(await shown(place, lesson, number - 1)).toBe(number - 1);
    expect(await isLost(lesson, number - 1, place.look())).toBe(true);
  }),
);

test('a redriven order may be finished before anybody looks', () =>
  within(async (place) => {
    const lesson = lessons.find((one) => one.id === 'dead')!;
    await prepare(lesson, place.api, undefined);
    await solve(place, lesson, 2);
    await place.does(lesson.steps.slice(2).flatMap((step) => step.acts));
    expect(await reached(lesson, 2, place.look())).toBe(4);
  }));

test('what a start deletes is said by its name: what the lesson has not made, and what is not finished', () =>
  within(async (place) => {
    const [first] = lessons;
    const asks = () => Promise.all([false, true].map((made) => held(first!, place.api, made)));
    expect(await asks()).toEqual([[], []]);
    await place.api.topic('create', 'books', { retain: '7d' });
    expect(await asks()).toEqual([[{ topic: 'books', messages: 0 }], []]);
    await place.api.publish('books', 'Dune');
    expect(await asks()).toEqual(Array(2).fill([{ topic: 'books', messages: 1 }]));
    await place.api.channel('create', 'books', 'xiaoming', { timeout: '5m' });
    expect(await asks()).toEqual(Array(2).fill([{ topic: 'books', messages: 1 }]));
    await place.does([{ run: "curl 'localhost:4151/sub?topic=books&channel=xiaoming&ack=auto'" }]);
    expect(await asks()).toEqual([[{ topic: 'books', messages: 0 }], []]);
    await prepare(first!, place.api, undefined);
    expect(await asks()).toEqual([[], []]);
  }));

test('a receipt is filled in for its own channel only', () => {
  const fin = "curl -X POST 'localhost:4151/fin?topic=a&channel=b&receipt=RECEIPT'";
  expect(filled(fin, { 'a/c': '1-2' })).toBe(fin);
  expect(filled(fin, { 'a/b': '1-2' })).toBe("curl -X POST 'localhost:4151/fin?topic=a&channel=b&receipt=1-2'");
});
