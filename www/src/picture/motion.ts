// What moved, as particles on their ways. Few messages are one particle each; of many, so many particles are let go
// that one sees a stream, and a number says how many they stand for. There are never more than MOST.
import type { State } from '../broker/api.js';
import type { Flow, Frame } from '../broker/play.js';
import type { ConsumerNode, Scene } from './nodes.js';

export const MOST = 600;
/** One way gets no more particles a second than that. */
const A_WAY = 24;
/** From so many messages a second on, a number is said. */
export const STREAM = 12;

export type Colour = State | 'finished' | 'timed_out';

export interface Particle {
  edge: string;
  colour: Colour;
  /** From 0 to 1; below 0 it has not set out yet. */
  t: number;
  /** How long the whole way takes, ms. */
  takes: number;
  fades: boolean;
}

/** How many a second, over the last moments. */
class Rate {
  value = 0;
  #count = 0;
  #since: number | undefined;

  add(count: number): void {
    this.#count += count;
  }

  tick(now: number): void {
    this.#since ??= now;
    const span = now - this.#since;
    if (span < 0) this.#since = now;
    if (span < 400) return;
    const fresh = (this.#count * 1_000) / span;
    // The first number is as good as any; later ones are evened out, so that a stream with gaps is still one.
    this.value = this.value === 0 ? fresh : fresh * 0.35 + this.value * 0.65;
    if (this.value < 0.05) this.value = 0;
    this.#count = 0;
    this.#since = now;
  }
}

interface Way {
  rate: Rate;
  colour: Colour;
  /** How many particles may set out right now. */
  budget: number;
  last: number;
}

export class Motion {
  particles: Particle[] = [];
  readonly #ways = new Map<string, Way>();
  #turn = 0;

  /** How many messages a second take this way. */
  rate(edge: string): number {
    return this.#ways.get(edge)?.rate.value ?? 0;
  }

  /** The ways on which something moves, with what moves there. */
  streams(): [edge: string, rate: number, colour: Colour][] {
    return [...this.#ways].filter(([, { rate }]) => rate.value > 0).map(([edge, { rate, colour }]) => [edge, rate.value, colour]);
  }

  get busy(): boolean {
    return this.particles.length > 0;
  }

  /** All that is moved in the whole picture, messages a second. */
  total(): number {
    let sum = 0;
    for (const [key, { rate }] of this.#ways) if (!key.startsWith('t:')) sum += rate.value;
    return sum;
  }

  /** What moved since the last frame; the particles set out over the next `spread` ms. */
  feed(flows: readonly Flow[], scene: Scene, now: number, spread: number): void {
    for (const flow of flows) {
      if (flow.kind === 'published') this.#published(flow, scene, now, spread);
      else this.#within(flow, scene, now, spread);
    }
  }

  /** Time goes on: by `dt` ms for what moves, and to `now` in the broker's time for the rates. */
  advance(dt: number, now: number): void {
    for (const particle of this.particles) particle.t += dt / particle.takes;
    this.particles = this.particles.filter(({ t }) => t < 1);
    const share = Math.min(A_WAY, MOST / Math.max(1, this.#ways.size));
    for (const [edge, way] of this.#ways) {
      way.rate.tick(now);
      way.budget = Math.min(share, way.budget + (share * dt) / 1_000);
      if (way.rate.value === 0 && now - way.last > 5_000) this.#ways.delete(edge);
    }
  }

  /** Another moment is shown: what was on its way is there, or never left. */
  clear(): void {
    this.particles = [];
    this.#ways.clear();
  }

  #published({ topic, count }: Flow, scene: Scene, now: number, spread: number): void {
    const from = scene.producers.filter(({ view }) => view.topic === topic);
    const rates = from.reduce((sum, { view }) => sum + view.rate, 0);
    let after = 0;
    let left = count;
    for (const [i, { key, view }] of from.entries()) {
      const part = i === from.length - 1 ? left : Math.min(left, Math.round((count * view.rate) / rates));
      left -= part;
      after = Math.max(after, this.#send(`p:${key}`, part, 'ready', scene, now, spread, 0));
    }
    if (from.length === 0) after = this.#send(`in:${topic}`, count, 'ready', scene, now, spread, 0);
    // Every channel gets its copy.
    for (const channel of scene.channels) {
      if (channel.topic === topic) this.#send(`t:${channel.key}`, count, 'ready', scene, now, spread, after);
    }
    if (scene.edges.has(`t:${topic}/*`)) this.#send(`t:${topic}/*`, count, 'ready', scene, now, spread, after);
  }

  #within({ kind, topic, channel, client, count }: Flow, scene: Scene, now: number, spread: number): void {
    const key = `${topic}/${channel}`;
    if (kind === 'dead') {
      this.#send(`d:${key}`, count, 'dead', scene, now, spread, 0);
      this.#send(`l:${key}`, count, 'dead', scene, now, spread, 0);
    } else if (kind === 'redriven') {
      this.#send(`d:${key}`, count, 'ready', scene, now, spread, 0);
    } else {
      const [way, colour] = WAYS[kind as keyof typeof WAYS];
      for (const [who, part] of this.#among(key, client, count, scene)) {
        this.#send(`${way}:${who}`, part, colour, scene, now, spread, way === 'c' ? 0 : 120);
      }
    }
  }

  /** Whose they are, where that is not said: everybody's, in turn. */
  #among(key: string, client: string | undefined, count: number, scene: Scene): [string, number][] {
    const all = scene.consumers.filter((one: ConsumerNode) => `${one.topic}/${one.channel}` === key);
    const told = all.find(({ name }) => name === client);
    if (told) return [[told.key, count]];
    const names = client === undefined ? all.map((one) => one.key) : [];
    if (scene.edges.has(`c:${key}/*`)) names.push(`${key}/*`);
    if (names.length === 0) return [[key, count]];
    const each = Math.floor(count / names.length);
    const parts = names.map((name): [string, number] => [name, each]);
    for (let i = 0; i < count % names.length; i += 1) parts[(this.#turn += 1) % names.length]![1] += 1;
    return parts.filter(([, part]) => part > 0);
  }

  /** Lets particles set out; answers after how long the first one is there. */
  #send(edge: string, count: number, colour: Colour, scene: Scene, now: number, spread: number, after: number): number {
    const line = scene.edges.get(edge);
    if (!line || count <= 0) return 0;
    let way = this.#ways.get(edge);
    if (!way) this.#ways.set(edge, (way = { rate: new Rate(), colour, budget: A_WAY, last: now }));
    way.rate.add(count);
    way.colour = colour;
    way.last = now;
    const takes = Math.max(420, Math.min(1_100, 300 + line.path.length * 1.6));
    const some = Math.min(count, Math.floor(way.budget), MOST - this.particles.length);
    way.budget -= some;
    for (let i = 0; i < some; i += 1) {
      const delay = after + (i * spread) / some;
      this.particles.push({ edge, colour, t: -delay / takes, takes, fades: edge.startsWith('f:') });
    }
    return takes;
  }
}

const WAYS = {
  delivered: ['c', 'in_flight'],
  finished: ['f', 'finished'],
  requeued: ['r', 'ready'],
  timed_out: ['r', 'timed_out'],
} as const;

/** Whether two frames follow each other: time goes on, and not by a jump. */
export function follows(before: Frame | undefined, next: Frame): boolean {
  return before !== undefined && next.now >= before.now && next.now - before.now < 60_000;
}
