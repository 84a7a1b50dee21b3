import { useState } from 'preact/hooks';

import { to } from '../app/route.js';
import { bytes, count, texts } from '../app/texts.js';
import type { ChannelStats, TopicStats } from '../broker/api.js';
import type { Session } from '../broker/session.js';
import { perSecond } from '../charts/RateChart.js';
import { Absent } from './Absent.js';
import { Actions } from './Actions.js';
import style from './Console.module.css';
import { Consumers } from './Consumers.js';
import { CreateChannel } from './CreateTopic.js';
import { Export } from './Export.js';
import { useLive, type Live } from './live.js';
import { whyNot } from './may.js';
import { Messages } from './Messages.js';
import { Options, topicOptions } from './Options.js';
import { PageHead } from './PageHead.js';
import { PictureCard } from './PictureCard.js';
import { Problem } from './Problem.js';
import { Publish } from './Publish.js';
import { channelCounts, historiesOf, topicCounts } from './rates.js';
import { RatesCard } from './RatesCard.js';
import { latencyTiles, Tiles } from './Tiles.js';
import { Scroll } from './Scroll.js';
import { sum } from './total.js';
import { words } from './words.js';

const t = texts(
  {
    absent: (name: string) => `There is no topic ${name}.`,
    create: 'Create channel …',
    search: 'Search channels',
    noChannels: 'No channels yet: messages wait for the first one.',
    backlog: 'Topic backlog',
    kept: 'Messages that are kept',
    keptHint: 'Oldest first, whichever channels have finished them.',
    show: 'Look at them',
    bytes: 'Bytes published',
    disk: 'On disk',
    perSecond: 'Finished/s',
  },
  {
    absent: (name) => `没有名为 ${name} 的主题。`,
    create: '创建通道 …',
    search: '搜索通道',
    noChannels: '还没有通道：消息在等待第一个通道。',
    backlog: '待通道接收',
    kept: '保留着的消息',
    keptHint: '从最旧的开始，不论通道是否已完成它们。',
    show: '查看',
    bytes: '已发布字节',
    disk: '占用磁盘',
    perSecond: '完成/秒',
  },
);

/** A topic's numbers by the last look, its channels' rates remembered. */
async function look(session: Session, name: string): Promise<TopicStats | undefined> {
  const { topics } = await session.api.stats({ topic: name });
  const topic = topics.find(({ topic_name }) => topic_name === name);
  if (!topic) return undefined;
  const at = session.now();
  const histories = historiesOf(session);
  histories.of(`topic ${name}`).add({ at, ...topicCounts(topic) });
  for (const channel of topic.channels) histories.of(`channel ${name} ${channel.channel_name}`).add({ at, ...channelCounts(channel) });
  return topic;
}

export function TopicPage({ session, name }: { session: Session; name: string }) {
  const live = useLive(session, name, async () => ({ topic: await look(session, name) }));
  const answer = live.value.value;
  return (
    <>
      <Problem error={live.error.value} />
      {answer?.topic && <Topic session={session} topic={answer.topic} live={live} />}
      {answer && !answer.topic && <Absent session={session} topic={name} text={t().absent(name)} live={live} />}
      {!answer && live.error.value === undefined && <p class="soft">{words().loading}</p>}
    </>
  );
}

function Topic({ session, topic, live }: { session: Session; topic: TopicStats; live: Live<unknown> }) {
  const [publishing, setPublishing] = useState(false);
  const [isLooking, setLooking] = useState(false);
  const name = topic.topic_name;
  const w = words();
  const why = whyNot(session, 'publish', name);
  const total = sum([topic]);
  const consumers = topic.channels.flatMap(({ channel_name, clients }) => (clients ?? []).map((client) => ({ ...client, channel: channel_name })));
  const save = async (changed: Record<string, string>) => (await session.api.topic('config', name, changed), live.refresh());
  return (
    <>
      <PageHead topic={name} isPaused={topic.paused}>
        <Actions session={session} topic={name} isPaused={topic.paused} depth={topic.depth} onDone={live.refresh} up={['topics']}>
          <button class="primary" disabled={why !== undefined} title={why} onClick={() => setPublishing(true)}>
            {w.publish}
          </button>
          <Export session={session} topic={name} />
        </Actions>
      </PageHead>
      <Tiles
        label={name}
        tiles={[
          { name: t().backlog, value: topic.depth, color: 'ready' },
          { name: w.depth, value: total.depth, color: 'ready' },
          { name: w.inFlight, value: total.in_flight_count, color: 'in-flight' },
          { name: w.deferred, value: total.deferred_count, color: 'deferred' },
          { name: w.dead, value: total.dead_count, color: 'dead' },
          { name: w.published, value: topic.message_count },
          { name: t().bytes, value: bytes(topic.message_bytes) },
          { name: t().disk, value: bytes(topic.disk_bytes) },
          ...latencyTiles(topic.e2e_processing_latency),
        ]}
      />
      <div class={style['columns']}>
        <RatesCard series={historiesOf(session).of(`topic ${name}`)} />
        <Options session={session} topic={name} name={name} options={topicOptions(topic.options)} save={save} />
      </div>
      <PictureCard session={session} topic={name} />
      <Channels session={session} topic={topic} onDone={live.refresh} />
      <Consumers session={session} consumers={consumers} />
      <section class={`${style['section']} card`} aria-labelledby="kept">
        <h2 id="kept">{t().kept}</h2>
        <p class="soft">{t().keptHint}</p>
        {isLooking ? (
          <Messages
            session={session}
            label={t().kept}
            hasAttempts={false}
            version={`${topic.message_count} ${topic.disk_bytes} ${topic.memory_bytes}`}
            peek={(max, from) => session.api.peek(name, undefined, undefined, max, from)}
          />
        ) : (
          <p>
            <button onClick={() => setLooking(true)}>{t().show}</button>
          </p>
        )}
      </section>
      {publishing && <Publish session={session} topic={name} onDone={live.refresh} onClose={() => setPublishing(false)} />}
    </>
  );
}

/** From so many channels on they can be searched. */
const MANY = 20;

function Channels({ session, topic, onDone }: { session: Session; topic: TopicStats; onDone(): void }) {
  const [creating, setCreating] = useState(false);
  const [search, setSearch] = useState('');
  const hasMany = topic.channels.length >= MANY;
  const shown = hasMany ? topic.channels.filter(({ channel_name }) => channel_name.toLowerCase().includes(search.toLowerCase())) : topic.channels;
  const w = words();
  const why = whyNot(session, 'create', topic.topic_name);
  return (
    <section class={`${style['section']} card`} aria-labelledby="channels">
      <header class={style['sectionHead']}>
        <h2 id="channels">
          {w.channels} <small class="soft">{count(topic.channels.length)}</small>
        </h2>
        {hasMany && (
          <input type="search" aria-label={t().search} placeholder={t().search} value={search} onInput={(event) => setSearch(event.currentTarget.value.trim())} />
        )}
        <button disabled={why !== undefined} title={why} onClick={() => setCreating(true)}>
          {t().create}
        </button>
      </header>
      {topic.channels.length === 0 ? (
        <p class="soft">{t().noChannels}</p>
      ) : (
        <Scroll label={w.channels}>
          <table aria-labelledby="channels">
            <thead>
              <tr>
                <th scope="col">{w.channel}</th>
                {[w.ready, w.inFlight, w.deferred, w.dead, w.requeues, w.timeouts, w.consumers, t().perSecond].map((text) => (
                  <th key={text} scope="col" class="number">
                    {text}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {shown.map((channel) => (
                <ChannelRow key={channel.channel_name} session={session} topic={topic.topic_name} channel={channel} />
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {creating && <CreateChannel session={session} topic={topic.topic_name} onClose={() => (setCreating(false), onDone())} />}
    </section>
  );
}

function ChannelRow({ session, topic, channel }: { session: Session; topic: string; channel: ChannelStats }) {
  const { channel_name: name, paused } = channel;
  const rate = historiesOf(session).of(`channel ${topic} ${name}`).rate('finished');
  const numbers = [
    channel.depth,
    channel.in_flight_count,
    channel.deferred_count,
    channel.dead_count,
    channel.requeue_count,
    channel.timeout_count,
    channel.client_count,
  ];
  return (
    <tr>
      <th scope="row">
        <a href={to('topics', topic, 'channels', name)}>{name}</a>
        {paused && <span class={style['badge']}>{words().paused}</span>}
      </th>
      {numbers.map((value, i) => (
        <td key={i} class="number">
          {count(value)}
        </td>
      ))}
      <td class="number">{rate === undefined ? '–' : perSecond(rate)}</td>
    </tr>
  );
}
