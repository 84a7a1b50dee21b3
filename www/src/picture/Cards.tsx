// What is around the channels: topics, producers, consumers, and what is folded.
import { count } from '../app/texts.js';
import { to } from '../app/route.js';
import type { Behaviour, Play } from '../broker/play.js';
import { behaviourTexts } from '../playground/behaviours.js';
import { attempt } from '../ui/toast.js';
import { Counts } from './Channel.js';
import { type ConsumerNode, type FoldNode, type Ghost, type ProducerNode, type TopicNode, placed } from './nodes.js';
import style from './picture.module.css';
import { Tokens } from './Tokens.js';
import { words } from './words.js';

export function Topic({ node, busy }: { node: TopicNode; busy: boolean }) {
  return (
    <div role="group" class={style['topic']} style={placed(node)} aria-label={`${words().topic} ${node.name}`} data-topic={node.name} data-paused={node.paused || undefined}>
      <header>
        <a href={to('topics', node.name)} title={node.name}>
          {node.name}
        </a>
        {node.paused && <span class={style['badge']} data-warn>{words().paused}</span>}
      </header>
      <p class="soft">{node.backlog > 0 ? words().waiting(node.backlog) : words().published(node.published)}</p>
      <Tokens shelf={node} topic={node.name} small busy={busy} label={`${node.name}: ${words().depth}`} />
    </div>
  );
}

const FACES: Record<Behaviour, string> = {
  fast: 'M9 1 3 9h4l-1 6 6-8H8z',
  slow: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2Zm.7 2.5v3.2l2.4 1.5-.7 1.1-3.1-1.9V4.5z',
  flaky: 'M3 5h8l-2-2 1-1 4 4-4 4-1-1 2-2H3zm0 6h3v2H3z',
  crashes: 'M4.2 3 8 6.8 11.8 3 13 4.2 9.2 8l3.8 3.8-1.2 1.2L8 9.2 4.2 13 3 11.8 6.8 8 3 4.2z',
  ordered: 'M2 3h3v3H2zm5 .7h7v1.6H7zM2 7h3v3H2zm5 .7h7v1.6H7zM2 11h3v3H2zm5 .7h7v1.6H7z',
};

export function Consumer({ node, play }: { node: ConsumerNode; play: Play | undefined }) {
  const { name, simulated, holds, finished, requeued } = node;
  const title = simulated ? behaviourTexts()[simulated.behaviour].name : name || words().noName;
  return (
    <div role="group" class={style['consumer']} style={placed(node)} aria-label={`${words().consumer} ${name}`} data-density={node.density} data-consumer={node.key} data-holds={holds > 0 || undefined}>
      <header>
        <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
          {simulated ? <path d={FACES[simulated.behaviour]} /> : <circle cx="8" cy="8" r="4" />}
        </svg>
        <strong title={name}>{title}</strong>
        {holds > 0 && (
          <span class={style['holds']} title={words().holds(holds)}>
            <span aria-hidden="true">{count(holds)}</span>
            <span class="sr-only">{words().holds(holds)}</span>
          </span>
        )}
        {play && simulated && (
          <button type="button" class={style['remove']} aria-label={words().removeOne(name)} title={words().removeOne(name)} onClick={() => void attempt(() => play.removeConsumer(simulated.id))}>
            ×
          </button>
        )}
      </header>
      {node.density === 'full' && (
        <p class={style['done']}>
          {simulated && <span class={style['name']}>{name}</span>}
          <Done sign="✓" n={finished} what={words().finished} />
          {requeued > 0 && <Done sign="↻" n={requeued} what={words().requeued} />}
        </p>
      )}
    </div>
  );
}

function Done({ sign, n, what }: { sign: string; n: number; what: string }) {
  return (
    <span title={what}>
      <span aria-hidden="true">{sign}</span> {count(n)} <span class="sr-only">{what}</span>
    </span>
  );
}

export function Producer({ node, play }: { node: ProducerNode; play: Play | undefined }) {
  const { id, rate, published } = node.view;
  const name = `${words().producer} ${id}`;
  return (
    <div role="group" class={style['producer']} style={placed(node)} aria-label={name}>
      <header>
        <strong>{words().rate(rate)}</strong>
        {play && (
          <button type="button" class={style['remove']} aria-label={words().removeOne(name)} title={words().removeOne(name)} onClick={() => void attempt(() => play.removeProducer(id))}>
            ×
          </button>
        )}
      </header>
      <p class="soft">{words().published(published)}</p>
    </div>
  );
}

export function Fold({ node, onOpen }: { node: FoldNode; onOpen(topic: string, open: boolean): void }) {
  const { what, counts, topic } = node;
  if (what === 'consumers') {
    return (
      <p class={style['fold']} style={placed(node)}>
        {words().moreConsumers(node.count)}
      </p>
    );
  }
  if (what === 'topics') {
    return (
      <a class={style['fold']} style={placed(node)} href={to('topics')}>
        {words().moreTopics(node.count)}
      </a>
    );
  }
  return (
    <button type="button" class={style['fold']} style={placed(node)} aria-expanded={what === 'less'} onClick={() => onOpen(topic!, what === 'channels')}>
      {what === 'less' ? words().fewerChannels(node.count) : words().moreChannels(node.count)}
      {counts && <Counts counts={counts} wordy={false} />}
    </button>
  );
}

export function NoChannel({ node }: { node: Ghost }) {
  return (
    <p class={style['ghost']} style={placed(node)}>
      {words().ghost}
    </p>
  );
}

/** The same in words and numbers, for those who do not see the picture. */
export function Outline({ topics }: { topics: readonly TopicRow[] }) {
  const { states } = words();
  return (
    <div class="sr-only">
      <table aria-live="off">
        <caption>{words().picture}</caption>
        <thead>
          <tr>
            <th scope="col">{words().topic}</th>
            <th scope="col">{words().channel}</th>
            <th scope="col">{states.ready}</th>
            <th scope="col">{states.in_flight}</th>
            <th scope="col">{states.deferred}</th>
            <th scope="col">{states.dead}</th>
            <th scope="col">{words().consumers}</th>
          </tr>
        </thead>
        <tbody>
          {topics.map(({ topic, channel, counts, consumers, paused }) => (
            <tr key={`${topic}/${channel}`}>
              <th scope="row">{topic}</th>
              <td>{channel}{paused && ` (${words().paused})`}</td>
              {counts.map((n, i) => (
                <td key={i}>{count(n)}</td>
              ))}
              <td>{count(consumers)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export interface TopicRow {
  topic: string;
  channel: string;
  counts: [number, number, number, number];
  consumers: number;
  paused: boolean;
}
