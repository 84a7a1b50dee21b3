import { Suspense, lazy } from 'preact/compat';

import { count, texts } from '../app/texts.js';
import type { Session } from '../broker/session.js';
import { type Id, IDS, LESSONS, names, SCENES } from './catalogue.js';
import style from './lessons.module.css';
import { keep, progress } from './progress.js';

const LessonView = lazy(() => import('./LessonView.js').then(({ LessonView }) => ({ default: LessonView })));

const t = texts(
  {
    title: 'Lessons',
    intro: 'Ten short lessons, each with something to do. The broker in this page tells when it is done.',
    scenes: 'Scenes at a bookshelf',
    scenesIntro: 'What a message queue is good for, in four scenes with a part for you. And one scene where it is the wrong tool.',
    done: 'done',
    loading: 'Loading …',
    so: (done: number, all: number) => `${count(done)} of ${count(all)} done`,
  },
  {
    title: '课程',
    intro: '十节短课，每节都要动手。是否完成，由页面里的消息队列说了算。',
    scenes: '书架小剧场',
    scenesIntro: '消息队列好在哪里？四幕小戏，每幕都有你的戏份。还有一幕，讲它用错了地方。',
    done: '已完成',
    loading: '加载中 …',
    so: (done: number, all: number) => `已完成 ${count(done)} / ${count(all)}`,
  },
);

/** Lessons and scenes: a list, or the one that is open. */
export function Lessons({ session }: { session: Session }) {
  const open = IDS.find((id) => id === progress.value.open);
  return (
    <section class={style['course']} aria-label={t().title} data-lessons>
      {open ? (
        <Suspense fallback={<p class="soft">{t().loading}</p>}>
          <LessonView key={open} session={session} id={open} />
        </Suspense>
      ) : (
        <List />
      )}
    </section>
  );
}

function List() {
  const { done } = progress.value;
  const ours = IDS.filter((id) => done.includes(id)).length;
  return (
    <div class={style['list']}>
      <header class={style['top']}>
        <h2>{t().title}</h2>
        <span class={style['tally']}>{t().so(ours, IDS.length)}</span>
      </header>
      <p class="soft">{t().intro}</p>
      <Rows of={LESSONS} />
      <h2 class={style['second']}>{t().scenes}</h2>
      <p class="soft">{t().scenesIntro}</p>
      <Rows of={SCENES} letters />
    </div>
  );
}

function Rows({ of, letters = false }: { of: readonly Id[]; letters?: boolean }) {
  return (
    <ol class={style['rows']}>
      {of.map((id, at) => {
        const done = progress.value.done.includes(id);
        const { title, teaches } = names()[id];
        return (
          <li key={id}>
            <button class={style['row']} data-lesson={id} data-done={done || undefined} onClick={() => keep({ done: progress.value.done, open: id })}>
              <span class={`${style['number']} ${done ? style['done'] : ''}`} aria-hidden="true">
                {done ? '✓' : letters ? 'ABCDE'[at] : at + 1}
              </span>
              <span class={style['name']}>
                {title}
                <small>{teaches}</small>
              </span>
              {done && <span class="sr-only">{t().done}</span>}
            </button>
          </li>
        );
      })}
    </ol>
  );
}
