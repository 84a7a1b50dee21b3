import { signal } from '@preact/signals';
import { Suspense, lazy } from 'preact/compat';

import { texts } from '../app/texts.js';
import type { Session } from '../broker/session.js';
import style from './Console.module.css';
import { words } from './words.js';

const Picture = lazy(() => import('../picture/Picture.js').then(({ Picture }) => ({ default: Picture })));

const t = texts(
  {
    title: 'Picture',
    hint: 'Channels and consumers, with the messages where they are. It asks for some messages once a second.',
    show: 'Show it',
    hide: 'Hide it',
  },
  {
    title: '图',
    hint: '通道和消费者，以及消息所在的位置。每秒会查看一些消息。',
    show: '显示',
    hide: '隐藏',
  },
);

/** Who has it open finds it open at the next topic. */
const isOpen = signal(false);

/** A topic as a picture, once that is wanted: it asks for more than numbers. */
export function PictureCard({ session, topic }: { session: Session; topic: string }) {
  return (
    <section class={`${style['section']} card`} aria-labelledby="picture">
      <header class={style['sectionHead']}>
        <h2 id="picture">{t().title}</h2>
        <button aria-expanded={isOpen.value} onClick={() => (isOpen.value = !isOpen.value)}>
          {isOpen.value ? t().hide : t().show}
        </button>
      </header>
      {isOpen.value ? (
        <div class={style['picture']}>
          <Suspense fallback={<p class="soft">{words().loading}</p>}>
            <Picture key={topic} session={session} topic={topic} />
          </Suspense>
        </div>
      ) : (
        <p class="soft">{t().hint}</p>
      )}
    </section>
  );
}
