// A broker that is only pretended: enough of one to make frames for the picture, as many messages as are wanted.
import type { ChannelStats, Message, State } from '../../../src/broker/api.js';
import type { Behaviour, ConsumerView, Flow, Frame, ProducerView } from '../../../src/broker/play.js';
import type { ChannelSnapshot, Pile, TopicSnapshot } from '../../../src/broker/snapshot.js';

export interface ChannelPlan {
  name: string;
  consumers?: Behaviour[];
  ordered?: boolean;
  paused?: boolean;
  deadLetter?: string;
  deferred?: number;
  dead?: number;
  ready?: number;
}

export interface TopicPlan {
  name: string;
  channels: ChannelPlan[];
  /** Messages a second. */
  rate?: number;
  keys?: number;
  backlog?: number;
}

const BODIES = ['hello', '{"id":7}', 'parcel', 'a book', 'refund', 'shipped', 'ping'];
const START = 1_700_000_000_000;

interface Held extends Message {
  by?: number;
  ends?: number;
}

interface Channel {
  plan: ChannelPlan;
  piles: Record<State, Held[]>;
  finished: number;
  requeued: number;
}

interface Topic {
  plan: TopicPlan;
  channels: Channel[];
  backlog: Held[];
  published: number;
  owed: number;
}

export class World {
  now = START;
  readonly topics: Topic[];
  readonly consumers: ConsumerView[] = [];
  readonly producers: ProducerView[] = [];
  #id = 0;
  #flows: Flow[] = [];

  constructor(plans: TopicPlan[]) {
    this.topics = plans.map((plan) => {
      const channels = plan.channels.map((one): Channel => ({ plan: one, piles: { ready: [], in_flight: [], deferred: [], dead: [] }, finished: 0, requeued: 0 }));
      const topic: Topic = { plan, channels, backlog: [], published: 0, owed: 0 };
      if (plan.rate) this.producers.push({ id: this.producers.length + 1, topic: plan.name, rate: plan.rate, keys: plan.keys ?? 0, published: 0 });
      for (let i = 0; i < (plan.backlog ?? 0); i += 1) topic.backlog.push(this.#message(topic));
      for (const channel of channels) {
        const { ready = 0, deferred = 0, dead = 0, consumers = [] } = channel.plan;
        for (let i = 0; i < ready; i += 1) channel.piles.ready.push(this.#message(topic));
        for (let i = 0; i < deferred; i += 1) channel.piles.deferred.push({ ...this.#message(topic), attempts: 1 + (i % 3), until: (START + 4_000 + i * 7_000) * 1e6 });
        for (let i = 0; i < dead; i += 1) channel.piles.dead.push({ ...this.#message(topic), attempts: 5 });
        for (const behaviour of consumers) this.add(plan.name, channel.plan.name, behaviour);
      }
      return topic;
    });
  }

  add(topic: string, channel: string, behaviour: Behaviour): number {
    const id = this.consumers.length + 1;
    this.consumers.push({ id, topic, channel, behaviour, name: `${behaviour}-${id}`, holds: [], finished: 0, requeued: 0 });
    return id;
  }

  publish(name: string, some: number): void {
    const topic = this.topics.find(({ plan }) => plan.name === name)!;
    this.#publish(topic, some);
  }

  #message({ plan }: Topic): Held {
    this.#id += 1;
    const body = BODIES[this.#id % BODIES.length]!;
    const key = plan.keys ? { key: String.fromCharCode(97 + (this.#id % plan.keys)) } : {};
    const headers = { 'content-type': 'text/plain', 'shelf-meta-source': 'world' };
    return { id: this.#id.toString(16).padStart(16, '0'), attempts: 0, timestamp: this.now * 1e6, body, headers, ...key };
  }

  #publish(topic: Topic, some: number): void {
    const ids: string[] = [];
    for (let i = 0; i < some; i += 1) {
      const message = this.#message(topic);
      if (ids.length < 20) ids.push(message.id);
      if (topic.channels.length === 0) topic.backlog.push(message);
      for (const { piles } of topic.channels) piles.ready.push({ ...message });
    }
    topic.published += some;
    this.#flows.push({ kind: 'published', topic: topic.plan.name, count: some, ids });
  }

  /** So much time passes, and this is what it looks like then. */
  step(ms: number): Frame {
    this.now += ms;
    for (const topic of this.topics) {
      topic.owed += ((topic.plan.rate ?? 0) * ms) / 1_000;
      const some = Math.floor(topic.owed);
      topic.owed -= some;
      if (some > 0) this.#publish(topic, some);
    }
    for (const producer of this.producers) producer.published = this.topics.find(({ plan }) => plan.name === producer.topic)!.published;
    for (const consumer of this.consumers) this.#work(consumer, ms);
    return this.frame();
  }

  #work(consumer: ConsumerView, ms: number): void {
    const topic = this.topics.find(({ plan }) => plan.name === consumer.topic)!;
    const channel = topic.channels.find(({ plan }) => plan.name === consumer.channel)!;
    const { piles } = channel;
    const at = { topic: consumer.topic, channel: consumer.channel, client: consumer.name };
    const tell = (kind: Flow['kind'], some: Held[]) => {
      if (some.length > 0) this.#flows.push({ kind, ...at, count: some.length, ids: some.slice(0, 20).map(({ id }) => id) });
    };
    const ended = piles.in_flight.filter(({ by, ends }) => by === consumer.id && ends! <= this.now);
    piles.in_flight = piles.in_flight.filter((one) => !ended.includes(one));
    const bad = consumer.behaviour === 'flaky' ? ended.filter(({ id }) => parseInt(id.slice(-4), 16) % 3 === 0) : consumer.behaviour === 'crashes' ? ended : [];
    const good = ended.filter((one) => !bad.includes(one));
    const dead = bad.filter(({ attempts }) => attempts >= 5);
    const again = bad.filter((one) => !dead.includes(one));
    piles.dead.push(...dead);
    piles.ready.unshift(...again.map(({ by: _, ends: __, until: ___, ...message }) => message));
    channel.finished += good.length;
    consumer.finished += good.length;
    consumer.requeued += again.length;
    tell('finished', good);
    tell('dead', dead);
    tell(consumer.behaviour === 'crashes' ? 'timed_out' : 'requeued', again);
    const most = consumer.behaviour === 'fast' ? Math.max(5, ms) : consumer.behaviour === 'flaky' ? 6 : consumer.behaviour === 'slow' ? 2 : 1;
    const takes = { fast: 40, slow: 2_000, flaky: 700, crashes: 5_000, ordered: 500 }[consumer.behaviour];
    const free = channel.plan.paused ? 0 : most - piles.in_flight.filter(({ by }) => by === consumer.id).length;
    const taken = piles.ready.splice(0, free).map((one) => ({ ...one, attempts: one.attempts + 1, by: consumer.id, ends: this.now + takes, until: (this.now + 5_000) * 1e6 }));
    piles.in_flight.push(...taken);
    tell('delivered', taken);
    consumer.holds = piles.in_flight.filter(({ by }) => by === consumer.id).map(({ id }) => id);
  }

  frame(): Frame {
    const flows = this.#flows;
    this.#flows = [];
    const consumers = this.consumers.map((one) => ({ ...one }));
    return { now: this.now, snapshot: { topics: this.topics.map(shown) }, flows, consumers, producers: this.producers.map((one) => ({ ...one })) };
  }
}

function pile(messages: Held[], state: State): Pile {
  return { count: messages.length, first: messages.slice(0, 24).map(({ by: _, ends: __, ...message }) => ({ ...message, state })) };
}

function shown({ plan, channels, backlog, published }: Topic): TopicSnapshot {
  return {
    name: plan.name,
    paused: false,
    backlog: pile(backlog, 'ready'),
    published: published + backlog.length,
    channels: channels.map(({ plan: own, piles, finished, requeued }): ChannelSnapshot => {
      const options = { timeout_ms: 5_000, max_attempts: 5, max_in_flight: 0, ordered: own.ordered ?? false, dead_letter: own.deadLetter ?? null };
      const stats = { channel_name: own.name, finish_count: finished, requeue_count: requeued, options } as ChannelStats;
      const of = (state: State) => pile(piles[state], state);
      return { name: own.name, paused: own.paused ?? false, clients: [], stats, piles: { ready: of('ready'), in_flight: of('in_flight'), deferred: of('deferred'), dead: of('dead') } };
    }),
  };
}

const numbered = (n: number, of: (i: number) => ChannelPlan) => Array.from({ length: n }, (_, i) => of(i));
const name = (i: number) => `reader-${String(i + 1).padStart(2, '0')}`;
const KINDS: Behaviour[] = ['fast', 'slow', 'flaky', 'crashes'];

/** What there is to look at, by name. */
export const WORLDS: Record<string, () => TopicPlan[]> = {
  nothing: () => [],
  few: () => [
    { name: 'books', rate: 1, channels: [{ name: 'archive', ready: 3, consumers: ['slow'] }, { name: 'reader', consumers: ['fast', 'flaky'], deferred: 3 }] },
    { name: 'orders', backlog: 7, channels: [] },
  ],
  twenty: () => [
    { name: 'books', rate: 8, channels: numbered(12, (i) => ({ name: name(i), ready: (i * 7) % 40, deferred: i % 3, dead: i % 4, paused: i === 5, consumers: i % 5 === 4 ? [] : [KINDS[i % 4]!, 'fast'] })) },
    { name: 'orders', rate: 3, channels: numbered(8, (i) => ({ name: name(i), ready: (i * 5) % 17, consumers: ['slow', 'slow', 'flaky'] })) },
  ],
  many: () => [{ name: 'books', rate: 5, channels: numbered(200, (i) => ({ name: `reader-${String(i + 1).padStart(3, '0')}`, ready: i, consumers: i % 9 === 0 ? ['slow'] : [] })) }],
  heavy: () => [{ name: 'books', rate: 1_000, channels: [{ name: 'archive', consumers: ['fast'] }, { name: 'reader', ready: 300, consumers: ['fast', 'fast', 'fast', 'slow'] }, { name: 'slow', ready: 900, consumers: ['slow', 'flaky', 'crashes'] }] }],
  load: () => [{ name: 'books', rate: 1_000, channels: numbered(20, (i) => ({ name: name(i), ready: i * 30, deferred: i % 4, consumers: ['fast', i % 2 ? 'fast' : 'flaky'] })) }],
  dead: () => [
    { name: 'books', rate: 2, channels: [{ name: 'reader', ready: 4, dead: 9, deadLetter: 'graveyard', consumers: ['crashes', 'flaky'] }, { name: 'archive', dead: 1, consumers: ['slow'] }] },
    { name: 'graveyard', channels: [{ name: 'inspect', ready: 5 }] },
  ],
  keys: () => [{ name: 'orders', rate: 3, keys: 4, channels: [{ name: 'billing', ordered: true, ready: 9, consumers: ['ordered', 'ordered'] }, { name: 'audit', ready: 2, paused: true }] }],
};
