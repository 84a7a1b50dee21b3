import { useEffect, useRef } from 'preact/hooks';

import { texts } from '../app/texts.js';
import type { Session } from '../broker/session.js';
import { everything } from './all.js';
import { type Id, names } from './catalogue.js';
import { type Guide, guideOf } from './guide.js';
import type { Lesson } from './lesson.js';
import style from './lessons.module.css';
import { progress } from './progress.js';
import { Rich } from './Rich.js';
import { Shelf } from './Shelf.js';
import { StepView } from './StepView.js';
import { Sure } from './Sure.js';

const t = texts(
  {
    all: 'All lessons',
    start: 'Start',
    again: 'Start over',
    previous: 'Previous',
    next: 'Next',
    steps: 'Steps',
    well: 'Well done!',
    end: 'That was the last one. The shelf is yours.',
    isDone: 'done',
    past: 'You are looking at the past. Steps are ticked off once you are back in the present.',
  },
  {
    all: '全部课程',
    start: '开始',
    again: '重新开始',
    previous: '上一节',
    next: '下一节',
    steps: '步骤',
    well: '做得好！',
    end: '这是最后一节。书架归你了。',
    isDone: '已完成',
    past: '你正在看过去。回到现在之后，步骤才会打勾。',
  },
);

export function LessonView({ session, id }: { session: Session; id: Id }) {
  const guide = guideOf(session);
  const lesson = everything.find((one) => one.id === id)!;
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  const { step } = progress.value;
  const said = lesson.said();
  const { title, teaches } = names()[id];
  const { play } = guide.session;
  return (
    <article class={style['lesson']} data-lesson-open={lesson.id}>
      <header class={style['top']}>
        <button class="quiet" data-all onClick={() => guide.open(undefined)}>
          <span aria-hidden="true">←</span> {t().all}
        </button>
        {step !== undefined && (
          <button class="quiet" data-again onClick={() => guide.start()}>
            {t().again}
          </button>
        )}
      </header>
      <h2 ref={heading} tabIndex={-1} class={style['title']}>
        {title}
        <small>{teaches}</small>
      </h2>
      <p>
        <Rich text={said.about} />
      </p>
      {step === undefined ? (
        <p>
          <button class="primary" data-start onClick={() => guide.start()}>
            {t().start}
          </button>
        </p>
      ) : (
        <>
          {play?.past.value && <p class={style['note']}>{t().past}</p>}
          {play && lesson.setup && <Shelf play={play} topic={lesson.topics[0]!} />}
          <Steps guide={guide} lesson={lesson} step={step} />
        </>
      )}
      <p class="sr-only" role="status">
        {step ? `${said.steps[step - 1]!.title}: ${t().isDone}. ${step === lesson.steps.length ? t().well : ''}` : ''}
      </p>
      {step === lesson.steps.length && (
        <div class={style['why']} data-why>
          <h3>{t().well}</h3>
          <p>
            <Rich text={said.why} />
          </p>
        </div>
      )}
      <Neighbours guide={guide} lesson={lesson} />
      {guide.asks.value && <Sure guide={guide} asks={guide.asks.value} />}
    </article>
  );
}

function Steps({ guide, lesson, step }: { guide: Guide; lesson: Lesson; step: number }) {
  return (
    <ol class={style['steps']} aria-label={t().steps}>
      {lesson.said().steps.map((said, at) => (
        <li key={at} class={at < step ? style['past'] : at > step ? style['ahead'] : style['now']} aria-current={at === step ? 'step' : undefined}>
          <span class={`${style['number']} ${at < step ? style['done'] : ''}`} aria-hidden="true">
            {at < step ? '✓' : at + 1}
          </span>
          <div class={style['body']}>
            <h3>
              {said.title}
              {at < step && <span class="sr-only"> ({t().isDone})</span>}
            </h3>
            {at === step && <StepView guide={guide} step={lesson.steps[at]!} said={said} />}
          </div>
        </li>
      ))}
    </ol>
  );
}

function Neighbours({ guide, lesson }: { guide: Guide; lesson: Lesson }) {
  const at = everything.indexOf(lesson);
  const [previous, next] = [everything[at - 1], everything[at + 1]];
  const done = progress.value.step === lesson.steps.length;
  return (
    <footer class={style['neighbours']}>
      {previous && (
        <button class="quiet" onClick={() => guide.open(previous.id)}>
          <span aria-hidden="true">←</span> {t().previous}
        </button>
      )}
      {next ? (
        <button class={done ? 'primary' : 'quiet'} onClick={() => guide.open(next.id)}>
          {done ? `${t().next}: ${names()[next.id].title}` : t().next} <span aria-hidden="true">→</span>
        </button>
      ) : (
        done && <p class="soft">{t().end}</p>
      )}
    </footer>
  );
}
