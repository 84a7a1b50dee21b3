// How a tab goes through the past, with a worker that only says what it is asked.
import { signal } from '@preact/signals';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { Past, type Opened, type PastCalls, type Shown } from '../../src/playground/past.js';
import { answerCalls, type Remote } from '../../src/playground/rpc.js';
import type { About, HostCalls } from '../../src/playground/wire.js';

let calls: { [K in keyof PastCalls]: ReturnType<typeof vi.fn<PastCalls[K]>> };
let recording: ReturnType<typeof vi.fn<() => Promise<Uint8Array<ArrayBuffer>[]>>>;
let now: number;
let past: Past;
const ports: MessagePort[] = [];
const about = signal<About>({ speed: 1, tabs: 1, from: 0, run: 1, kept: true });

class FakeWorker extends EventTarget {
  postMessage(_: string, [api, control]: [MessagePort, MessagePort]): void {
    ports.push(api, control);
    answerCalls(control, calls);
  }
  terminate(): void {}
}

const bytes = new Uint8Array([1]);
const shown = (step: number, first: object[] = []): Shown => {
  const topics = [{ name: 't', paused: false, published: 0, backlog: { count: first.length, first }, channels: [] }];
  return { moment: { at: 0, step }, frame: { now: 10, snapshot: { topics }, flows: [], consumers: [], producers: [] } } as unknown as Shown;
};
const opened: Opened = { from: 0, to: 100, steps: 7 };
const message = (more: object = {}) => ({ id: '0000000000000001', attempts: 0, absent: true, ...more });
let live = async (_: string) => Response.json({ messages: [] as object[] });

beforeEach(() => {
  vi.stubGlobal('Worker', FakeWorker);
  now = 100;
  about.value = { ...about.value, run: 1 };
  recording = vi.fn(async () => [bytes]);
  calls = {
    open: vi.fn(async () => opened),
    seek: vi.fn(async () => shown(1)),
    told: vi.fn(async () => []),
    story: vi.fn(async () => []),
  };
  past = new Past({ recording } as unknown as Remote<HostCalls>, about, () => now, (at) => live(at));
});

afterEach(() => {
  past.close();
  for (const port of ports.splice(0)) port.close();
  vi.unstubAllGlobals();
});

/** Something that takes until it is told to be done. */
function held<T>(value: T) {
  let done = () => {};
  const promise = new Promise<T>((resolve) => (done = () => resolve(value)));
  return { promise, done };
}
const soon = () => new Promise((go) => setTimeout(go, 20));

test('the way back to now closes a recording that was opened', async () => {
  await past.open('server.rec', [bytes]);
  expect([past.history.value?.file, past.moment.value?.step]).toEqual(['server.rec', 1]);
  await past.travel(undefined);
  expect([past.history.value, past.moment.value]).toEqual([undefined, undefined]);
  await past.travel({ step: 1 });
  expect(recording).toHaveBeenCalledTimes(1);
});

test('the way back to now keeps what was read of the own past', async () => {
  await past.travel({ at: 50 });
  await past.travel(undefined);
  expect(past.history.value).toBeUndefined();
  await past.travel({ at: 50 });
  expect(calls.open).toHaveBeenCalledTimes(1);
});

test('who closes a recording on the way somewhere hears of no mistake', async () => {
  await past.open('server.rec', [bytes]);
  const far = held(shown(3));
  calls.seek.mockReturnValue(far.promise);
  const way = past.travel({ step: 3 });
  await soon();
  past.close();
  await way;
  expect(past.moment.value).toBeUndefined();
});

test('no recording is read while somebody is on the way in another', async () => {
  const far = held(shown(1));
  calls.seek.mockReturnValueOnce(far.promise);
  const first = past.travel({ at: 100 });
  await soon();
  expect(calls.seek).toHaveBeenCalledTimes(1);
  now = 300;
  const second = past.travel({ at: 300 });
  await soon();
  expect(calls.open).toHaveBeenCalledTimes(1);
  far.done();
  await Promise.all([first, second]);
  expect(calls.open).toHaveBeenCalledTimes(2);
  expect(calls.seek.mock.lastCall).toEqual([{ at: 300 }]);
});

test('many who wait for more of the past have it read once', async () => {
  const reading = held(opened);
  calls.open.mockReturnValueOnce(reading.promise);
  const ways = [past.travel({ at: 100 })];
  await soon();
  now = 300;
  for (const at of [200, 250, 300]) ways.push(past.travel({ at }));
  reading.done();
  await Promise.all(ways);
  expect(recording).toHaveBeenCalledTimes(2);
});

test('what another broker said is not what this one says', async () => {
  const seek = () => calls.seek.mockImplementation(async () => shown(1, [message()]));
  const body = () => past.frame.value?.snapshot.topics[0]?.backlog.first[0]?.body;
  live = async () => Response.json({ messages: [message({ timestamp: 1, body: 'one' })] });
  seek();
  await past.travel({ step: 1 });
  expect(body()).toBe('one');
  about.value = { ...about.value, run: 2 };
  live = async () => Response.json({ messages: [message({ timestamp: 1, body: 'other' })] });
  await past.travel({ step: 1 });
  expect(body()).toBe('other');
});
