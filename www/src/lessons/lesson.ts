// What a lesson is: steps with something to do, and a goal that is read off the broker's own state.
import type { Api, ChannelStats, Message, State, TopicStats } from '../broker/api.js';
import { ok, path } from '../broker/fetch.js';
import type { Behaviour, ConsumerView, Play, ProducerView } from '../broker/play.js';
import { receipts } from '../broker/receipts.js';
import type { Id } from './catalogue.js';

/** What a lesson says, in one language. Text between backticks is code. */
export interface Said {
  /** What it is about, in two or three sentences. */
  about: string;
  steps: SaidStep[];
  /** At the end: why it worked. */
  why: string;
}

export interface SaidStep {
  title: string;
  text: string;
  /** What to look at when it does not work. */
  hint?: string;
  /** What the button says, where a step has one to do something with the cast. */
  act?: string;
}

/** A command as it is shown and run. `RECEIPT` stands for the receipt of the message that was received last. */
export interface Command {
  run: string;
  /** It only looks: the goal does not need it. */
  looks?: true;
  /** “Show me” leaves it out where it is not needed. */
  needed?(look: Look): Promise<boolean>;
  /** It is shown only where it is needed: a lease has ended, or the user did something else. */
  mends?: true;
}

/** Time goes on by so many milliseconds. */
export interface Pass {
  pass: number;
  /** As with a command. */
  needed?(look: Look): Promise<boolean>;
  mends?: true;
}

/** Something is done with the cast: people are played by simulated producers and consumers. */
export interface Scene {
  act(stage: Stage): Promise<void>;
  /** It only saves waiting: the goal does not need it. */
  looks?: true;
}

export type Act = Command | Pass | Scene;

export interface Step {
  acts: Act[];
  /** Whether the broker is where this step leads. It is asked after the steps before have been there. */
  met(look: Look): Promise<boolean>;
  /** Whether nothing leads there any more but a new start. */
  lost?(look: Look): Promise<boolean>;
}

export interface Lesson {
  id: Id;
  said(): Said;
  /** Topics that it uses. They are deleted when it starts. */
  topics: string[];
  /** A channel, or only a topic, that is there when it starts. */
  there?: { topic: string; channel?: string };
  /** The people who are there when it starts. */
  setup?(stage: Stage): Promise<void>;
  steps: Step[];
}

/** What goals have seen, for those that come after them. */
export type Seen = Record<string, string>;

/** What a goal looks at. */
export class Look {
  constructor(
    readonly api: Api,
    /** The broker's time, ms since 1970. */
    readonly now: number,
    readonly consumers: readonly ConsumerView[] = [],
    readonly producers: readonly ProducerView[] = [],
    readonly seen: Seen = {},
  ) {}

  async topic(topic: string): Promise<TopicStats | undefined> {
    const { topics } = await this.api.stats({ topic, include_clients: true });
    return topics.find((one) => one.topic_name === topic);
  }

  async channel(topic: string, channel: string): Promise<ChannelStats | undefined> {
    return (await this.topic(topic))?.channels.find((one) => one.channel_name === channel);
  }

  async messages(topic: string, channel: string, state: State): Promise<Message[]> {
    return (await this.channel(topic, channel)) ? (await this.api.peek(topic, channel, state)).messages : [];
  }

  /** How many messages a channel has not finished. */
  async left(topic: string, channel: string): Promise<number> {
    const one = await this.channel(topic, channel);
    return one === undefined ? 0 : one.depth + one.in_flight_count + one.deferred_count + one.dead_count;
  }

  /** Whether the last receipt of a channel is good for a message that is leased. */
  async holds(topic: string, channel: string): Promise<boolean> {
    const id = receipts.value[`${topic}/${channel}`]?.split('-')[0]?.padStart(16, '0');
    return id !== undefined && (await this.messages(topic, channel, 'in_flight')).some((one) => one.id === id);
  }

  /** Remembers these messages. */
  mark(name: string, messages: readonly Message[]): void {
    this.seen[name] = messages.map((one) => one.id).join(' ');
  }

  /** Those of the messages that were remembered which are in one of these states. */
  async marked(name: string, topic: string, channel: string, ...states: State[]): Promise<Message[]> {
    const ids = this.seen[name]?.split(' ') ?? [];
    const piles = await Promise.all(states.map((state) => this.messages(topic, channel, state)));
    return piles.flat().filter((one) => ids.includes(one.id));
  }

  /** Who reads from a topic. */
  readers(topic: string): ConsumerView[] {
    return this.consumers.filter((one) => one.topic === topic);
  }

  /** Who publishes to it. */
  writers(topic: string): ProducerView[] {
    return this.producers.filter((one) => one.topic === topic);
  }

  /** Milliseconds until the last lease of a channel ends; undefined where nothing is leased. */
  async lease(topic: string, channel: string): Promise<number | undefined> {
    const ends = (await this.messages(topic, channel, 'in_flight')).flatMap((one) => one.until ?? []);
    return ends.length === 0 ? undefined : Math.max(...ends) / 1e6 - this.now;
  }
}

/** What scenes are played with. */
export type Cast = Pick<Play, 'addConsumer' | 'removeConsumer' | 'addProducer' | 'removeProducer' | 'setSpeed' | 'speed' | 'frame'>;

/** Where a scene is played: one topic, and who comes and goes there. */
export class Stage {
  constructor(
    readonly api: Api,
    readonly cast: Cast,
    readonly topic: string,
  ) {}

  /** Somebody comes who reads from a channel of the same name. */
  async enter(name: string, behaviour: Behaviour): Promise<void> {
    await this.cast.addConsumer({ topic: this.topic, channel: name, behaviour, name });
  }

  /** Somebody goes. */
  async leave(name: string): Promise<void> {
    for (const one of this.cast.frame.value?.consumers ?? []) {
      if (one.topic === this.topic && one.channel === name) await this.cast.removeConsumer(one.id);
    }
  }

  /** Somebody publishes, so many a second. */
  async publishing(rate: number): Promise<void> {
    await this.cast.addProducer({ topic: this.topic, rate });
  }

  async quiet(): Promise<void> {
    for (const one of this.cast.frame.value?.producers ?? []) {
      if (one.topic === this.topic) await this.cast.removeProducer(one.id);
    }
  }

  /** So many messages at once. */
  async pile(bodies: string[]): Promise<void> {
    await ok(this.api.fetch(path('/mpub', { topic: this.topic }), { method: 'POST', body: bodies.join('\n') }));
  }

  /** Everybody goes. */
  async clear(): Promise<void> {
    await this.quiet();
    for (const one of this.cast.frame.value?.consumers ?? []) {
      if (one.topic === this.topic) await this.cast.removeConsumer(one.id);
    }
  }
}

export const seconds = (n: number): Pass => ({ pass: n * 1_000 });
export const run = (command: string): Command => ({ run: command });
export const look = (command: string): Command => ({ run: command, looks: true });
export const mend = (command: string, needed: (look: Look) => Promise<boolean>): Command => ({ run: command, needed, mends: true });

/** A lease runs out that nobody can end. */
export const lapse = (needed: (look: Look) => Promise<boolean>): Pass => ({ ...seconds(60), needed, mends: true });

/** Receives once more, where the next line has no receipt that is still good. */
export const again = (topic: string, channel: string): Act[] => [
  // Somebody else has it, or it was received without a receipt that could be kept.
  lapse(async (look) => {
    const one = await look.channel(topic, channel);
    return one !== undefined && one.depth === 0 && one.in_flight_count > 0 && !(await look.holds(topic, channel));
  }),
  mend(`curl -i 'localhost:4151/sub?topic=${topic}&channel=${channel}'`, async (look) => {
    const one = await look.channel(topic, channel);
    return one !== undefined && one.depth > 0 && !(await look.holds(topic, channel));
  }),
];

/** A channel is not there that a step needs. */
export const gone = (topic: string, channel: string) => async (look: Look) => (await look.channel(topic, channel)) === undefined;

/** Nothing is left in a channel that a step could be done with. */
export const nothing = (topic: string, channel: string) => async (look: Look) => (await look.left(topic, channel)) === 0;
