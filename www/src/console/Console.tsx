import { useEffect, useRef } from 'preact/hooks';

import { route } from '../app/route.js';
import { texts } from '../app/texts.js';
import type { Session } from '../broker/session.js';
import { attempt } from '../ui/toast.js';
import { ChannelPage } from './ChannelPage.js';
import style from './Console.module.css';
import { SignIn } from './SignIn.js';
import { TopicList } from './TopicList.js';
import { TopicPage } from './TopicPage.js';
import { words } from './words.js';

const t = texts(
  {
    past: 'These are the numbers of a moment of the past.',
    now: 'Back to now',
    unhealthy: (why: string) => `The broker says of itself: ${why}`,
  },
  {
    past: '这里显示的是过去某一时刻的数据。',
    now: '回到现在',
    unhealthy: (why) => `服务报告自身状态：${why}`,
  },
);

/** All that a broker has, in numbers, and what can be done to it. */
export function Console({ session }: { session: Session }) {
  const [, topic, , channel] = route.value;
  const title = [channel, topic].filter((name) => name !== undefined).join(' · ') || words().topics;
  useEffect(() => {
    const before = document.title;
    document.title = `${title} — shelfmq`;
    return () => void (document.title = before);
  }, [title]);
  const place = route.value.join('/');
  const shown = useRef(place);
  useEffect(() => {
    if (shown.current === place) return;
    shown.current = place;
    // What had the focus may be gone with its page: reading goes on at the beginning of the new one.
    if (document.activeElement === document.body) document.getElementById('main')?.focus({ preventScroll: true });
  }, [place]);
  return (
    <div class={style['console']}>
      <SignIn />
      <Notes session={session} />
      {topic === undefined ? (
        <TopicList session={session} />
      ) : channel === undefined ? (
        <TopicPage key={topic} session={session} name={topic} />
      ) : (
        <ChannelPage key={`${topic} ${channel}`} session={session} topic={topic} name={channel} />
      )}
    </div>
  );
}

/** What is to be known of all numbers of a page. */
function Notes({ session: { health, play } }: { session: Session }) {
  return (
    <>
      {health.value !== 'OK' && (
        <p class={style['wrong']} role="alert">
          {t().unhealthy(health.value)}
        </p>
      )}
      {play?.past.value && (
        <p class={style['note']} role="status">
          {t().past}
          <button onClick={() => void attempt(() => play.travel(undefined))}>{t().now}</button>
        </p>
      )}
    </>
  );
}
