import { useComputed, useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';

import { duration, texts } from '../app/texts.js';
import type { Play } from '../broker/play.js';
import { attempt, tell } from '../ui/toast.js';
import { dayOf, timeOf } from './clock.js';
import { BackIcon, DeadlineIcon, PauseIcon, PlayIcon, StepIcon } from './icons.js';
import style from './TimeBar.module.css';
import { SPEEDS, type Timeline } from './timeline.js';

const t = texts(
  {
    bar: 'Time',
    pause: 'Pause time',
    go: 'Let time go on',
    speed: 'Speed',
    step: 'Step',
    stepHint: 'On to the next thing that happens (→)',
    back: 'Back',
    backHint: 'Back by one thing that happened (←)',
    deadline: 'Next deadline',
    deadlineHint: 'On to where the next lease or delay ends',
    none: 'Nothing is due: no lease and no delay is open.',
    nothingBefore: 'Nothing has happened yet.',
    scrub: 'All that happened',
    past: 'Past',
    ago: (ms: number) => `${duration(ms)} ago`,
    now: 'Back to now',
    close: 'Close the recording',
    reading: (percent: number) => `Reading what happened … ${percent} %`,
  },
  {
    bar: '时间',
    pause: '暂停时间',
    go: '让时间继续',
    speed: '速度',
    step: '单步',
    stepHint: '前进到下一件事（→）',
    back: '后退',
    backHint: '退回上一件事之前（←）',
    deadline: '下一个到期',
    deadlineHint: '前进到下一个租约或延迟到期的时刻',
    none: '没有待到期的租约或延迟。',
    nothingBefore: '还没有发生任何事。',
    scrub: '已发生的一切',
    past: '过去',
    ago: (ms) => `${duration(ms)}前`,
    now: '回到现在',
    close: '关闭录像',
    reading: (percent) => `正在读取历史 … ${percent}%`,
  },
);

/** How finely the scrubber divides all that happened. */
const PLACES = 10_000;

const WRITING = 'input, textarea, select, dialog, [contenteditable="true"], [role="tab"], [role="grid"], [role="listbox"], [role="menu"]';
const PRESSED = 'button, a, summary';

/** Whether the key is for what has the focus. */
function isTaken(event: KeyboardEvent): boolean {
  if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey) return true;
  const target = event.target as HTMLElement;
  return target.closest(event.key === ' ' ? `${WRITING}, ${PRESSED}` : WRITING) !== null;
}

interface Props {
  play: Play;
  timeline: Timeline;
}

export function TimeBar({ play, timeline }: Props) {
  useEffect(() => {
    const keys = (event: KeyboardEvent) => {
      if (isTaken(event)) return;
      const act = { ' ': () => timeline.toggle(), ArrowRight: () => timeline.forward(), ArrowLeft: () => timeline.back() }[event.key];
      if (!act) return;
      event.preventDefault();
      void attempt(act);
    };
    document.addEventListener('keydown', keys);
    return () => document.removeEventListener('keydown', keys);
  }, [timeline]);
  return (
    <section class={style['bar']} aria-label={t().bar}>
      <div class={style['row']}>
        <Pace play={play} timeline={timeline} />
        <span class={style['gap']} />
        <Clock play={play} timeline={timeline} />
      </div>
      <Scrubber play={play} timeline={timeline} />
    </section>
  );
}

function Pace({ play, timeline }: Props) {
  const running = timeline.running.value;
  const past = play.past.value;
  const deadline = async () => {
    if (!(await play.nextDeadline())) tell(t().none);
  };
  return (
    <div class={style['pace']}>
      <button class={running ? style['round'] : `primary ${style['round']}`} aria-label={running ? t().pause : t().go} title={running ? t().pause : t().go} onClick={() => attempt(() => timeline.toggle())}>
        {running ? <PauseIcon /> : <PlayIcon />}
      </button>
      <div class={style['speeds']} role="group" aria-label={t().speed}>
        {SPEEDS.map((speed) => (
          <button key={speed} aria-pressed={timeline.speed.value === speed} onClick={() => attempt(() => timeline.setSpeed(speed))}>
            {speed}×
          </button>
        ))}
      </div>
      <div class={style['steps']}>
        <button aria-label={t().back} title={t().backHint} onClick={() => attempt(() => timeline.back())}>
          <BackIcon />
        </button>
        <button aria-label={t().step} title={t().stepHint} onClick={() => attempt(() => timeline.forward())}>
          <StepIcon /> <span>{t().step}</span>
        </button>
        {!past && (
          <button aria-label={t().deadline} title={t().deadlineHint} onClick={() => attempt(deadline)}>
            <DeadlineIcon /> <span>{t().deadline}</span>
          </button>
        )}
      </div>
    </div>
  );
}

function Clock({ play, timeline }: Props) {
  const frame = play.frame.value;
  const past = play.past.value;
  const history = play.history.value;
  const reading = play.reading.value;
  if (reading !== undefined) {
    return (
      <p class={style['clock']} role="status">
        <span class="soft">{t().reading(Math.round(reading * 100))}</span>
      </p>
    );
  }
  return (
    <div class={style['clock']}>
      {past && (
        <>
          <span class={style['past']}>{history?.file ?? t().past}</span>
          {history?.file === undefined ? (
            <button class={style['now']} onClick={() => attempt(() => timeline.now())}>{t().now}</button>
          ) : (
            <button class={style['now']} onClick={() => attempt(() => play.closeRecording())}>{t().close}</button>
          )}
        </>
      )}
      {frame && (
        <time dateTime={new Date(frame.now).toISOString()}>
          <span class={style['day']}>{dayOf(frame.now)}</span> {timeOf(frame.now)}
        </time>
      )}
    </div>
  );
}

function Scrubber({ play, timeline }: Props) {
  // While it is moved, it is where the hand is; the picture follows.
  const held = useSignal<number | undefined>(undefined);
  const place = useComputed(() => held.value ?? timeline.place.value);
  const history = play.history.value;
  const at = history ? history.from + place.value * (history.to - history.from) : 0;
  const go = async (to: number) => {
    held.value = to;
    if (!(await attempt(() => timeline.to(to))) || held.peek() === to) held.value = undefined;
  };
  const keys = (event: KeyboardEvent) => {
    const act = { ArrowLeft: () => timeline.back(), ArrowRight: () => timeline.forward(), Home: () => timeline.to(0), End: () => timeline.now() }[event.key];
    if (!act) return;
    event.preventDefault();
    void attempt(act);
  };
  return (
    <div class={play.past.value ? `${style['track']} ${style['inPast']}` : style['track']} style={{ '--place': `${place.value * 100}%` }}>
      <input
        type="range"
        min={0}
        max={PLACES}
        value={Math.round(place.value * PLACES)}
        aria-label={t().scrub}
        aria-valuetext={history ? `${dayOf(at)} ${timeOf(at)}` : ''}
        onInput={(event) => void go(Number(event.currentTarget.value) / PLACES)}
        onKeyDown={keys}
      />
      {history && (
        <p class={style['ends']} aria-hidden="true">
          <span>{timeOf(history.from).slice(0, 8)}</span>
          {play.past.value && <span>{t().ago(Math.max(0, history.to - at))}</span>}
          <span>{timeOf(history.to).slice(0, 8)}</span>
        </p>
      )}
    </div>
  );
}
