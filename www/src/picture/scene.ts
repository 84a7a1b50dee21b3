// What a broker has, as things with places. The same state always makes the same picture: nothing jumps about because
// something else changed its count.
import type { State } from '../broker/api.js';
import type { Frame } from '../broker/play.js';
import type { ChannelSnapshot, TopicSnapshot } from '../broker/snapshot.js';
import type { Box, ChannelNode, Density, Edge, ProducerNode, Scene, TopicNode } from './nodes.js';
import { type Path, path, step } from './path.js';
import { people } from './people.js';
import { DEAD_SHELF, STATES, shelfHeight, stock, waiting } from './shelf.js';

export interface Wish {
  width: number;
  /** Topics whose channels are all wanted, however many there are. */
  opened?: ReadonlySet<string>;
  /** Shelves that have been needed: they stay, so that nothing jumps each time one is empty for a moment. */
  needed?: ReadonlySet<string>;
  /** Whether there is a place for consumers where there are none yet. */
  consumers?: boolean;
}

/** More channels of one topic than that are folded, down to {@link FOLDED_TO}. */
const FOLD_OVER = 24;
const FOLDED_TO = 20;
const MOST_TOPICS = 40;
const TOPIC_HEAD = 52;
const TOPIC_BACKLOG = 34;
const CONSUMER: Record<Density, number> = { full: 48, compact: 28, line: 0 };
const CONSUMERS_SHOWN: Record<Density, number> = { full: 4, compact: 2, line: 0 };
const FOLD = 30;
const PRODUCER = 44;

interface Columns {
  wide: boolean;
  producer: Span;
  topic: Span;
  channel: Span;
  consumer: Span;
  gap: number;
}

interface Span {
  x: number;
  w: number;
}

/** Which rows a channel needs beside its first one, by names for {@link Wish.needed}. */
export function needs({ snapshot }: Pick<Frame, 'snapshot'>, before: ReadonlySet<string> = new Set()): Set<string> {
  const found = new Set<string>();
  const note = (key: string, needed: boolean) => {
    if (needed || before.has(key)) found.add(key);
  };
  for (const topic of snapshot.topics) {
    note(`${topic.name} backlog`, topic.backlog.count > 0);
    for (const channel of topic.channels) {
      note(`${topic.name}/${channel.name} deferred`, channel.piles.deferred.count > 0);
      note(`${topic.name}/${channel.name} dead`, channel.piles.dead.count > 0);
    }
  }
  return found;
}

export function density(channels: number): Density {
  return channels <= 8 ? 'full' : channels <= 60 ? 'compact' : 'line';
}

function columns(width: number, producers: boolean, consumers: boolean): Columns {
  if (width < 860) {
    const inner = width - 20;
    const indent = 30;
    const own = { x: 10 + indent, w: inner - indent };
    return { wide: false, producer: { x: 10, w: inner }, topic: { x: 10, w: inner }, channel: own, consumer: own, gap: 12 };
  }
  const roomy = width >= 1_240;
  const gap = roomy ? 68 : 50;
  const producer = producers ? { x: 16, w: roomy ? 132 : 100 } : { x: 0, w: 0 };
  const topic = { x: producers ? producer.x + producer.w + gap : 44, w: roomy ? 176 : 124 };
  const consumer = { x: 0, w: consumers ? (roomy ? 190 : 148) : 0 };
  consumer.x = width - (consumers ? 58 : 24) - consumer.w;
  const start = topic.x + topic.w + gap;
  const channel = { x: start, w: consumer.x - (consumers ? gap : 0) - start };
  return { wide: true, producer, topic, channel, consumer, gap };
}

/** Builds a scene, from the top to the bottom. */
class Builder {
  readonly scene: Scene;
  readonly #at: Columns;
  readonly #density: Density;
  readonly #most: number;
  #y = 16;

  constructor(
    readonly frame: Frame,
    readonly wish: Wish,
  ) {
    const { topics } = frame.snapshot;
    const consumers = wish.consumers || topics.some(({ channels }) => channels.some(({ clients }) => clients.length > 0));
    this.#at = columns(wish.width, frame.producers.length > 0, consumers || frame.consumers.length > 0);
    this.#density = density(topics.slice(0, MOST_TOPICS).reduce((sum, topic) => sum + this.#unfolded(topic), 0));
    const total = ({ piles }: ChannelSnapshot) => STATES.reduce((sum, state) => sum + piles[state].count, 0);
    this.#most = Math.max(20, ...topics.map(({ channels }) => channels.reduce((most, one) => Math.max(most, total(one)), 0)));
    const { wide } = this.#at;
    this.scene = { width: wish.width, height: 0, wide, topics: [], channels: [], consumers: [], producers: [], folds: [], ghosts: [], edges: new Map() };
  }

  build(): Scene {
    const topics = [...this.frame.snapshot.topics].sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const topic of topics.slice(0, MOST_TOPICS)) {
      if (this.#at.wide) this.#across(topic);
      else this.#down(topic);
      this.#y += 26;
    }
    const left = topics.length - MOST_TOPICS;
    if (left > 0) {
      this.scene.folds.push({ key: 'topics', what: 'topics', count: left, x: this.#at.topic.x, y: this.#y, w: this.#at.topic.w, h: FOLD });
      this.#y += FOLD + 20;
    }
    this.scene.height = this.#y;
    this.#deadLetters();
    return this.scene;
  }

  #unfolded({ name, channels }: TopicSnapshot): number {
    return channels.length > FOLD_OVER && !this.wish.opened?.has(name) ? FOLDED_TO : channels.length;
  }

  #edge(key: string, way: Path, more: Partial<Edge> = {}): void {
    this.scene.edges.set(key, { key, path: way, drawn: true, ...more });
  }

  #topic(topic: TopicSnapshot): TopicNode {
    const backlog = this.wish.needed?.has(`${topic.name} backlog`) || topic.backlog.count > 0;
    const box = { ...this.#at.topic, y: this.#y, h: TOPIC_HEAD + (backlog ? TOPIC_BACKLOG : 0) };
    const shelf = waiting(topic, box, TOPIC_HEAD);
    const { name, paused, published } = topic;
    const node = { ...shelf, name, paused, published, backlog: topic.backlog.count, channels: topic.channels.length };
    this.scene.topics.push(node);
    return node;
  }

  /** A topic with its channels at its right, and their consumers at theirs. */
  #across(topic: TopicSnapshot): void {
    const top = this.#y;
    const node = this.#topic(topic);
    const out = top + 26;
    const producers = this.#producers(topic.name, top);
    for (const { key, x, y, w, h } of producers) this.#edge(`p:${key}`, step([x + w, y + h / 2], [node.x, out], (x + w + node.x) / 2));
    if (producers.length === 0) this.#edge(`in:${topic.name}`, path([[node.x - 34, out], [node.x, out]]), { drawn: false });
    const rail = node.x + node.w + this.#at.gap / 2;
    const shown = this.#unfolded(topic);
    for (const channel of topic.channels.slice(0, shown)) {
      const box = this.#channel(topic, channel);
      this.#edge(`t:${topic.name}/${channel.name}`, step([node.x + node.w, out], [box.x, box.y + 26], rail));
    }
    this.#rest(topic, shown, (y) => step([node.x + node.w, out], [this.#at.channel.x, y], rail));
    const below = producers.length === 0 ? 0 : producers.at(-1)!.y + PRODUCER;
    this.#y = Math.max(this.#y - this.#between(), top + node.h, below);
  }

  /** The same from the top to the bottom, with a rail at the left. */
  #down(topic: TopicSnapshot): void {
    const producers = this.#producers(topic.name, this.#y);
    if (producers.length > 0) this.#y = producers.at(-1)!.y + PRODUCER + 14;
    const node = this.#topic(topic);
    for (const { key, x, y, w, h } of producers) this.#edge(`p:${key}`, path([[x + w / 2, y + h], [x + w / 2, node.y]]));
    if (producers.length === 0) this.#edge(`in:${topic.name}`, path([[node.x + 60, node.y - 18], [node.x + 60, node.y]]), { drawn: false });
    this.#y += node.h + 14;
    const rail = node.x + 14;
    const shown = this.#unfolded(topic);
    const way = (y: number) => path([[rail, node.y + node.h], [rail, y], [this.#at.channel.x, y]]);
    for (const channel of topic.channels.slice(0, shown)) {
      const box = this.#channel(topic, channel);
      this.#edge(`t:${topic.name}/${channel.name}`, way(box.y + 22));
    }
    this.#rest(topic, shown, way);
    this.#y -= this.#between();
  }

  #between(): number {
    return this.#density === 'full' ? 16 : 9;
  }

  /** What a topic has beyond the channels that are shown: their sum, a way to fold them again, or a place for the first. */
  #rest(topic: TopicSnapshot, shown: number, way: (y: number) => Path): void {
    const { name, channels } = topic;
    const place = { ...this.#at.channel, y: this.#y };
    if (channels.length === 0) {
      this.scene.ghosts.push({ topic: name, ...place, h: 52 });
      this.#y += 52 + this.#between();
    } else if (shown < channels.length) {
      const counts = { ready: 0, in_flight: 0, deferred: 0, dead: 0 };
      for (const { piles } of channels.slice(shown)) for (const state of STATES) counts[state] += piles[state].count;
      this.scene.folds.push({ key: `${name}/*`, what: 'channels', topic: name, count: channels.length - shown, counts, ...place, h: FOLD });
      this.#edge(`t:${name}/*`, way(this.#y + FOLD / 2));
      this.#y += FOLD + this.#between();
    } else if (shown > FOLD_OVER) {
      this.scene.folds.push({ key: `${name}/*`, what: 'less', topic: name, count: shown - FOLDED_TO, ...place, h: FOLD });
      this.#y += FOLD + this.#between();
    }
  }

  #producers(topic: string, top: number): ProducerNode[] {
    const views = this.frame.producers.filter((view) => view.topic === topic);
    const { wide, producer } = this.#at;
    const across = wide ? 1 : Math.max(2, Math.min(5, Math.floor(producer.w / 170)));
    const w = (producer.w - (across - 1) * 8) / across;
    const nodes = views.map((view, i) => ({
      key: String(view.id),
      view,
      x: producer.x + (i % across) * (w + 8),
      y: top + 4 + Math.floor(i / across) * (PRODUCER + 8),
      w,
      h: PRODUCER,
    }));
    this.scene.producers.push(...nodes);
    return nodes;
  }

  #channel(topic: TopicSnapshot, channel: ChannelSnapshot): Box {
    const key = `${topic.name}/${channel.name}`;
    const density = this.#density;
    const has = (state: 'deferred' | 'dead') => channel.piles[state].count > 0 || this.wish.needed?.has(`${key} ${state}`) === true;
    const rows = has('deferred') ? 2 : 1;
    const box = { ...this.#at.channel, y: this.#y, h: shelfHeight(density, rows) };
    const { shelf, dead } = stock(channel, density, box);
    const counts = {} as Record<State, number>;
    const bar = {} as Record<State, number>;
    for (const state of STATES) bar[state] = (counts[state] = channel.piles[state].count) / this.#most;
    const { ordered, dead_letter } = channel.stats.options;
    const all = people(topic.name, channel, this.frame.consumers);
    const node: ChannelNode = {
      ...shelf,
      key,
      topic: topic.name,
      name: channel.name,
      density,
      paused: channel.paused,
      ordered,
      counts,
      bar,
      consumers: all.length,
    };
    if (dead && has('dead')) node.dead = dead;
    if (dead_letter) node.deadLetter = dead_letter;
    this.scene.channels.push(node);
    if (node.dead) {
      const x = node.x + 8;
      this.#edge(`d:${key}`, path([[x, node.y + node.h], [x, node.dead.y + 20], [node.dead.x, node.dead.y + 20]], 6), { dead: true });
    }
    const bottom = node.dead ? node.dead.y + DEAD_SHELF : box.y + box.h;
    this.#y = Math.max(bottom, this.#consumers(node, all)) + this.#between();
    return box;
  }

  /** The consumers of a channel: beside it, or below it where there is no room beside it. Answers where they end. */
  #consumers(node: ChannelNode, all: ReturnType<typeof people>): number {
    const { wide, consumer, gap } = this.#at;
    const most = CONSUMERS_SHOWN[node.density];
    const shown = all.length > most + 1 ? most : Math.min(all.length, most === 0 ? 0 : most + 1);
    const h = CONSUMER[node.density];
    const across = wide ? 1 : Math.max(2, Math.min(5, Math.floor(consumer.w / 170)));
    const w = wide ? consumer.w : (consumer.w - (across - 1) * 8) / across;
    const below = node.dead ? node.dead.y + DEAD_SHELF : node.y + node.h;
    const base = wide ? node.y : below + (node.density === 'full' ? 22 : 12);
    let end = wide ? 0 : below;
    const place = (i: number, height: number): Box => {
      const box = { x: consumer.x + (i % across) * (w + 8), y: base + Math.floor(i / across) * (h + 6), w, h: height };
      end = box.y + height;
      return box;
    };
    for (const [i, person] of all.slice(0, shown).entries()) {
      const box = place(i, h);
      this.scene.consumers.push({ ...person, topic: node.topic, channel: node.name, density: node.density, ...box });
      this.#ways(person.key, node, box, gap);
    }
    if (shown < all.length && most > 0) {
      const box = place(shown, Math.min(h, FOLD));
      this.scene.folds.push({ key: `${node.key}/*`, what: 'consumers', topic: node.topic, count: all.length - shown, ...box });
      this.#ways(`${node.key}/*`, node, box, gap);
    }
    // Whoever takes messages without a name is not there between two requests.
    const x = node.x + node.w;
    this.#edge(`f:${node.key}`, path([[x, node.y + 20], [Math.min(x + 32, node.x + node.w + 32), node.y + 20]]), { drawn: false });
    return end;
  }

  /** To a consumer, back from it, and out of the picture. */
  #ways(key: string, node: ChannelNode, to: Box, gap: number): void {
    const y = to.y + to.h / 2;
    if (this.#at.wide) {
      const x = node.x + node.w;
      const out = node.y + Math.min(26, node.h / 2);
      this.#edge(`c:${key}`, step([x, out], [to.x, y - 3], x + gap * 0.5));
      this.#edge(`r:${key}`, step([to.x, y + 6], [x, out + 9], x + gap * 0.36), { drawn: false });
      this.#edge(`f:${key}`, path([[to.x + to.w, y], [to.x + to.w + 54, y]]), { drawn: false });
    } else {
      const x = to.x + to.w / 2;
      // What is in a lower row would be reached across those above it: only the end of that way is shown.
      const first = this.scene.consumers.find((one) => one.topic === node.topic && one.channel === node.name);
      const from = first && first.y < to.y ? to.y - 6 : node.y + node.h;
      this.#edge(`c:${key}`, path([[x, from], [x, to.y]]));
      this.#edge(`r:${key}`, path([[x + 9, to.y], [x + 9, from]]), { drawn: false });
      this.#edge(`f:${key}`, path([[x, to.y + to.h], [x, to.y + to.h + 13]]), { drawn: false });
    }
  }

  /** From channels to the topics that their dead letters go to. */
  #deadLetters(): void {
    const { topics, channels } = this.scene;
    for (const node of channels) {
      const to = node.deadLetter === undefined ? undefined : topics.find(({ name }) => name === node.deadLetter);
      if (!to) continue;
      const from: Box = node.dead ?? node;
      const y = from.y + from.h - 10;
      const corners: [number, number][] = this.#at.wide
        ? [[from.x, y], [node.x - this.#at.gap * 0.25, y], [node.x - this.#at.gap * 0.25, to.y + 40], [to.x + to.w, to.y + 40]]
        : [[from.x, y], [4, y], [4, to.y + 26], [to.x, to.y + 26]];
      this.#edge(`l:${node.key}`, path(corners), { dead: true });
    }
  }
}

export function scene(frame: Frame, wish: Wish): Scene {
  return new Builder(frame, wish).build();
}
