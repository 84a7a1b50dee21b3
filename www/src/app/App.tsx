import { Suspense, lazy } from 'preact/compat';

import type { Session } from '../broker/session.js';
import { Toasts } from '../ui/toast.js';
import style from './App.module.css';
import { route, to } from './route.js';
import { language, setLanguage, texts } from './texts.js';
import { theme, type Theme } from './theme.js';

// What a life does not show at first is not loaded at first.
const Playground = lazy(() => import('../playground/Playground.js').then(({ Playground }) => ({ default: Playground })));
const Console = lazy(() => import('../console/Console.js').then(({ Console }) => ({ default: Console })));
const Terminal = lazy(() => import('../terminal/Terminal.js').then(({ Terminal }) => ({ default: Terminal })));

const t = texts(
  {
    playground: 'Playground',
    topics: 'Topics',
    terminal: 'Terminal',
    sections: 'Sections',
    theme: 'Colours',
    system: 'System',
    light: 'Light',
    dark: 'Dark',
    loading: 'Loading …',
    skip: 'Skip to the content',
  },
  {
    playground: '演练场',
    topics: '主题',
    terminal: '终端',
    sections: '栏目',
    theme: '配色',
    system: '系统',
    light: '浅色',
    dark: '深色',
    loading: '加载中 …',
    skip: '跳到正文',
  },
);

export function App({ session }: { session: Session }) {
  const [section = session.life === 'playground' ? 'play' : 'topics'] = route.value;
  const links: [string, string][] = [
    session.life === 'playground' ? ['play', t().playground] : ['terminal', t().terminal],
    ['topics', t().topics],
  ];
  if (session.life === 'console') links.reverse();
  return (
    <div class={style['app']}>
      <a class={style['skip']} href="#main" onClick={(event) => (event.preventDefault(), document.getElementById('main')?.focus())}>
        {t().skip}
      </a>
      <header class={style['head']}>
        <a class={style['brand']} href="#/">
          <img src="./icon.svg" alt="" width="26" height="26" />
          <span>shelfmq</span>
        </a>
        <nav aria-label={t().sections}>
          {links.map(([name, text]) => (
            <a key={name} href={to(name)} aria-current={section === name ? 'page' : undefined}>
              {text}
            </a>
          ))}
        </nav>
        <span class={style['gap']} />
        <select aria-label={t().theme} value={theme.value} onChange={(event) => (theme.value = event.currentTarget.value as Theme)}>
          <option value="system">{t().system}</option>
          <option value="light">{t().light}</option>
          <option value="dark">{t().dark}</option>
        </select>
        <button class="quiet" lang={language.value === 'zh' ? 'en' : 'zh-CN'} onClick={() => setLanguage(language.value === 'zh' ? 'en' : 'zh')}>
          {language.value === 'zh' ? 'English' : '中文'}
        </button>
      </header>
      <main id="main" tabIndex={-1} class={style['main']}>
        <Suspense fallback={<p class="soft">{t().loading}</p>}>
          {section === 'play' && session.play ? (
            <Playground session={session} play={session.play} />
          ) : section === 'terminal' ? (
            <Terminal session={session} />
          ) : (
            <Console session={session} />
          )}
        </Suspense>
      </main>
      <Toasts />
    </div>
  );
}
