import { effect, useSignal } from '@preact/signals';
import { useEffect, useMemo, useRef } from 'preact/hooks';

import { texts } from '../app/texts.js';
import type { Play, Told } from '../broker/play.js';
import { selected } from '../picture/selected.js';
import { attempt, tellError } from '../ui/toast.js';
import { timeOf } from './clock.js';
import style from './Events.module.css';
import { eventText } from './eventTexts.js';
import { EventList, messagesOf, rowAt } from './events.js';
import { follow, seldom } from './follow.js';
import panel from './panel.module.css';
import { Story } from './Story.js';

const t = texts(
  {
    title: 'What happened',
    how: 'Newest first. Choose a line to see the broker as it was just after it.',
    nothing: 'Nothing yet. Publish something, or let somebody consume.',
    reading: 'Being read …',
    all: 'All that is known',
    messages: 'Messages',
    story: 'Story of message',
  },
  {
    title: '发生的一切',
    how: '最新的在前。选择一行，查看其刚发生后的状态。',
    nothing: '还没有事件。发布消息或添加消费者试试。',
    reading: '正在读取…',
    all: '全部细节',
    messages: '消息',
    story: '查看经历：消息',
  },
);

export function Events({ play }: { play: Play }) {
  const list = useMemo(() => new EventList(play), [play]);
  const chosen = useSignal<Told | undefined>(undefined);
  useFollow(play, list);
  return (
    <div class={style['events']}>
      {selected.value && <Story key={`${selected.value.topic} ${selected.value.id}`} play={play} of={selected.value} onClose={() => (selected.value = undefined)} />}
      <div class={style['head']}>
        <h2>{t().title}</h2>
        <p class="soft">{t().how}</p>
      </div>
      {list.rows.value.length === 0 ? (
        <p class={panel['hint']}>{list.complete.value ? t().nothing : t().reading}</p>
      ) : (
        <Rows play={play} list={list} onChoose={(row) => (chosen.value = row)} />
      )}
      {chosen.value && <Detail of={chosen.value} />}
    </div>
  );
}

/** Keeps the list up to what happens, as long as this tab is in the present, and nobody reads further down in it. */
function useFollow(play: Play, list: EventList): void {
  useEffect(() => {
    let known = '';
    const stop = effect(() => {
      const { file, from } = play.history.value ?? {};
      // A moment of the own past has the same list as now; another recording, or a broker that began anew, has its own.
      if (from === undefined || (play.past.value && file === undefined)) return;
      const what = `${file} ${from}`;
      if (what === known) return;
      known = what;
      list.refresh().catch(tellError);
    });
    const end = follow(play, seldom(() => list.refresh()), list.held);
    return () => {
      stop();
      end();
    };
  }, [play, list]);
}

/** The height of a line, in pixels. */
const LINE = 46;
/** Lines that are drawn beyond what is seen. */
const MORE = 6;

interface RowsProps {
  play: Play;
  list: EventList;
  onChoose(row: Told): void;
}

function Rows({ play, list, onChoose }: RowsProps) {
  const box = useRef<HTMLDivElement>(null);
  const top = useSignal(0);
  const height = useSignal(400);
  const rows = list.rows.value;
  const step = play.past.value?.step;
  const current = step === undefined ? -1 : rowAt(rows, step);
  useEffect(() => {
    const sized = new ResizeObserver(([entry]) => (height.value = entry!.contentRect.height));
    sized.observe(box.current!);
    return () => sized.disconnect();
  }, [height]);
  useEffect(() => {
    const element = box.current;
    if (!element || current < 0) return;
    if (current * LINE < element.scrollTop) element.scrollTop = current * LINE;
    else if ((current + 1) * LINE > element.scrollTop + element.clientHeight) element.scrollTop = (current + 1) * LINE - element.clientHeight;
  }, [current]);
  const first = Math.max(0, Math.floor(top.value / LINE) - MORE);
  const shown = rows.slice(first, Math.ceil((top.value + height.value) / LINE) + MORE);
  const choose = (row: Told | undefined) => {
    if (!row) return;
    onChoose(row);
    void attempt(() => play.travel({ step: row.step }));
  };
  const keys = (event: KeyboardEvent) => {
    const from = current < 0 ? -1 : current;
    const to = { ArrowDown: from + 1, ArrowUp: from - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const { file, steps = 0 } = play.history.peek() ?? {};
    // Above the newest is now; of a recording it is its end.
    if (to < 0) void attempt(() => play.travel(file === undefined ? undefined : { step: steps }));
    else choose(rows[to]);
  };
  useEffect(() => () => void (list.held.value = false), [list]);
  const scrolled = (element: HTMLDivElement) => {
    top.value = element.scrollTop;
    list.held.value = element.scrollTop > LINE;
    if (element.scrollTop + element.clientHeight > rows.length * LINE - 400) list.earlier().catch(tellError);
  };
  return (
    <div
      ref={box}
      class={style['list']}
      role="listbox"
      tabIndex={0}
      aria-label={t().title}
      aria-activedescendant={current >= 0 && current < rows.length ? `event-${rows[current]!.step}` : undefined}
      onScroll={(event) => scrolled(event.currentTarget)}
      onKeyDown={keys}
    >
      <div style={{ height: `${rows.length * LINE}px`, position: 'relative' }} role="presentation">
        {shown.map((row, n) => (
          <Line key={row.step} row={row} at={first + n} current={first + n === current} total={rows.length} onChoose={() => choose(row)} />
        ))}
      </div>
    </div>
  );
}

function Line({ row, at, current, total, onChoose }: { row: Told; at: number; current: boolean; total: number; onChoose(): void }) {
  const text = eventText(row);
  return (
    <div
      id={`event-${row.step}`}
      class={style['line']}
      role="option"
      aria-selected={current}
      aria-posinset={at + 1}
      aria-setsize={total}
      style={{ top: `${at * LINE}px` }}
      title={text}
      onClick={onChoose}
    >
      <span class={style['time']}>{timeOf(row.at)}</span>
      <span class={style['text']}>{text}</span>
    </div>
  );
}

/** How much of what is known is shown, in characters. */
const MOST = 20_000;

function Detail({ of }: { of: Told }) {
  const about = messagesOf(of);
  const json = JSON.stringify(of.detail, null, 2);
  return (
    <div class={style['detail']}>
      {about.length > 0 && (
        <p class={style['ids']}>
          <span class="soft">{t().messages}</span>
          {about.slice(0, 12).map((one) => (
            <button key={one.id} onClick={() => (selected.value = one)}>
              <span class="sr-only">{t().story}</span> {one.id.replace(/^0+(?=.)/, '')}
            </button>
          ))}
        </p>
      )}
      <details>
        <summary>{t().all}</summary>
        <pre tabIndex={0}>{json.length > MOST ? `${json.slice(0, MOST)}\n…` : json}</pre>
      </details>
    </div>
  );
}
