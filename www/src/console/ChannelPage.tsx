import { useState } from 'preact/hooks';

import { count, texts } from '../app/texts.js';
import type { ChannelStats, State } from '../broker/api.js';
import type { Session } from '../broker/session.js';
import { sentence } from '../ui/errors.js';
import { tell } from '../ui/toast.js';
import { Absent } from './Absent.js';
import { Actions } from './Actions.js';
import { Confirm } from './Confirm.js';
import style from './Console.module.css';
import { Consumers } from './Consumers.js';
import { Export } from './Export.js';
import { useLive, type Live } from './live.js';
import { attemptTo, tryTo, whyNot } from './may.js';
import { Messages, shortId } from './Messages.js';
import { channelOptions, Options } from './Options.js';
import { PageHead } from './PageHead.js';
import { Problem } from './Problem.js';
import { channelCounts, historiesOf } from './rates.js';
import { RatesCard } from './RatesCard.js';
import { Seek } from './Seek.js';
import { latencyTiles, Tiles } from './Tiles.js';
import { words } from './words.js';

const t = texts(
  {
    absent: (topic: string, name: string) => `Topic ${topic} has no channel ${name}.`,
    seek: 'Seek …',
    states: 'Where messages are',
    redriveAll: 'Redrive all',
    dropAll: 'Drop all …',
    redriven: (n: string) => `${n} put back.`,
    redrivenOne: (id: string) => `${id} is put back.`,
    dropTitle: (name: string) => `Drop the dead letters of ${name}?`,
    dropText: (n: string, name: string) => `${n} dead letters of ${name} are dropped. This cannot be undone.`,
    drop: 'Drop all',
    dropped: 'The dead letters are gone.',
    waiting: 'Polls waiting',
  },
  {
    absent: (topic, name) => `主题 ${topic} 没有名为 ${name} 的通道。`,
    seek: '重置位点 …',
    states: '消息所在状态',
    redriveAll: '全部重投',
    dropAll: '全部丢弃 …',
    redriven: (n) => `已重投 ${n} 条。`,
    redrivenOne: (id) => `${id} 已重投。`,
    dropTitle: (name) => `丢弃 ${name} 的死信？`,
    dropText: (n, name) => `${name} 的 ${n} 条死信将被丢弃，无法撤销。`,
    drop: '全部丢弃',
    dropped: '死信已丢弃。',
    waiting: '等待中的请求',
  },
);

/** A channel's numbers by the last look, its rates remembered. */
async function look(session: Session, topic: string, name: string): Promise<ChannelStats | undefined> {
  const { topics } = await session.api.stats({ topic, channel: name });
  const channel = topics.find(({ topic_name }) => topic_name === topic)?.channels.find(({ channel_name }) => channel_name === name);
  if (channel) historiesOf(session).of(`channel ${topic} ${name}`).add({ at: session.now(), ...channelCounts(channel) });
  return channel;
}

export function ChannelPage({ session, topic, name }: { session: Session; topic: string; name: string }) {
  const live = useLive(session, `${topic} ${name}`, async () => ({ channel: await look(session, topic, name) }));
  const answer = live.value.value;
  return (
    <>
      <Problem error={live.error.value} />
      {answer?.channel && <Channel session={session} topic={topic} channel={answer.channel} live={live} />}
      {answer && !answer.channel && <Absent session={session} topic={topic} channel={name} text={t().absent(topic, name)} live={live} />}
      {!answer && live.error.value === undefined && <p class="soft">{words().loading}</p>}
    </>
  );
}

interface ChannelProps {
  session: Session;
  topic: string;
  channel: ChannelStats;
  live: Live<unknown>;
}

function Channel({ session, topic, channel, live }: ChannelProps) {
  const [seeking, setSeeking] = useState(false);
  const name = channel.channel_name;
  const w = words();
  const why = whyNot(session, 'seek', topic);
  const save = async (changed: Record<string, string>) => (await session.api.channel('config', topic, name, changed), live.refresh());
  return (
    <>
      <PageHead topic={topic} channel={name} isPaused={channel.paused}>
        <Actions session={session} topic={topic} channel={name} isPaused={channel.paused} onDone={live.refresh} up={['topics', topic]}>
          <button disabled={why !== undefined} title={why} onClick={() => setSeeking(true)}>
            {t().seek}
          </button>
        </Actions>
      </PageHead>
      <Tiles
        label={name}
        tiles={[
          { name: w.depth, value: channel.depth, color: 'ready' },
          { name: w.inFlight, value: channel.in_flight_count, color: 'in-flight' },
          { name: w.deferred, value: channel.deferred_count, color: 'deferred' },
          { name: w.dead, value: channel.dead_count, color: 'dead' },
          { name: w.finished, value: channel.finish_count },
          { name: w.requeues, value: channel.requeue_count },
          { name: w.timeouts, value: channel.timeout_count },
          ...(channel.expired_count > 0 ? [{ name: w.expired, value: channel.expired_count }] : []),
          ...(channel.dropped_count > 0 ? [{ name: w.dropped, value: channel.dropped_count }] : []),
          { name: t().waiting, value: channel.waiting_count },
          ...latencyTiles(channel.e2e_processing_latency),
        ]}
      />
      <div class={style['columns']}>
        <RatesCard series={historiesOf(session).of(`channel ${topic} ${name}`)} isChannel />
        <Options session={session} topic={topic} name={name} options={channelOptions(channel.options)} save={save} />
      </div>
      <States session={session} topic={topic} channel={channel} onDone={live.refresh} />
      <Consumers session={session} consumers={channel.clients ?? []} />
      {seeking && <Seek session={session} topic={topic} channel={channel} onDone={live.refresh} onClose={() => setSeeking(false)} />}
    </>
  );
}

interface StatesProps {
  session: Session;
  topic: string;
  channel: ChannelStats;
  onDone(): void;
}

/** A channel's messages by where they are, and what can be done with those that are dead. */
function States({ session, topic, channel, onDone }: StatesProps) {
  const [state, setState] = useState<State>('ready');
  const { channel_name: name, dead_count: dead } = channel;
  const w = words();
  const states: [State, string, number][] = [
    ['ready', w.ready, channel.depth],
    ['in_flight', w.inFlight, channel.in_flight_count],
    ['deferred', w.deferred, channel.deferred_count],
    ['dead', w.dead, dead],
  ];
  const whyNoRedrive = whyNot(session, 'redrive', topic);
  const redriveOne = async (id: string) => {
    await attemptTo('redrive', topic, () => session.api.redrive(topic, name, id), t().redrivenOne(shortId(id)));
    onDone();
  };
  const label = states.find(([each]) => each === state)![1];
  return (
    <section class={`${style['section']} card`} aria-labelledby="messages">
      <header class={style['sectionHead']}>
        <h2 id="messages">{w.messages}</h2>
        <div class={style['tabs']} role="group" aria-label={t().states}>
          {states.map(([each, text, n]) => (
            <button key={each} aria-pressed={state === each} onClick={() => setState(each)}>
              {text} <small>{count(n)}</small>
            </button>
          ))}
        </div>
        <Export
          session={session}
          topic={topic}
          of={{ channel: name, state: label, peek: (max, from) => session.api.peeked(topic, name, state, max, from) }}
        />
      </header>
      {state === 'dead' && dead > 0 && <DeadActions session={session} topic={topic} channel={channel} onDone={onDone} />}
      <Messages
        key={state}
        session={session}
        label={label}
        version={[...states.map(([, , n]) => n), channel.position, channel.finish_count, channel.requeue_count, channel.timeout_count].join(' ')}
        peek={(max, from) => session.api.peek(topic, name, state, max, from)}
        onRedrive={state === 'dead' ? redriveOne : undefined}
        whyNot={whyNoRedrive}
      />
    </section>
  );
}

/** What can be done with all dead letters at once. */
function DeadActions({ session, topic, channel, onDone }: StatesProps) {
  const [dropping, setDropping] = useState(false);
  const { channel_name: name, dead_count: dead } = channel;
  const whyNoRedrive = whyNot(session, 'redrive', topic);
  const whyNoDrop = whyNot(session, 'drop', topic);
  const redriveAll = async () => {
    let n = 0;
    const act = async () => void (n = await session.api.redrive(topic, name));
    try {
      await tryTo('redrive', topic, act);
      tell(t().redriven(count(n)));
    } catch (why) {
      tell(sentence(why), true);
    }
    onDone();
  };
  const drop = async () => {
    await tryTo('drop', topic, () => session.api.emptyDead(topic, name));
    tell(t().dropped);
    onDone();
  };
  return (
    <div class={style['actions']}>
      <button class="primary" disabled={whyNoRedrive !== undefined} title={whyNoRedrive} onClick={redriveAll}>
        {t().redriveAll}
      </button>
      <button class="danger" disabled={whyNoDrop !== undefined} title={whyNoDrop} onClick={() => setDropping(true)}>
        {t().dropAll}
      </button>
      {dropping && (
        <Confirm
          title={t().dropTitle(name)}
          text={t().dropText(count(dead), name)}
          act={t().drop}
          onConfirm={drop}
          onClose={() => setDropping(false)}
        />
      )}
    </div>
  );
}
