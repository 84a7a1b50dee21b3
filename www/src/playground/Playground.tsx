import { useComputed, useSignalEffect } from '@preact/signals';
import { Suspense, lazy } from 'preact/compat';
import { useEffect, useMemo } from 'preact/hooks';

import { texts } from '../app/texts.js';
import type { Play } from '../broker/play.js';
import type { Session } from '../broker/session.js';
import { Picture } from '../picture/Picture.js';
import { selected } from '../picture/selected.js';
import { Terminal } from '../terminal/Terminal.js';
import { attempt } from '../ui/toast.js';
import { offline } from './offline.js';
import style from './Playground.module.css';
import { SharedLink } from './Shared.js';
import { sizesStyle, Splitter } from './Splitter.js';
import { panelId, tabId, Tabs } from './Tabs.js';
import { TimeBar } from './TimeBar.js';
import { Timeline } from './timeline.js';
import { narrow, PANELS, show, shownPanel, view, VIEWS } from './view.js';

// Only one of these is seen at first.
const Lessons = lazy(() => import('../lessons/Lessons.js').then(({ Lessons }) => ({ default: Lessons })));
const Actors = lazy(() => import('./Actors.js').then(({ Actors }) => ({ default: Actors })));
const Events = lazy(() => import('./Events.js').then(({ Events }) => ({ default: Events })));
const Files = lazy(() => import('./Files.js').then(({ Files }) => ({ default: Files })));

const t = texts(
  {
    title: 'A message broker in this page',
    picture: 'Picture of the broker',
    terminal: 'Terminal',
    sizeTerminal: 'Height of the terminal',
    sizeSide: 'Width of the panel',
    loading: 'Loading …',
    notKept: 'Nothing is kept here: another tab has the storage, or this browser gives none. What you do is lost when this tab is closed.',
    sharing: (tabs: number) => `${tabs} tabs share this broker`,
    broken: (why: string) => `This recording is not whole: ${why}.`,
  },
  {
    title: '运行在本页面中的消息服务',
    picture: '消息服务的全景图',
    terminal: '终端',
    sizeTerminal: '终端高度',
    sizeSide: '侧栏宽度',
    loading: '加载中 …',
    notKept: '这里的内容不会保存：存储被另一个标签页占用，或此浏览器不提供存储。关闭本标签页后，内容将丢失。',
    sharing: (tabs) => `${tabs} 个标签页共享同一个消息服务`,
    broken: (why) => `此录像不完整：${why}。`,
  },
);

interface Props {
  session: Session;
  play: Play;
}

export function Playground({ session, play }: Props) {
  const timeline = useMemo(() => new Timeline(play), [play]);
  useEffect(() => () => timeline.dispose(), [timeline]);
  useEffect(() => {
    // For the browser's own console: `await shelfmq.api.stats()`.
    Object.assign(globalThis, { shelfmq: session });
    offline();
  }, [session]);
  // A message that was chosen in the picture has its story told.
  useSignalEffect(() => void (selected.value && show('events')));
  const dropped = (event: DragEvent) => {
    const files = [...(event.dataTransfer?.files ?? [])];
    if (files.length === 0) return;
    event.preventDefault();
    void attempt(async () => (await import('./Files.js')).openFiles(play, files));
  };
  const overFiles = (event: DragEvent) => event.dataTransfer?.types.includes('Files') && event.preventDefault();
  const hidden = (one: 'picture' | 'terminal') => narrow.value && view.value !== one;
  return (
    <div class={style['play']} style={sizesStyle()} onDragOver={overFiles} onDrop={dropped}>
      <h1 class="sr-only">{t().title}</h1>
      {narrow.value && <Tabs views={VIEWS} shown={view.value} onShow={show} />}
      <section id={panelId('picture')} class={style['picture']} aria-label={t().picture} hidden={hidden('picture')}>
        <Notices play={play} />
        <div class={style['stage']}>
          <Picture session={session} />
        </div>
      </section>
      <div class={style['time']}>
        <TimeBar play={play} timeline={timeline} />
      </div>
      <section id={panelId('terminal')} class={style['terminal']} aria-label={t().terminal} hidden={hidden('terminal')}>
        <Terminal session={session} />
        {!narrow.value && <Splitter part="terminal" label={t().sizeTerminal} />}
      </section>
      <Side session={session} play={play} />
      <SharedLink play={play} />
    </div>
  );
}

function Side({ session, play }: Props) {
  const shown = shownPanel.value;
  const hidden = narrow.value && view.value !== shown;
  return (
    <div class={style['side']} hidden={hidden}>
      {!narrow.value && <Splitter part="side" label={t().sizeSide} />}
      {!narrow.value && <Tabs views={PANELS} shown={shown} onShow={show} />}
      <div id={panelId(shown)} class={style['panel']} role="tabpanel" aria-labelledby={hidden ? undefined : tabId(shown)} tabIndex={-1}>
        {!hidden && (
          <Suspense fallback={<p class={style['loading']}>{t().loading}</p>}>
            {shown === 'lessons' && <Lessons session={session} />}
            {shown === 'consumers' && <Actors play={play} />}
            {shown === 'events' && <Events play={play} />}
            {shown === 'files' && <Files play={play} />}
          </Suspense>
        )}
      </div>
    </div>
  );
}

function Notices({ play }: { play: Play }) {
  const broken = useComputed(() => play.history.value?.broken).value;
  return (
    <>
      {!play.kept.value && <p class={style['notice']}>{t().notKept}</p>}
      {broken !== undefined && play.past.value && <p class={style['notice']}>{t().broken(broken)}</p>}
      {play.tabs.value > 1 && <p class={style['sharing']}>{t().sharing(play.tabs.value)}</p>}
    </>
  );
}
