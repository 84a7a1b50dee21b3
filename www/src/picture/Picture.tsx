import { useSignal } from '@preact/signals';
import { useEffect, useMemo, useRef } from 'preact/hooks';

import type { Frame } from '../broker/play.js';
import type { Session } from '../broker/session.js';
import { Consumer, Fold, NoChannel, Outline, Producer, Topic, type TopicRow } from './Cards.js';
import { Channel, DeadShelf } from './Channel.js';
import { Empty } from './Empty.js';
import { Engine } from './engine.js';
import type { Scene } from './nodes.js';
import { svg } from './path.js';
import style from './picture.module.css';
import { STATES } from './shelf.js';
import { useFrames } from './source.js';
import { Tip } from './tip.js';
import { words } from './words.js';

const MOST_ROWS = 200;

/**
 * Topics, channels and consumers, live, with the messages where they are: of one topic, or of all. It takes the room it is
 * given; what does not fit can be scrolled.
 */
export function Picture({ session, topic }: { session: Session; topic?: string }) {
  const frames = useFrames(session, topic);
  const engine = useMemo(() => new Engine(session), [session]);
  const canvas = useRef<HTMLCanvasElement>(null);
  const view = useRef<HTMLDivElement>(null);
  useEffect(() => engine.start(canvas.current!, view.current!, frames), [engine, frames]);
  const scene = engine.scene.value;
  return (
    <div class={style['picture']}>
      <div ref={view} class={style['view']} role="region" aria-label={words().picture} tabIndex={0}>
        {!scene ? (
          <p class={style['wait']}>{words().loading}</p>
        ) : scene.topics.length === 0 ? (
          <Empty base={session.base} />
        ) : (
          <Nodes scene={scene} engine={engine} />
        )}
      </div>
      <canvas ref={canvas} class={style['canvas']} aria-hidden="true" />
      <Told frames={frames} />
      <Tip />
    </div>
  );
}

function Nodes({ scene, engine }: { scene: Scene; engine: Engine }) {
  const { play } = engine.session;
  const busy = engine.busy.value;
  return (
    <div class={style['scene']} data-wide={scene.wide || undefined} style={{ height: `${scene.height}px` }}>
      <svg class={style['edges']} width={scene.width} height={scene.height} aria-hidden="true">
        {[...scene.edges.values()].filter(({ drawn }) => drawn).map(({ key, path, dead }) => (
          <path key={key} d={svg(path)} data-dead={dead} />
        ))}
      </svg>
      {scene.producers.map((node) => <Producer key={`p ${node.key}`} node={node} play={play} />)}
      {scene.topics.map((node) => <Topic key={`t ${node.name}`} node={node} busy={busy} />)}
      {scene.ghosts.map((node) => <NoChannel key={`g ${node.topic}`} node={node} />)}
      {scene.channels.map((node) => [
        <Channel key={`c ${node.key}`} node={node} play={play} busy={busy} />,
        <DeadShelf key={`d ${node.key}`} node={node} busy={busy} />,
      ])}
      {scene.consumers.map((node) => <Consumer key={`u ${node.key}`} node={node} play={play} />)}
      {scene.folds.map((node) => <Fold key={`f ${node.key}`} node={node} onOpen={(topic, open) => engine.open(topic, open)} />)}
    </div>
  );
}

/** The picture in words, made anew once a second at most. */
function Told({ frames }: { frames: ReturnType<typeof useFrames> }) {
  const topics = useSignal<TopicRow[]>([]);
  useEffect(() => {
    let last: Frame | undefined;
    const tell = () => {
      const frame = frames.peek();
      if (frame && frame !== last) topics.value = rows(frame);
      last = frame;
    };
    tell();
    const timer = setInterval(tell, 1_000);
    return () => clearInterval(timer);
  }, [frames]);
  return <Outline topics={topics.value} />;
}

function rows({ snapshot, consumers }: Frame): TopicRow[] {
  const found = snapshot.topics.flatMap((topic): TopicRow[] => {
    if (topic.channels.length === 0) {
      return [{ topic: topic.name, channel: '–', counts: [topic.backlog.count, 0, 0, 0], consumers: 0, paused: topic.paused }];
    }
    return topic.channels.map((channel) => {
      const [ready, flight, deferred, dead] = STATES.map((state) => channel.piles[state].count) as TopicRow['counts'];
      const own = consumers.filter((one) => one.topic === topic.name && one.channel === channel.name).length;
      const counts: TopicRow['counts'] = [ready, flight, deferred, dead];
      return { topic: topic.name, channel: channel.name, counts, consumers: Math.max(own, channel.clients.length), paused: channel.paused };
    });
  });
  return found.slice(0, MOST_ROWS);
}
