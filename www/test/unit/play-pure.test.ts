import { deflateRawSync } from 'node:zlib';

import type { StepTold } from 'shelfmq/recording';
import { describe, expect, test } from 'vitest';

import { language } from '../../src/app/texts.js';
import type { Snapshot } from '../../src/broker/snapshot.js';
import { eventText } from '../../src/playground/eventTexts.js';
import { inOrder, kindOf } from '../../src/playground/files.js';
import { Flows } from '../../src/playground/flows.js';
import { BehindStorage, merged } from '../../src/playground/host/behind.js';
import { milliseconds } from '../../src/playground/host/consumer.js';
import { due, idsFrom } from '../../src/playground/host/producer.js';
import { readState, writeState, type State } from '../../src/playground/host/state.js';
import { fragmentOf, LONGEST, sharedIn, TooLong } from '../../src/playground/share.js';
import { groups, matters, movedIn, toldOf } from '../../src/playground/steps.js';

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (text: string) => new TextEncoder().encode(text);

describe('when a producer publishes', () => {
  test.each([0.1, 1, 7, 50, 51, 333, 1_000, 4_999, 5_000])('%d a second, in the mean and at every moment', (rate) => {
    let [sent, at] = [0, 0];
    while (at < 20_000) {
      const next = due(rate, sent);
      expect(next.at).toBeGreaterThan(at);
      ({ at } = next);
      sent += next.count;
      // Never ahead of the rate, never more than one message or one batch behind.
      expect(sent).toBeLessThanOrEqual((rate * at) / 1_000 + 1e-6);
      expect(sent).toBeGreaterThan((rate * at) / 1_000 - 1);
    }
  });

  test('the ids of a batch follow each other', () => {
    expect(idsFrom('00000000000000fe', 3)).toEqual(['00000000000000fe', '00000000000000ff', '0000000000000100']);
    expect(idsFrom('0000000000000001', 1_000)).toHaveLength(20);
    expect(idsFrom(null, 3)).toEqual([]);
  });
});

test('lengths of time as the API takes them', () => {
  expect(['250', '250ms', '5s', '2m', '1h', '1d'].map(milliseconds)).toEqual([250, 250, 5_000, 120_000, 3_600_000, 86_400_000]);
  expect(milliseconds('soon')).toBeUndefined();
});

test('what happens is seen, and mistakes are; who only looks is not', () => {
  const asked = (method: string, path: string) => matters({ kind: 'request', by: { ticket: 1, method, path } } as StepTold);
  expect([asked('GET', '/stats'), asked('GET', '/peek'), asked('GET', '/'), asked('GET', '/config/log_level')]).toEqual([false, false, false, false]);
  expect([asked('GET', '/sub'), asked('POST', '/stats'), asked('POST', '/pub'), asked('GET', '/typo')]).toEqual([true, true, true, true]);
});

test('what moved in steps is what they say of messages', () => {
  const handed = [{ topic: 't', channel: 'c', to: { ticket: 1, client: 'joe' }, messages: [{ id: '01', receipt: 'r', attempts: 1 }], count: 1 }];
  const at = { topic: 't', channel: 'c', ids: ['01'], count: 1 };
  const happened = [{ code: 'finished', ...at }, { code: 'touched', ...at }, { code: 'died', because_code: 'lease_ran_out', ...at }];
  expect(movedIn([{ handed, happened } as unknown as StepTold])).toEqual([
    { kind: 'delivered', client: 'joe', ...at },
    { kind: 'finished', ...at },
    { kind: 'timed_out', ...at },
    { kind: 'dead', ...at },
  ]);
});

describe('a storage that is written to later', () => {
  const append = (offset: number, text: string, segment = 1, topic = 't') => ({ kind: 'append' as const, topic, segment, offset, bytes: bytes(text) });

  test('appends that follow each other are one; others keep their order', () => {
    const cut = { kind: 'cut' as const, topic: 't', segment: 1, size: 2 };
    expect(merged([append(0, 'ab'), append(2, 'c'), cut, append(2, 'd'), append(9, 'e'), append(10, 'f', 2)])).toEqual([
      append(0, 'abc'),
      cut,
      append(2, 'd'),
      append(9, 'e'),
      append(10, 'f', 2),
    ]);
  });

  test('whoever waits does so for what was there, not for what comes meanwhile', async () => {
    let more = 0;
    const storage = new BehindStorage(
      {
        list: async () => [],
        read: async () => new Uint8Array(),
        close: async () => {},
        write: async () => {
          more += 1;
          if (more < 1_000) await storage.write([append(more, 'x')]);
        },
      },
      async () => {},
    );
    await storage.write([append(0, 'a')]);
    await storage.flushed();
    expect(more).toBe(1);
  });

  test('what cannot be written is written later, before anything else', async () => {
    const written: string[] = [];
    let full = true;
    const inner = {
      list: async () => [],
      read: async () => new Uint8Array(),
      close: async () => {},
      write: async (changes: unknown[]) => {
        if (full) throw new DOMException('full', 'QuotaExceededError');
        for (const change of changes as { bytes: Uint8Array }[]) written.push(text(change.bytes));
      },
    };
    const storage = new BehindStorage(inner, async () => {});
    await storage.write([append(0, 'a')]);
    await expect(storage.flushed()).rejects.toThrow('full');
    await expect(storage.write([append(5, 'b')])).rejects.toThrow('full');
    full = false;
    await storage.write([append(5, 'b')]);
    await storage.flushed();
    expect(written).toEqual(['a', 'b']);
  });
});

describe('a state as bytes', () => {
  const state: State = {
    now: 1_700_000_000_000.25,
    speed: 10,
    cast: {
      last: 4,
      consumers: [{ id: 3, topic: 't', channel: 'c', behaviour: 'slow', name: 'slow-3', timeout: '5s' }],
      producers: [{ id: 4, topic: 't', rate: 0.5, keys: 3, published: 17 }],
    },
    logs: [bytes('one log'), bytes('')],
  };

  test('comes back', () => {
    expect(readState(writeState(state))).toEqual(state);
  });

  test('is refused where a bit is other, or some of it is missing', () => {
    const good = writeState(state);
    for (let at = 0; at < good.length; at += 1) {
      const bad = good.slice();
      bad[at]! ^= 4;
      expect(() => readState(bad), `byte ${at}`).toThrow('this is no state of a playground');
      expect(() => readState(good.slice(0, at)), `${at} bytes`).toThrow('this is no state of a playground');
    }
  });

  test('is refused where it makes no sense, though it is whole', () => {
    const odd = (change: (state: State) => void) => {
      const copy = structuredClone(state);
      change(copy);
      return () => readState(writeState(copy));
    };
    expect(odd((state) => (state.speed = -1))).toThrow('its head makes no sense');
    expect(odd((state) => (state.cast.consumers[0]!.behaviour = 'rude' as never))).toThrow('its head makes no sense');
    expect(odd((state) => (state.cast.producers[0]!.rate = 1e9))).toThrow('its head makes no sense');
  });

  test('says what it is, as other files do', () => {
    expect(kindOf(writeState(state))).toBe('state');
    expect([kindOf(bytes('shelfrec\x01\0')), kindOf(bytes('shelfmq\x1a')), kindOf(bytes('PK'))]).toEqual(['recording', 'log', 'unknown']);
  });
});

test('the older part of a recording comes first', () => {
  const names = ['a.rec', 'a.rec.2', 'a.rec.1'].map((name) => ({ name }));
  expect(inOrder(names).map(({ name }) => name)).toEqual(['a.rec.2', 'a.rec.1', 'a.rec']);
});

describe('a link', () => {
  test('brings back what was put in', async () => {
    const script = 'curl -d "你好 & #1" localhost:4151/pub?topic=t\n';
    expect(await sharedIn(await fragmentOf({ script }))).toEqual({ script });
    const state = Uint8Array.from({ length: 5_000 }, (_, n) => (n * n) % 251);
    expect(await sharedIn(await fragmentOf({ state }))).toEqual({ state });
  });

  test('has no room for everything', async () => {
    const state = crypto.getRandomValues(new Uint8Array(LONGEST));
    await expect(fragmentOf({ state })).rejects.toThrow(TooLong);
  });

  test('is nothing where it is another place of the page, and an error where it is damaged', async () => {
    expect(await sharedIn('#/topics')).toBeUndefined();
    await expect(sharedIn('#s=AAAA')).rejects.toThrow('damaged');
  });

  test('does not unpack without an end', async () => {
    const bomb = deflateRawSync(new Uint8Array(17 * 1024 * 1024)).toString('base64url');
    expect(bomb.length).toBeLessThan(LONGEST);
    await expect(sharedIn(`#s=${bomb}`)).rejects.toThrow(TooLong);
    await expect(fragmentOf({ state: new Uint8Array(17 * 1024 * 1024) })).rejects.toThrow(TooLong);
  });
});

describe('what moved', () => {
  const at = (published: number, stats: Partial<Record<string, number>>): Snapshot =>
    ({
      topics: [
        {
          name: 't',
          published,
          channels: [
            {
              name: 'c',
              stats: { in_flight_count: 0, finish_count: 0, requeue_count: 0, timeout_count: 0, dead_count: 0, ...stats },
            },
          ],
        },
      ],
    }) as never;

  test('is what the counters say, whoever was seen', () => {
    const flows = new Flows();
    flows.upTo(at(0, {}));
    flows.see({ kind: 'delivered', topic: 't', channel: 'c', client: 'joe', count: 2, ids: ['1', '2'] });
    flows.see({ kind: 'delivered', topic: 't', channel: 'c', client: 'joe', count: 1, ids: ['3'] });
    expect(flows.upTo(at(5, { in_flight_count: 1, finish_count: 2, timeout_count: 1 }))).toEqual([
      { kind: 'published', topic: 't', count: 5, ids: [] },
      { kind: 'delivered', topic: 't', channel: 'c', client: 'joe', count: 3, ids: ['1', '2', '3'] },
      { kind: 'delivered', topic: 't', channel: 'c', count: 1, ids: [] },
      { kind: 'finished', topic: 't', channel: 'c', count: 2, ids: [] },
      { kind: 'timed_out', topic: 't', channel: 'c', count: 1, ids: [] },
    ]);
    expect(flows.upTo(at(5, { in_flight_count: 1, finish_count: 2, timeout_count: 1 }))).toEqual([]);
  });

  test('dead letters that were put back have died, too', () => {
    const flows = new Flows();
    flows.upTo(at(9, { dead_count: 4 }));
    flows.see({ kind: 'redriven', topic: 't', channel: 'c', count: 4, ids: [] });
    expect(flows.upTo(at(9, { dead_count: 1 }))).toEqual([
      { kind: 'dead', topic: 't', channel: 'c', count: 1, ids: [] },
      { kind: 'redriven', topic: 't', channel: 'c', count: 4, ids: [] },
    ]);
  });

  test('at first, nothing has', () => {
    expect(new Flows().upTo(at(100, {}))).toEqual([]);
  });
});

test('a step that matters takes along what follows from it', () => {
  const by = { ticket: 1, method: 'POST', path: '/pub', query: 'topic=t' };
  const step = (step: number, kind: string, more: object = {}) => ({ step, at: step, kind, shard: 0, time: '', told: [], handed: [], ...more });
  const steps = [
    step(1, 'appended'),
    step(2, 'request', { by }),
    step(3, 'written'),
    step(4, 'request', { by: { ticket: 2, method: 'GET', path: '/stats' } }),
    step(5, 'appended', { told: [{ kind: 'respond', to: by, status: 200, bytes: 2, body: 'OK' }] }),
    step(6, 'request', {
      by: { ticket: 3, method: 'GET', path: '/sub', query: 'topic=t&channel=c&wait=9s&client=joe' },
      handed: [{ topic: 't', channel: 'c', to: { ticket: 3, client: 'joe' }, messages: [], count: 2 }],
    }),
  ] as never;
  expect(groups(steps).map(toldOf)).toMatchObject([
    { step: 5, at: 2, text: 'POST /pub t → 200 OK' },
    { step: 6, at: 6, text: 'GET /sub t/c → 2 to joe' },
  ]);
});

test('what happened is told in the language of the page', () => {
  const told = (step: object) => toldOf([{ step: 1, at: 1, told: [], handed: [], ...step }] as never);
  const handed = (to: object) => ({ kind: 'timeout', topic: 't', handed: [{ topic: 't', channel: 'c', to, messages: [], count: 2 }] });
  const lines = () => [handed({ ticket: 3, client: 'joe' }), handed({ ticket: 3 }), { kind: 'shutdown' }].map((step) => eventText(told(step)));
  expect(lines()).toEqual(['timeout t → 2 to joe', 'timeout t → 2 to request 3', 'shutdown']);
  language.value = 'zh';
  expect(lines()).toEqual(['到时 t → 2 条给 joe', '到时 t → 2 条给 请求 3', '关闭']);
  language.value = 'en';
});
