// All simulated consumers and producers.
import type { ConsumerSpec, ConsumerView, ProducerSpec, ProducerView } from '../../broker/play.js';
import type { Stage } from './actor.js';
import { Consumer, milliseconds } from './consumer.js';
import { Producer } from './producer.js';

/** More of them would say nothing more. */
const MOST = 200;
const NAME = /^[.a-zA-Z0-9_-]+(#ephemeral)?$/;

/** What is kept of them. */
export interface Cast {
  last: number;
  consumers: (ConsumerSpec & { id: number })[];
  producers: (ProducerSpec & { id: number; published: number })[];
}

function checked(what: string, name: string): void {
  if (!NAME.test(name) || name.length > 64) throw new Error(`this is no name of a ${what}: ${name}`);
}

export class Actors {
  #last = 0;
  #consumers = new Map<number, Consumer>();
  #producers = new Map<number, Producer>();

  constructor(
    readonly stage: Stage,
    /** Somebody came or went. */
    readonly onChange: () => void,
  ) {}

  get consumers(): ConsumerView[] {
    return [...this.#consumers.values()].map(({ view }) => view);
  }

  get producers(): ProducerView[] {
    return [...this.#producers.values()].map(({ view }) => view);
  }

  get cast(): Cast {
    const consumers = [...this.#consumers.values()].map(({ id, spec, name }) => ({ ...spec, id, name }));
    return { last: this.#last, consumers, producers: this.producers };
  }

  addConsumer(spec: ConsumerSpec): number {
    checked('topic', spec.topic);
    checked('channel', spec.channel);
    if (spec.timeout !== undefined && milliseconds(spec.timeout) === undefined) throw new Error(`this is no time: ${spec.timeout}`);
    return this.#consumer(this.#next(), spec);
  }

  addProducer(spec: ProducerSpec): number {
    checked('topic', spec.topic);
    if (!Number.isFinite(spec.rate)) throw new Error('a rate is a number of messages a second');
    return this.#producer(this.#next(), spec);
  }

  remove(id: number): void {
    this.#consumers.get(id)?.leave();
    this.#producers.get(id)?.leave();
    this.#consumers.delete(id);
    this.#producers.delete(id);
    this.onChange();
  }

  /** A topic goes, or one channel of it: who lives by it would only make it anew. The answer brings them back. */
  removeOf(topic: string, channel?: string): () => void {
    const { consumers, producers } = this.cast;
    const gone = {
      consumers: consumers.filter((one) => one.topic === topic && (channel === undefined || one.channel === channel)),
      producers: producers.filter((one) => one.topic === topic && channel === undefined),
    };
    for (const { id } of [...gone.consumers, ...gone.producers]) this.remove(id);
    return () => this.start({ last: this.#last, ...gone });
  }

  /** Everybody stops, and is as new afterwards: the broker is opened anew. */
  stop(): Cast {
    const cast = this.cast;
    for (const one of [...this.#consumers.values(), ...this.#producers.values()]) one.leave();
    this.#consumers.clear();
    this.#producers.clear();
    return cast;
  }

  start({ last, consumers, producers }: Cast): void {
    this.#last = last;
    for (const { id, ...spec } of consumers) this.#consumer(id, spec);
    for (const { id, published, ...spec } of producers) this.#producer(id, spec, published);
  }

  #next(): number {
    if (this.#consumers.size + this.#producers.size >= MOST) throw new Error(`there are ${MOST} consumers and producers already`);
    this.#last += 1;
    return this.#last;
  }

  #consumer(id: number, spec: ConsumerSpec): number {
    const one = new Consumer(this.stage, id, spec);
    this.#consumers.set(id, one);
    one.start();
    this.onChange();
    return id;
  }

  #producer(id: number, spec: ProducerSpec, published = 0): number {
    const one = new Producer(this.stage, id, spec, published);
    this.#producers.set(id, one);
    one.start();
    this.onChange();
    return id;
  }
}
