// A channel: a shelf with messages, the bar that says how many there are, and a shelf for its dead letters.
import { useState } from 'preact/hooks';

import { count } from '../app/texts.js';
import { to } from '../app/route.js';
import type { State } from '../broker/api.js';
import { BEHAVIOURS, type Behaviour, type Play } from '../broker/play.js';
import { DRAGGED } from '../playground/behaviours.js';
import { attempt } from '../ui/toast.js';
import { AddConsumer } from './AddConsumer.js';
import { type ChannelNode, placed } from './nodes.js';
import style from './picture.module.css';
import { STATES, shelfHeight } from './shelf.js';
import { Tokens } from './Tokens.js';
import { words } from './words.js';

interface Props {
  node: ChannelNode;
  play: Play | undefined;
  busy: boolean;
}

export function Channel({ node, play: living, busy }: Props) {
  // Nobody joins what is past: it would be the living broker that has somebody more.
  const play = living?.past.value ? undefined : living;
  const [over, setOver] = useState(false);
  const { topic, name, density } = node;
  const wanted = (event: DragEvent) => play !== undefined && event.dataTransfer?.types.includes(DRAGGED) === true;
  const drag = (event: DragEvent) => {
    if (!wanted(event)) return;
    event.preventDefault();
    event.dataTransfer!.dropEffect = 'copy';
    setOver(true);
  };
  const leave = (event: DragEvent) => {
    if (!(event.currentTarget as HTMLElement).contains(event.relatedTarget as Node | null)) setOver(false);
  };
  const drop = (event: DragEvent) => {
    setOver(false);
    if (!wanted(event)) return;
    event.preventDefault();
    const behaviour = event.dataTransfer!.getData(DRAGGED) as Behaviour;
    if (BEHAVIOURS.includes(behaviour)) void attempt(() => play!.addConsumer({ topic, channel: name, behaviour }));
  };
  return (
    <div
      role="group"
      class={style['channel']}
      style={placed(node)}
      aria-label={`${words().channel} ${name}`}
      data-channel={node.key}
      data-density={density}
      data-paused={node.paused || undefined}
      data-over={over || undefined}
      onDragEnter={drag}
      onDragOver={drag}
      onDragLeave={leave}
      onDrop={drop}
    >
      <header>
        <a href={to('topics', topic, 'channels', name)} title={name}>
          {name}
        </a>
        {node.ordered && <span class={style['badge']}>{words().ordered}</span>}
        {node.paused && <span class={style['badge']} data-warn>{words().paused}</span>}
        <Counts counts={node.counts} wordy={wordy(node)} />
        {play && <AddConsumer play={play} topic={topic} channel={name} />}
      </header>
      <Tokens shelf={node} topic={topic} channel={name} small={density !== 'full'} busy={busy} label={`${name}: ${words().depth}`} />
      <div class={style['bar']}>
        {STATES.map((state) => (
          <i key={state} data-state={state} style={{ width: `${(node.bar[state] * 100).toFixed(2)}%` }} />
        ))}
      </div>
    </div>
  );
}

/** Whether there is room for what is counted in words, for as many states as there have been. */
function wordy({ density, w, h, dead, ordered, paused, name }: ChannelNode): boolean {
  const states = 2 + (dead ? 1 : 0) + (h > shelfHeight('full', 1) ? 1 : 0);
  return density === 'full' && w > 130 + Math.min(name.length, 12) * 8 + states * 92 + (ordered ? 70 : 0) + (paused ? 70 : 0);
}

/** How many there are of each state; only the ready ones are told when there are none. */
export function Counts({ counts, wordy }: { counts: Record<State, number>; wordy: boolean }) {
  return (
    <span class={style['counts']}>
      {STATES.filter((state) => counts[state] > 0 || state === 'ready').map((state) => (
        <span key={state} data-state={state} title={words().states[state]}>
          <i />
          {count(counts[state])} <small class={wordy ? '' : 'sr-only'}>{words().states[state]}</small>
        </span>
      ))}
    </span>
  );
}

export function DeadShelf({ node, busy }: { node: ChannelNode; busy: boolean }) {
  if (!node.dead) return null;
  const label = `${node.name}: ${words().deadLetters}`;
  return (
    <div role="group" class={style['dead']} style={placed(node.dead)} aria-label={label} data-none={node.counts.dead === 0 || undefined}>
      <span>
        <b>{count(node.counts.dead)}</b> {words().deadLetters}
      </span>
      <Tokens shelf={node.dead} topic={node.topic} channel={node.name} small={false} busy={busy} label={label} />
    </div>
  );
}
