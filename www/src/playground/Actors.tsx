import { useComputed, useSignal } from '@preact/signals';
import { useId } from 'preact/hooks';

import { count, texts } from '../app/texts.js';
import { BEHAVIOURS, type Behaviour, type ConsumerView, type Play, type ProducerView } from '../broker/play.js';
import { attempt } from '../ui/toast.js';
import style from './Actors.module.css';
import { behaviourTexts, DRAGGED } from './behaviours.js';
import { CloseIcon } from './icons.js';
import panel from './panel.module.css';

const t = texts(
  {
    consumers: 'Consumers',
    producers: 'Producers',
    how: 'Choose a channel and click on a behaviour, or drag it onto a channel of the picture.',
    topic: 'Topic',
    channel: 'Channel',
    add: 'Add a consumer',
    remove: (name: string) => `Remove ${name}`,
    nobody: 'Nobody consumes yet.',
    noProducers: 'Nobody publishes by itself yet.',
    holds: (n: number) => `has ${count(n)}`,
    finished: (n: number) => `${count(n)} finished`,
    requeued: (n: number) => `${count(n)} requeued`,
    rate: 'Messages a second',
    keys: 'Ordering keys',
    noKeys: 'none',
    publish: 'Add a producer',
    publishes: (rate: number) => `${count(rate)} / s`,
    published: (n: number) => `${count(n)} published`,
    withKeys: (n: number) => `${n} keys`,
    past: 'Consumers and producers live in the present: go back to now to see and change them.',
  },
  {
    consumers: '消费者',
    producers: '生产者',
    how: '选择通道后点击一种行为，或把它拖到图中的通道上。',
    topic: '主题',
    channel: '通道',
    add: '添加消费者',
    remove: (name) => `移除 ${name}`,
    nobody: '还没有消费者。',
    noProducers: '还没有自动发布的生产者。',
    holds: (n) => `持有 ${count(n)} 条`,
    finished: (n) => `已完成 ${count(n)}`,
    requeued: (n) => `已重新排队 ${count(n)}`,
    rate: '每秒消息数',
    keys: '排序键',
    noKeys: '无',
    publish: '添加生产者',
    publishes: (rate) => `${count(rate)} 条/秒`,
    published: (n) => `已发布 ${count(n)}`,
    withKeys: (n) => `${n} 个键`,
    past: '消费者和生产者属于现在：回到现在才能查看和更改它们。',
  },
);

const RATES = [0.2, 1, 5, 20, 100, 1_000, 5_000];
const KEYS = [0, 2, 3, 5, 10];

export function Actors({ play }: { play: Play }) {
  // Time alone changes nothing of these.
  const consumers = useComputed(() => play.frame.value?.consumers ?? []).value;
  const producers = useComputed(() => play.frame.value?.producers ?? []).value;
  const first = useComputed(() => play.frame.value?.snapshot.topics[0]?.name).value;
  const topic = useSignal<string | undefined>(undefined);
  const chosen = topic.value ?? first ?? 'orders';
  if (play.past.value) return <p class={panel['hint']}>{t().past}</p>;
  return (
    <div class={panel['panel']}>
      <Names play={play} />
      <section class={panel['section']}>
        <h2>{t().consumers}</h2>
        <AddConsumer play={play} topic={chosen} onTopic={(name) => (topic.value = name)} />
        <ul class={style['list']}>
          {consumers.map((one) => <ConsumerRow key={one.id} one={one} play={play} />)}
        </ul>
        {consumers.length === 0 && <p class="soft">{t().nobody}</p>}
      </section>
      <section class={panel['section']}>
        <h2>{t().producers}</h2>
        <AddProducer play={play} topic={chosen} onTopic={(name) => (topic.value = name)} />
        <ul class={style['list']}>
          {producers.map((one) => <ProducerRow key={one.id} one={one} play={play} />)}
        </ul>
        {producers.length === 0 && <p class="soft">{t().noProducers}</p>}
      </section>
    </div>
  );
}

const TOPICS = 'play-topics';

/** Topics that there are, for whoever writes one. */
function Names({ play }: { play: Play }) {
  const topics = useComputed(() => play.frame.value?.snapshot).value?.topics ?? [];
  return <datalist id={TOPICS}>{topics.map(({ name }) => <option key={name} value={name} />)}</datalist>;
}

interface Adding {
  play: Play;
  topic: string;
  onTopic(name: string): void;
}

function TopicField({ topic, onTopic }: Omit<Adding, 'play'>) {
  return (
    <label class={panel['field']}>
      <span>{t().topic}</span>
      <input class="mono" list={TOPICS} autoComplete="off" spellcheck={false} value={topic} onInput={(event) => onTopic(event.currentTarget.value)} />
    </label>
  );
}

function AddConsumer({ play, topic, onTopic }: Adding) {
  const given = useSignal<string | undefined>(undefined);
  const id = useId();
  const shown = useComputed(() => play.frame.value?.snapshot).value;
  const channels = shown?.topics.find(({ name }) => name === topic)?.channels ?? [];
  const channel = given.value ?? channels[0]?.name ?? 'billing';
  const add = (behaviour: Behaviour) => attempt(() => play.addConsumer({ topic: topic.trim(), channel: channel.trim(), behaviour }));
  const says = behaviourTexts();
  return (
    <>
      <p class="soft">{t().how}</p>
      <div class={panel['fields']}>
        <TopicField topic={topic} onTopic={onTopic} />
        <label class={panel['field']}>
          <span>{t().channel}</span>
          <input class="mono" list={id} autoComplete="off" spellcheck={false} value={channel} onInput={(event) => (given.value = event.currentTarget.value)} />
        </label>
        <datalist id={id}>{channels.map(({ name }) => <option key={name} value={name} />)}</datalist>
      </div>
      <div class={style['palette']} role="group" aria-label={t().add}>
        {BEHAVIOURS.map((behaviour) => (
          <button
            key={behaviour}
            class={style['behaviour']}
            data-behaviour={behaviour}
            draggable
            onDragStart={(event) => {
              event.dataTransfer?.setData(DRAGGED, behaviour);
              if (event.dataTransfer) event.dataTransfer.effectAllowed = 'copy';
            }}
            onClick={() => void add(behaviour)}
          >
            <b>{says[behaviour].name}</b>{' '}
            <span>{says[behaviour].does}</span>
          </button>
        ))}
      </div>
    </>
  );
}

function ConsumerRow({ one, play }: { one: ConsumerView; play: Play }) {
  const says = behaviourTexts()[one.behaviour];
  return (
    <li class={style['one']} data-behaviour={one.behaviour}>
      <div>
        <p class={style['name']}>
          <b>{one.name}</b> <span class="soft">{says.name}</span>
        </p>
        <p class={style['at']}>
          {one.topic} / {one.channel}
        </p>
        <p class={style['counts']}>
          {one.holds.length > 0 && <span class={style['holds']}>{t().holds(one.holds.length)}</span>}
          <span>{t().finished(one.finished)}</span>
          {one.requeued > 0 && <span>{t().requeued(one.requeued)}</span>}
        </p>
      </div>
      <button class="quiet" aria-label={t().remove(one.name)} title={t().remove(one.name)} onClick={() => attempt(() => play.removeConsumer(one.id))}>
        <CloseIcon />
      </button>
    </li>
  );
}

function AddProducer({ play, topic, onTopic }: Adding) {
  const rate = useSignal(5);
  const keys = useSignal(0);
  return (
    <form
      class={panel['fields']}
      onSubmit={(event) => {
        event.preventDefault();
        void attempt(() => play.addProducer({ topic: topic.trim(), rate: rate.value, keys: keys.value }));
      }}
    >
      <TopicField topic={topic} onTopic={onTopic} />
      <label class={panel['field']}>
        <span>{t().rate}</span>
        <select value={rate.value} onChange={(event) => (rate.value = Number(event.currentTarget.value))}>
          {RATES.map((one) => <option key={one} value={one}>{count(one)}</option>)}
        </select>
      </label>
      <label class={panel['field']}>
        <span>{t().keys}</span>
        <select value={keys.value} onChange={(event) => (keys.value = Number(event.currentTarget.value))}>
          {KEYS.map((one) => <option key={one} value={one}>{one === 0 ? t().noKeys : one}</option>)}
        </select>
      </label>
      <button class={style['add']}>{t().publish}</button>
    </form>
  );
}

function ProducerRow({ one, play }: { one: ProducerView; play: Play }) {
  const name = `${one.topic}, ${t().publishes(one.rate)}`;
  return (
    <li class={style['one']} data-behaviour="producer">
      <div>
        <p class={style['name']}>
          <b>{one.topic}</b> <span class="soft">{t().publishes(one.rate)}</span>
        </p>
        <p class={style['counts']}>
          <span>{t().published(one.published)}</span>
          {one.keys > 0 && <span>{t().withKeys(one.keys)}</span>}
        </p>
      </div>
      <button class="quiet" aria-label={t().remove(name)} title={t().remove(name)} onClick={() => attempt(() => play.removeProducer(one.id))}>
        <CloseIcon />
      </button>
    </li>
  );
}
