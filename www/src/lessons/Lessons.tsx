import { count, texts } from '../app/texts.js';
import type { Session } from '../broker/session.js';
import { Dialog } from '../ui/Dialog.js';
import { everything, lessons, scenes } from './all.js';
import { type Guide, guideOf, opened } from './guide.js';
import type { Lesson } from './lesson.js';
import { LessonView } from './LessonView.js';
import style from './lessons.module.css';
import { progress } from './progress.js';

const t = texts(
  {
    title: 'Lessons',
    intro: 'Ten short lessons, each with something to do. The broker in this page tells when it is done.',
    scenes: 'Scenes at a bookshelf',
    scenesIntro: 'What a message queue is good for, in four scenes with a part for you. And one scene where it is the wrong tool.',
    done: 'done',
    so: (done: number, all: number) => `${count(done)} of ${count(all)} done`,
    sure: 'Start with a clean shelf?',
    holds: (topic: string, messages: number) =>
      messages === 1 ? `The topic ${topic} is deleted, with one message in it.` : `The topic ${topic} is deleted, with ${count(messages)} messages in it.`,
    yes: 'Delete and start',
    no: 'Leave it',
  },
  {
    title: '课程',
    intro: '十节短课，每节都要动手。是否完成，由页面里的消息队列说了算。',
    scenes: '书架小剧场',
    scenesIntro: '消息队列好在哪里？四幕小戏，每幕都有你的戏份。还有一幕，讲它用错了地方。',
    done: '已完成',
    so: (done: number, all: number) => `已完成 ${count(done)} / ${count(all)}`,
    sure: '清空书架再开始？',
    holds: (topic: string, messages: number) => `主题 ${topic} 连同其中的 ${count(messages)} 条消息会被删除。`,
    yes: '删除并开始',
    no: '先不',
  },
);

/** Lessons and scenes: a list, or the one that is open. */
export function Lessons({ session }: { session: Session }) {
  const guide = guideOf(session);
  const lesson = opened();
  return (
    <section class={style['course']} data-lessons aria-label={t().title}>
      {lesson ? <LessonView key={lesson.id} guide={guide} lesson={lesson} /> : <List guide={guide} />}
      {guide.asks.value && <Sure guide={guide} asks={guide.asks.value} />}
    </section>
  );
}

function List({ guide }: { guide: Guide }) {
  const { done } = progress.value;
  const ours = everything.filter((lesson) => done.includes(lesson.id)).length;
  return (
    <div class={style['list']}>
      <header class={style['top']}>
        <h2>{t().title}</h2>
        <span class={style['tally']}>{t().so(ours, everything.length)}</span>
      </header>
      <p class="soft">{t().intro}</p>
      <Rows guide={guide} of={lessons} />
      <h2 class={style['second']}>{t().scenes}</h2>
      <p class="soft">{t().scenesIntro}</p>
      <Rows guide={guide} of={scenes} letters />
    </div>
  );
}

function Rows({ guide, of, letters = false }: { guide: Guide; of: readonly Lesson[]; letters?: boolean }) {
  return (
    <ol class={style['rows']}>
      {of.map((lesson, at) => {
        const done = progress.value.done.includes(lesson.id);
        const { title, teaches } = lesson.said();
        return (
          <li key={lesson.id}>
            <button class={style['row']} data-lesson={lesson.id} data-done={done || undefined} onClick={() => guide.open(lesson.id)}>
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

function Sure({ guide, asks }: { guide: Guide; asks: { topic: string; messages: number }[] }) {
  const close = () => (guide.asks.value = undefined);
  return (
    <Dialog title={t().sure} onClose={close}>
      {asks.map(({ topic, messages }) => (
        <p key={topic}>{t().holds(topic, messages)}</p>
      ))}
      <p class={style['answers']}>
        <button onClick={close}>{t().no}</button>
        <button
          class="danger"
          onClick={() => {
            close();
            void guide.start(true);
          }}
        >
          {t().yes}
        </button>
      </p>
    </Dialog>
  );
}
