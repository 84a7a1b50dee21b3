import type { ComponentChildren } from 'preact';

import { to } from '../app/route.js';
import { texts } from '../app/texts.js';
import style from './Console.module.css';
import { words } from './words.js';

const t = texts({ path: 'Path' }, { path: '路径' });

interface Props {
  topic: string;
  channel?: string;
  isPaused: boolean;
  /** Buttons. */
  children?: ComponentChildren;
}

/** The head of a page: where it is, its name, and what can be done. */
export function PageHead({ topic, channel, isPaused, children }: Props) {
  return (
    <header class={style['head']}>
      <div class={style['names']}>
        <nav aria-label={t().path} class={style['crumbs']}>
          <a href={to('topics')}>{words().topics}</a>
          {channel !== undefined && (
            <>
              <span aria-hidden="true">/</span>
              <a href={to('topics', topic)}>{topic}</a>
            </>
          )}
        </nav>
        <h1>
          {channel ?? topic}
          {isPaused && <span class={style['badge']}>{words().paused}</span>}
        </h1>
      </div>
      <span class={style['gap']} />
      <div class={style['actions']}>{children}</div>
    </header>
  );
}
