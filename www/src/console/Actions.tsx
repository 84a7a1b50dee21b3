import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';

import { goFrom, route } from '../app/route.js';
import { count, texts } from '../app/texts.js';
import type { Session } from '../broker/session.js';
import { tell } from '../ui/toast.js';
import { Confirm } from './Confirm.js';
import { attemptTo, tryTo, whyNot, type Kind } from './may.js';
import { words } from './words.js';

const t = texts(
  {
    paused: (name: string) => `${name} is paused.`,
    unpaused: (name: string) => `${name} goes on.`,
    emptied: (name: string) => `${name} is empty.`,
    backlogEmptied: (name: string) => `The backlog of ${name} is empty.`,
    deleted: (name: string) => `${name} is deleted.`,
    emptyTitle: (name: string) => `Empty ${name}?`,
    emptyTopic: (name: string, n: string) => `The messages of ${name} that its channels have not got yet (${n}) are dropped. What the channels have stays.`,
    emptyChannel: (name: string) => `All messages of ${name} that are ready, in flight or deferred are dropped. Dead letters stay.`,
    deleteTitle: (name: string) => `Delete ${name}?`,
    deleteTopic: (name: string) => `${name} goes with all its channels and messages. This cannot be undone.`,
    deleteChannel: (name: string) => `${name} goes with all its messages and dead letters. This cannot be undone.`,
    empty: (name: string) => `Empty ${name}`,
    remove: (name: string) => `Delete ${name}`,
  },
  {
    paused: (name) => `${name} 已暂停。`,
    unpaused: (name) => `${name} 已恢复。`,
    emptied: (name) => `${name} 已清空。`,
    backlogEmptied: (name) => `${name} 的积压已清空。`,
    deleted: (name) => `${name} 已删除。`,
    emptyTitle: (name) => `清空 ${name}？`,
    emptyTopic: (name, n) => `${name} 中尚未交给通道的消息（${n} 条）将全部丢弃。通道里已有的消息不受影响。`,
    emptyChannel: (name) => `${name} 中就绪、处理中和延迟的消息将全部丢弃。死信保留。`,
    deleteTitle: (name) => `删除 ${name}？`,
    deleteTopic: (name) => `${name} 及其全部通道和消息都会消失，无法撤销。`,
    deleteChannel: (name) => `${name} 及其全部消息和死信都会消失，无法撤销。`,
    empty: (name) => `清空 ${name}`,
    remove: (name) => `删除 ${name}`,
  },
);

interface Props {
  session: Session;
  topic: string;
  /** Where it is about a channel of the topic. */
  channel?: string;
  isPaused: boolean;
  /** Messages of a topic that no channel has taken over yet. */
  depth?: number;
  onDone(): void;
  /** Where one goes when it is deleted. */
  up: string[];
  children?: ComponentChildren;
}

/** What can be done to a topic or a channel as a whole. */
export function Actions({ session, topic, channel, isPaused, depth = 0, onDone, up, children }: Props) {
  const [asking, setAsking] = useState<'empty' | 'delete'>();
  const name = channel ?? topic;
  const act = (verb: 'pause' | 'unpause' | 'empty' | 'delete') =>
    channel === undefined ? session.api.topic(verb, topic) : session.api.channel(verb, topic, channel);
  const pause = async () => {
    const verb = isPaused ? 'unpause' : 'pause';
    await attemptTo('pause', topic, () => act(verb), isPaused ? t().unpaused(name) : t().paused(name));
    onDone();
  };
  const empty = async () => {
    await tryTo('empty', topic, () => act('empty'));
    tell(channel === undefined ? t().backlogEmptied(name) : t().emptied(name));
    onDone();
  };
  const remove = async () => {
    const from = route.peek();
    await tryTo('delete', topic, () => act('delete'));
    tell(t().deleted(name));
    goFrom(from, ...up);
  };
  const may = (kind: Kind) => {
    const why = whyNot(session, kind, topic);
    return { disabled: why !== undefined, title: why };
  };
  return (
    <>
      {children}
      <button {...may('pause')} onClick={pause}>
        {isPaused ? words().unpause : words().pause}
      </button>
      <button {...may('empty')} onClick={() => setAsking('empty')}>
        {words().empty}
      </button>
      <button {...may('delete')} class="danger" onClick={() => setAsking('delete')}>
        {words().remove}
      </button>
      {asking === 'empty' && (
        <Confirm
          title={t().emptyTitle(name)}
          text={channel === undefined ? t().emptyTopic(name, count(depth)) : t().emptyChannel(name)}
          act={t().empty(name)}
          onConfirm={empty}
          onClose={() => setAsking(undefined)}
        />
      )}
      {asking === 'delete' && (
        <Confirm
          title={t().deleteTitle(name)}
          text={channel === undefined ? t().deleteTopic(name) : t().deleteChannel(name)}
          act={t().remove(name)}
          typed={name}
          onConfirm={remove}
          onClose={() => setAsking(undefined)}
        />
      )}
    </>
  );
}
