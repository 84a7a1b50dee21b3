// The picture of a pretended broker: `#few` says of which, `#few&still` that time stands still.
import { effect, signal } from '@preact/signals';
import { render } from 'preact';

import type { Frame, Moment, Play } from '../../../src/broker/play.js';
import { playSession } from '../../../src/broker/session.js';
import { Picture } from '../../../src/picture/Picture.js';
import { selected } from '../../../src/picture/selected.js';
import { setLanguage } from '../../../src/app/texts.js';
import '../../../src/ui/theme.css';
import { WORLDS, World } from './world.js';

const wanted = new URLSearchParams(`world=${location.hash.slice(1)}`);
const world = new World(WORLDS[wanted.get('world') || 'few']!());
const frame = signal<Frame | undefined>(world.frame());
const speed = signal(wanted.has('still') ? 0 : 1);
const added: unknown[] = [];

const nothing = async () => {};
const play = {
  fetch: async () => new Response('', { status: 500 }),
  frame,
  speed,
  history: signal(undefined),
  past: signal<Moment | undefined>(undefined),
  tabs: signal(1),
  setSpeed: async (to: number) => void (speed.value = to),
  addConsumer: async (spec: Parameters<Play['addConsumer']>[0]) => {
    added.push(spec);
    return world.add(spec.topic, spec.channel, spec.behaviour);
  },
  removeConsumer: nothing,
  removeProducer: nothing,
} as unknown as Play;

declare global {
  interface Window {
    picture: { world: World; step(ms: number): void; speed: typeof speed; added: unknown[]; selected: unknown; setLanguage: typeof setLanguage };
  }
}
window.picture = {
  world,
  step: (ms) => void (frame.value = world.step(ms)),
  speed,
  added,
  selected: undefined,
  setLanguage,
};
effect(() => void (window.picture.selected = selected.value));

setInterval(() => speed.value > 0 && (frame.value = world.step(50 * speed.value)), 50);
render(<Picture session={playSession(play)} />, document.getElementById('app')!);
