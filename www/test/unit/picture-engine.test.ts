// What keeps the picture going, without a page.
import { signal } from '@preact/signals';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

vi.mock('../../src/app/theme.js', () => ({ theme: { value: 'light' } }));
vi.mock('../../src/picture/draw.js', () => ({ colours: () => ({}), Layer: class { draw(): void {} } }));

import type { Flow, Frame } from '../../src/broker/play.js';
import type { Session } from '../../src/broker/session.js';
import { Engine } from '../../src/picture/engine.js';
import { World } from '../e2e/picture/world.js';

const listens = { matches: false, addEventListener: () => {}, removeEventListener: () => {} };
const speed = signal(0);
const frames = signal<Frame | undefined>(undefined);
let engine: Engine;
let end: () => void;
let world: World;

beforeEach(() => {
  vi.useFakeTimers();
  const globals = {
    matchMedia: () => listens,
    ResizeObserver: class { observe(): void {} disconnect(): void {} },
    requestAnimationFrame: (tick: () => void) => setTimeout(tick, 16),
    cancelAnimationFrame: clearTimeout,
    addEventListener: () => {},
    removeEventListener: () => {},
  };
  for (const [name, value] of Object.entries(globals)) vi.stubGlobal(name, value);
  world = new World([{ name: 'books', channels: [{ name: 'a', consumers: ['fast'] }] }]);
  engine = new Engine({ play: { speed, past: signal(undefined) } } as unknown as Session);
  engine.width.value = 1_200;
  frames.value = world.frame();
  end = engine.start({} as HTMLCanvasElement, { clientWidth: 1_200 } as HTMLElement, frames);
  engine.width.value = 1_200;
});
afterEach(() => {
  end();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('what moves is on its way to the end, also in a time that stands still', async () => {
  await vi.advanceTimersByTimeAsync(5_000);
  const flow: Flow = { kind: 'published', topic: 'books', count: 20, ids: [] };
  frames.value = { ...world.frame(), flows: [flow] };
  await vi.advanceTimersByTimeAsync(100);
  expect(engine.motion.particles.length).toBeGreaterThan(20);
  await vi.advanceTimersByTimeAsync(1_400);
  expect(engine.motion.busy).toBe(true);
  await vi.advanceTimersByTimeAsync(2_600);
  expect(engine.motion.busy).toBe(false);
  expect(vi.getTimerCount()).toBe(0);
});
