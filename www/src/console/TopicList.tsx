import { signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';

import { go, to } from '../app/route.js';
import { count, texts } from '../app/texts.js';
import type { SortBy, StatsQuery, TopicStats, Total } from '../broker/api.js';
import { signIn, token, type Session } from '../broker/session.js';
import { perSecond } from '../charts/RateChart.js';
import { Sparkline } from '../charts/Sparkline.js';
import style from './Console.module.css';
import { CreateTopic } from './CreateTopic.js';
import { Problem } from './Problem.js';
import list from './TopicList.module.css';
import { useLive } from './live.js';
import { whyNot } from './may.js';
import { historiesOf, rates, topicCounts, totalCounts } from './rates.js';
import { Tiles } from './Tiles.js';
import { sum } from './total.js';
import { VirtualTable } from './VirtualTable.js';
import { words } from './words.js';

const t = texts(
  {
    search: 'Search topics',
    searchHint: 'Search   /',
    create: 'Create topic …',
    perSecond: 'Pub/s',
    perSecondIs: 'Messages published a second',
    total: 'All topics',
    matching: (n: string) => `${n} topics match`,
    nothing: 'No topic has that in its name.',
    empty: 'No topics yet. Create one, or publish to it: that makes it, too.',
    deadShort: 'Dead',
    signOut: 'Sign out',
  },
  {
    search: '搜索主题',
    searchHint: '搜索   /',
    create: '创建主题 …',
    perSecond: '发布/秒',
    perSecondIs: '每秒发布的消息数',
    total: '全部主题',
    matching: (n) => `${n} 个主题符合`,
    nothing: '没有名称包含这段文字的主题。',
    empty: '还没有主题。创建一个，或直接向它发布消息，它就会出现。',
    deadShort: '死信',
    signOut: '退出登录',
  },
);

type Sorting = { by: SortBy; order: 'asc' | 'desc' };

/** Who comes back from a topic finds the list as it was left. */
const wanted = signal<{ search: string; sort: Sorting }>({ search: '', sort: { by: 'name', order: 'asc' } });
const place = { top: 0 };

export function TopicList({ session }: { session: Session }) {
  const { search, sort } = wanted.value;
  const setSearch = (search: string) => (wanted.value = { ...wanted.value, search });
  const [range, setRange] = useState({ first: 0, last: 40 });
  const [creating, setCreating] = useState(false);
  const seen = useSeen(session, `${search} ${sort.by} ${sort.order}`);
  const query: StatsQuery = { search, sort: sort.by, order: sort.order, offset: range.first, max: Math.max(1, range.last - range.first) };
  const live = useLive(session, 'topics', async () => seen({ offset: range.first, ...(await session.api.statsPage(query)) }, search), JSON.stringify(query));

  const shown = live.value.value;
  const why = whyNot(session, 'create');
  // Enter opens the first topic that matches what has been typed, which may still be on its way.
  const opening = useRef(false);
  useEffect(() => {
    if (!opening.current || shown?.search !== search) return;
    opening.current = false;
    const first = shown.rows.get(0);
    if (first) go('topics', first.topic_name);
  });
  return (
    <>
      <header class={style['head']}>
        <h1>{words().topics}</h1>
        <span class={style['gap']} />
        <Search value={search} onChange={setSearch} onOpen={() => ((opening.current = true), live.refresh())} />
        {session.life === 'console' && token.value !== '' && <button onClick={() => signIn('')}>{t().signOut}</button>}
        <button class="primary" disabled={why !== undefined} title={why} onClick={() => setCreating(true)}>
          {t().create}
        </button>
      </header>
      <Problem error={live.error.value} />
      {shown && <Totals session={session} page={shown.page} isPart={shown.search !== ''} />}
      {shown && shown.page.total.topics === 0 && (
        <div class={`${style['blank']} card`}>
          <p>{shown.search === '' ? t().empty : t().nothing}</p>
          {shown.search === '' && <pre>curl -d 'hello' '{session.base}/pub?topic=books'</pre>}
        </div>
      )}
      {shown && shown.page.total.topics > 0 && (
        <VirtualTable
          label={words().topics}
          place={place}
          order={`${search} ${sort.by} ${sort.order}`}
          count={shown.page.total.topics}
          head={<Head sort={sort} onSort={(sort) => (wanted.value = { ...wanted.value, sort })} />}
          row={(index) => <Cells session={session} topic={shown.rows.get(index)} />}
          onRange={(first, last) => setRange({ first, last })}
        />
      )}
      {creating && <CreateTopic session={session} onClose={() => setCreating(false)} />}
    </>
  );
}

/** Some topics of an order, from one row on, and sums over all that match. */
interface Page {
  offset: number;
  topics: TopicStats[];
  total: Total;
}

interface Seen {
  page: Page;
  search: string;
  /** What is known of each row, in sight or not. */
  rows: ReadonlyMap<number, TopicStats>;
}

/** Remembers rows that were in sight, so that scrolling back finds them; and how much has been counted. */
function useSeen(session: Session, key: string): (page: Page, search: string) => Seen {
  const kept = useRef({ key, rows: new Map<number, TopicStats>() });
  return (page, search) => {
    const isOther = kept.current.key !== key;
    const rows = new Map(isOther ? [] : kept.current.rows);
    kept.current = { key, rows };
    page.topics.forEach((topic, i) => rows.set(page.offset + i, topic));
    const at = session.now();
    const histories = historiesOf(session);
    for (const topic of page.topics) histories.of(`topic ${topic.topic_name}`).add({ at, ...topicCounts(topic) });
    if (search === '') histories.of('all').add({ at, ...totalCounts(page.total) });
    return { page, search, rows };
  };
}

function Search({ value, onChange, onOpen }: { value: string; onChange(value: string): void; onOpen(): void }) {
  const input = useRef<HTMLInputElement>(null);
  useSlash(input);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Enter') onOpen();
    else if (event.key === 'ArrowDown') document.querySelector<HTMLElement>('[data-row="0"] a')?.focus();
    else if (event.key === 'Escape') onChange('');
    else return;
    event.preventDefault();
  };
  return (
    <input
      ref={input}
      type="search"
      class={list['search']}
      aria-label={t().search}
      aria-keyshortcuts="/"
      placeholder={t().searchHint}
      value={value}
      maxLength={64}
      onInput={(event) => onChange(event.currentTarget.value)}
      onKeyDown={onKeyDown}
    />
  );
}

/** `/` goes to the search field. */
function useSlash(input: { current: HTMLInputElement | null }): void {
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      const isWriting = (event.target as HTMLElement).closest?.('input, textarea, select, dialog, [contenteditable]');
      if (event.key !== '/' || event.ctrlKey || event.metaKey || isWriting) return;
      event.preventDefault();
      input.current?.focus();
    };
    document.addEventListener('keydown', onKeyDown);
    return () => document.removeEventListener('keydown', onKeyDown);
  }, []);
}

function Totals({ session, page: { total }, isPart }: { session: Session; page: Page; isPart: boolean }) {
  const all = historiesOf(session).of('all');
  const rate = (counter: 'published' | 'finished') => {
    const now = isPart ? undefined : all.rate(counter);
    return now === undefined ? '' : `${perSecond(now)}/s`;
  };
  return (
    <Tiles
      label={isPart ? t().matching(count(total.topics)) : t().total}
      tiles={[
        { name: words().topics, value: total.topics },
        { name: words().channels, value: total.channels },
        { name: words().depth, value: total.depth, color: 'ready' },
        { name: words().inFlight, value: total.in_flight_count, color: 'in-flight' },
        { name: words().deferred, value: total.deferred_count, color: 'deferred' },
        { name: words().dead, value: total.dead_count, color: 'dead' },
        { name: words().published, value: total.message_count, beside: rate('published') },
        { name: words().finished, value: total.finish_count, beside: rate('finished') },
      ]}
    />
  );
}

function Head({ sort, onSort }: { sort: Sorting; onSort(sort: Sorting): void }) {
  const column = (by: SortBy, text: string, className: string) => {
    const isBy = sort.by === by;
    const turned = sort.order === 'asc' ? 'desc' : 'asc';
    const order = isBy ? turned : by === 'name' ? 'asc' : 'desc';
    return (
      <th scope="col" class={className} aria-sort={isBy ? (sort.order === 'asc' ? 'ascending' : 'descending') : undefined}>
        <button class={list['sort']} onClick={() => onSort({ by, order })}>
          {text}
          <span aria-hidden="true">{isBy ? (sort.order === 'asc' ? '▲' : '▼') : ''}</span>
        </button>
      </th>
    );
  };
  return (
    <>
      {column('name', words().topic, list['name']!)}
      <th scope="col" class={`number ${list['wide']}`}>
        {words().channels}
      </th>
      {column('depth', words().depth, `number ${list['number']}`)}
      {column('in_flight', words().inFlight, `number ${list['number']}`)}
      {column('deferred', words().deferred, `number ${list['wide']}`)}
      {column('dead', t().deadShort, `number ${list['middle']}`)}
      {column('messages', words().messages, `number ${list['wide']}`)}
      <th scope="col" class={`number ${list['rate']}`} title={t().perSecondIs}>
        {t().perSecond}
      </th>
    </>
  );
}

function Cells({ session, topic }: { session: Session; topic: TopicStats | undefined }) {
  if (!topic) {
    return (
      <td colSpan={8} class="soft">
        …
      </td>
    );
  }
  const total = sum([topic]);
  const published = rates(historiesOf(session).of(`topic ${topic.topic_name}`).samples.value, 'published');
  const number = (value: number, className = '', color = '') => (
    <td class={`number ${className}`} style={value > 0 && color !== '' ? { color: `var(--${color})` } : undefined}>
      {count(value)}
    </td>
  );
  return (
    <>
      <th scope="row" class={list['name']}>
        <a href={to('topics', topic.topic_name)} title={topic.topic_name}>
          {topic.topic_name}
        </a>
        {topic.paused && <span class={style['badge']}>{words().paused}</span>}
      </th>
      {number(total.channels, list['wide'])}
      {number(total.depth, '', 'ready')}
      {number(total.in_flight_count, '', 'in-flight')}
      {number(total.deferred_count, list['wide'], 'deferred')}
      {number(total.dead_count, list['middle'], 'dead')}
      {number(total.message_count, list['wide'])}
      <td class={`number ${list['rate']}`}>
        <span>
          <Sparkline values={published} />
          <b>{published.length > 0 ? perSecond(published.at(-1)!) : '–'}</b>
        </span>
      </td>
    </>
  );
}
