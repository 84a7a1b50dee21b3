import { useEffect, useRef } from 'preact/hooks';

import { route } from '../app/route.js';
import type { Session } from '../broker/session.js';
import { ChannelPage } from './ChannelPage.js';
import style from './Console.module.css';
import { SignIn } from './SignIn.js';
import { TopicList } from './TopicList.js';
import { TopicPage } from './TopicPage.js';
import { words } from './words.js';

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
