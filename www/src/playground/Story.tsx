import { useComputed, useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { StoryLine as Line } from 'shelfmq/recording';

import { texts } from '../app/texts.js';
import { reason } from '../broker/fetch.js';
import type { Play } from '../broker/play.js';
import type { Selected } from '../picture/selected.js';
import { timeOf } from './clock.js';
import style from './Events.module.css';
import { follow, seldom } from './follow.js';
import { CloseIcon } from './icons.js';
import { becauseText, shortId, whatText } from './storyTexts.js';

const t = texts(
  {
    title: (id: string) => `Message ${id}`,
    close: 'Close the story',
    lost: 'Nothing is known of this message: it is from before what was recorded.',
    loading: 'Looking …',
    failed: (why: string) => `The story cannot be read: ${why}.`,
    to: (client: string) => `to ${client}`,
    until: (time: string) => `until ${time}`,
  },
  {
    title: (id) => `消息 ${id}`,
    close: '关闭经历',
    lost: '没有这条消息的记录：它早于录像的开始。',
    loading: '查找中 …',
    failed: (why) => `无法读取经历：${why}。`,
    to: (client) => `给 ${client}`,
    until: (time) => `至 ${time}`,
  },
);

/** What happened to one message, and why it is where it is. */
export function Story({ play, of, onClose }: { play: Play; of: Selected; onClose(): void }) {
  const lines = useSignal<Line[] | undefined>(undefined);
  const failed = useSignal<string | undefined>(undefined);
  const { topic, id } = of;
  const at = play.past.value?.step;
  const file = useComputed(() => play.history.value?.file).value;
  useEffect(() => {
    let wanted = true;
    const read = async () => {
      try {
        const told = (await play.story(topic, id)) as Line[];
        if (wanted) [lines.value, failed.value] = [told, undefined];
      } catch (why) {
        if (wanted) failed.value = reason(why);
      }
    };
    const readSoon = seldom(read);
    void readSoon();
    const end = follow(play, readSoon);
    return () => {
      wanted = false;
      end();
    };
  }, [play, topic, id, at, file, lines, failed]);
  return (
    <section class={style['story']} aria-label={t().title(id)}>
      <div class={style['storyHead']}>
        <h2>
          {t().title(shortId(id))} <span class="soft">{topic}</span>
        </h2>
        <button class="quiet" aria-label={t().close} onClick={onClose}>
          <CloseIcon />
        </button>
      </div>
      {failed.value !== undefined && <p role="alert">{t().failed(failed.value)}</p>}
      {lines.value === undefined && failed.value === undefined && <p class="soft">{t().loading}</p>}
      {lines.value?.length === 0 && <p class="soft">{t().lost}</p>}
      <ol tabIndex={0} aria-label={t().title(id)}>
        {lines.value?.map((line, n) => <StoryLine key={n} line={line} />)}
      </ol>
    </section>
  );
}

function StoryLine({ line }: { line: Line }) {
  const { client } = (line.to ?? {}) as { client?: string };
  const more = [client ? t().to(client) : '', line.until ? t().until(timeOf(Date.parse(line.until))) : ''].filter(Boolean);
  return (
    <li class={line.code === 'now' ? style['nowLine'] : undefined}>
      <p>
        <b>{whatText(line.code)}</b> {line.channel && <span class="mono">{line.channel}</span>} {more.join(' ')}{' '}
        <span class={style['time']}>{timeOf(Date.parse(line.at))}</span>
      </p>
      {line.because_code && <p class="soft">{becauseText(line)}</p>}
      {line.channels?.map((where) => (
        <p key={where.channel} class="soft">
          <span class="mono">{where.channel}</span>: {becauseText(where)}
        </p>
      ))}
    </li>
  );
}
