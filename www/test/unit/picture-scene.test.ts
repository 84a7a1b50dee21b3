import { describe, expect, test } from 'vitest';

import type { Frame } from '../../src/broker/play.js';
import type { Box, Scene } from '../../src/picture/nodes.js';
import { needs, scene } from '../../src/picture/scene.js';
import { WORLDS, World, type TopicPlan } from '../e2e/picture/world.js';

const at = (plans: TopicPlan[], ms = 0): Frame => {
  const world = new World(plans);
  for (let passed = 0; passed < ms; passed += 50) world.step(50);
  return world.frame();
};

const meet = (a: Box, b: Box) => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
const boxes = (of: Scene): Box[] => [
  ...of.topics, ...of.channels, ...of.consumers, ...of.producers, ...of.folds, ...of.ghosts,
  ...of.channels.flatMap(({ dead }) => (dead ? [dead] : [])),
];

describe('a scene', () => {
  for (const [name, plans] of Object.entries(WORLDS)) {
    for (const width of [340, 700, 900, 1_280, 1_900]) {
      test(`${name} at ${width} pixels: all is within it, and nothing is on something else`, () => {
        const made = scene(at(plans(), 3_000), { width, consumers: true });
        const all = boxes(made);
        const outside = all.filter((box) => box.x < 0 || box.x + box.w > width || box.y + box.h > made.height);
        expect([outside, all.flatMap((one, i) => all.slice(i + 1).filter((other) => meet(one, other)))]).toEqual([[], []]);
        for (const shelf of [...made.channels, ...made.topics]) {
          const things: Box[] = [...shelf.tokens, ...shelf.more];
          const beyond = things.filter(({ x, w }) => x < 0 || x + w > shelf.w);
          expect([beyond, things.flatMap((one, i) => things.slice(i + 1).filter((other) => meet(one, other)))]).toEqual([[], []]);
        }
      });
    }
  }

  test('is in the order of names, whatever the order of the broker is', () => {
    const { snapshot, ...rest } = at(WORLDS['few']!());
    const upside = { ...rest, snapshot: { topics: [...snapshot.topics].reverse() } };
    expect(scene(upside, { width: 1_200 })).toEqual(scene({ ...rest, snapshot }, { width: 1_200 }));
    expect(scene(upside, { width: 1_200 }).topics.map(({ name }) => name)).toEqual(['books', 'orders']);
  });

  test('stays where it is when only counts change', () => {
    const world = new World([{ name: 'books', channels: [{ name: 'a', consumers: ['fast'] }, { name: 'b' }] }]);
    const before = scene(world.frame(), { width: 1_200 });
    world.publish('books', 500);
    const after = scene(world.step(50), { width: 1_200 });
    const places = (of: Scene) => boxes(of).map(({ x, y, w, h }) => [x, y, w, h]);
    expect(places(after)).toEqual(places(before));
    expect(after.channels[1]!.counts.ready).toBe(500);
  });

  test('keeps a shelf that was needed once', () => {
    const full = at([{ name: 'books', channels: [{ name: 'a', deferred: 1, dead: 1 }] }]);
    const empty = at([{ name: 'books', channels: [{ name: 'a' }] }]);
    const needed = needs(empty, needs(full));
    const [before] = scene(full, { width: 1_200 }).channels;
    const [after] = scene(empty, { width: 1_200, needed }).channels;
    expect(after!.h).toBe(before!.h);
    expect(after!.dead).toMatchObject({ tokens: [] });
    expect(scene(empty, { width: 1_200 }).channels[0]!.dead).toBeUndefined();
    // What is gone is forgotten.
    expect([...needs(at([]), needed)]).toEqual([]);
  });
});

describe('many channels', () => {
  test('are folded, with their sum, and opened when that is wanted', () => {
    const frame = at(WORLDS['many']!());
    const folded = scene(frame, { width: 1_200 });
    expect(folded.channels).toHaveLength(20);
    const ready = Array.from({ length: 180 }, (_, i) => i + 20).reduce((a, b) => a + b, 0);
    const counts = frame.snapshot.topics[0]!.channels.slice(20).reduce((sum, { piles }) => sum + piles.ready.count, 0);
    expect(counts).toBe(ready);
    expect(folded.folds).toMatchObject([{ what: 'channels', count: 180, counts: { ready } }]);
    const opened = scene(frame, { width: 1_200, opened: new Set(['books']) });
    expect(opened.channels).toHaveLength(200);
    expect(opened.channels[0]!.density).toBe('line');
    expect(opened.folds).toMatchObject([{ what: 'less' }]);
  });

  test('of many topics: some topics, and how many more', () => {
    const plans = Array.from({ length: 100 }, (_, i) => ({ name: `t${i}`, channels: [] }));
    const made = scene(at(plans), { width: 1_200 });
    expect(made.topics).toHaveLength(40);
    expect(made.folds).toMatchObject([{ what: 'topics', count: 60 }]);
  });
});

describe('a shelf', () => {
  test('has the next message at the right end of what is ready, and says how many more there are', () => {
    const [channel] = scene(at([{ name: 'books', channels: [{ name: 'a', ready: 100 }] }]), { width: 1_200 }).channels;
    const { tokens, more } = channel!;
    expect(tokens.length).toBeGreaterThan(1);
    expect(tokens[0]!.x).toBeGreaterThan(tokens[1]!.x);
    expect(more).toMatchObject([{ state: 'ready', count: 100 - tokens.length }]);
    expect(more[0]!.x).toBeLessThan(tokens.at(-1)!.x);
  });

  test('shows a message once that moved on while it was looked at', () => {
    const frame = at([{ name: 'books', channels: [{ name: 'a', ready: 2 }] }]);
    const { piles } = frame.snapshot.topics[0]!.channels[0]!;
    piles.in_flight = { count: 1, first: [piles.ready.first[0]!] };
    const { tokens } = scene(frame, { width: 1_200 }).channels[0]!;
    const ids = tokens.map(({ message }) => message.id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(tokens.find(({ message }) => message.id === piles.ready.first[0]!.id)!.state).toBe('in_flight');
  });

  test('compares with the fullest one', () => {
    const { channels } = scene(at([{ name: 'books', channels: [{ name: 'a', ready: 100 }, { name: 'b', ready: 50 }] }]), { width: 1_200 });
    expect(channels.map(({ bar }) => bar.ready)).toEqual([1, 0.5]);
  });

  test('leads to the topic of its dead letters', () => {
    const { edges } = scene(at(WORLDS['dead']!()), { width: 1_200 });
    expect(edges.has('l:books/reader')).toBe(true);
    expect(edges.has('l:books/archive')).toBe(false);
  });
});
