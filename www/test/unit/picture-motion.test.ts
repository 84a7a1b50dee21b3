import { describe, expect, test } from 'vitest';

import type { Flow, Frame } from '../../src/broker/play.js';
import { MOST, Motion, follows } from '../../src/picture/motion.js';
import { at, path, step, svg } from '../../src/picture/path.js';
import { scene } from '../../src/picture/scene.js';
import { WORLDS, World } from '../e2e/picture/world.js';

const flow = (kind: Flow['kind'], count: number, more: Partial<Flow> = {}): Flow => ({ kind, topic: 'books', count, ids: [], ...more });

function small() {
  const world = new World([{ name: 'books', channels: [{ name: 'a', consumers: ['fast', 'slow'] }, { name: 'b' }] }]);
  return scene(world.frame(), { width: 1_200 });
}

const ways = (motion: Motion) => motion.particles.map(({ edge }) => edge).sort();

describe('motion', () => {
  test('a message that is published comes in, and then its copies go to each channel', () => {
    const motion = new Motion();
    motion.feed([flow('published', 1)], small(), 0, 50);
    expect(ways(motion)).toEqual(['in:books', 't:books/a', 't:books/b']);
    const [first, ...copies] = motion.particles;
    for (const copy of copies) expect(-copy.t * copy.takes).toBeCloseTo(first!.takes);
  });

  test('what a consumer does is on its own ways', () => {
    const motion = new Motion();
    const mine = { channel: 'a', client: 'slow-2' };
    motion.feed([flow('delivered', 2, mine), flow('finished', 1, mine), flow('timed_out', 1, mine)], small(), 0, 50);
    expect(ways(motion)).toEqual(['c:books/a/slow-2', 'c:books/a/slow-2', 'f:books/a/slow-2', 'r:books/a/slow-2']);
  });

  test('what nobody is known for is shared, and without consumers it leaves at the shelf', () => {
    const motion = new Motion();
    motion.feed([flow('delivered', 4, { channel: 'a' }), flow('finished', 1, { channel: 'b' })], small(), 0, 50);
    expect(ways(motion)).toEqual(['c:books/a/fast-1', 'c:books/a/fast-1', 'c:books/a/slow-2', 'c:books/a/slow-2', 'f:books/b']);
  });

  test('of many messages there are few particles, and a rate that says how many', () => {
    const world = new World(WORLDS['load']!());
    const motion = new Motion();
    let most = 0;
    for (let now = 0; now < 5_000; now += 50) {
      const frame = world.step(50);
      motion.feed(frame.flows, scene(frame, { width: 1_200 }), frame.now, 50);
      for (let i = 0; i < 3; i += 1) motion.advance(50 / 3, frame.now);
      most = Math.max(most, motion.particles.length);
    }
    expect(most).toBeGreaterThan(100);
    expect(most).toBeLessThanOrEqual(MOST);
    expect(motion.rate('p:1')).toBeGreaterThan(900);
    expect(motion.rate('p:1')).toBeLessThan(1_150);
  });

  test('nothing moves while time does not go on', () => {
    const motion = new Motion();
    motion.feed([flow('published', 5)], small(), 0, 50);
    motion.advance(100, 0);
    const before = structuredClone(motion.particles);
    motion.advance(0, 0);
    expect(motion.particles).toEqual(before);
  });

  test('all ends after a while, and rates go down', () => {
    const motion = new Motion();
    const made = small();
    for (let now = 0; now < 2_000; now += 50) {
      motion.feed([flow('published', 10)], made, now, 50);
      motion.advance(50, now);
    }
    expect(motion.total()).toBeGreaterThan(100);
    for (let now = 2_000; now < 20_000; now += 50) motion.advance(50, now);
    expect(motion.busy).toBe(false);
    expect(motion.streams()).toEqual([]);
  });
});

test('frames follow each other unless time jumps', () => {
  const frame = (now: number) => ({ now }) as Frame;
  expect(follows(undefined, frame(1))).toBe(false);
  expect(follows(frame(1_000), frame(1_050))).toBe(true);
  expect(follows(frame(1_000), frame(900))).toBe(false);
  expect(follows(frame(1_000), frame(100_000))).toBe(false);
});

describe('a path', () => {
  test('goes from its first to its last corner, by rounded ones', () => {
    const way = step([0, 0], [100, 80], 50);
    expect(at(way, 0)).toEqual([0, 0]);
    expect(at(way, 1)).toEqual([100, 80]);
    expect(way.length).toBeLessThan(180);
    expect(way.length).toBeGreaterThan(150);
    const [x, y] = at(way, 0.5);
    expect(x).toBeCloseTo(50);
    expect(y).toBeCloseTo(40);
  });

  test('is straight where nothing is in the way', () => {
    expect(step([0, 5], [100, 5], 50).points).toHaveLength(2);
    expect(svg(path([[0, 5], [100, 5]]))).toBe('M0.0 5.0L100.0 5.0');
  });

  test('with two corners at one place is a path nevertheless', () => {
    expect(at(path([[1, 1], [1, 1], [1, 1]]), 0.5)[0]).toBeCloseTo(1);
  });
});
