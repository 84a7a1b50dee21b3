import { texts } from '../app/texts.js';
import style from './Tabs.module.css';
import type { View } from './view.js';

const t = texts(
  { views: 'Views', picture: 'Picture', terminal: 'Terminal', lessons: 'Lessons', consumers: 'Consumers', events: 'Events', files: 'Files' },
  { views: '视图', picture: '图', terminal: '终端', lessons: '课程', consumers: '消费者', events: '事件', files: '文件' },
);

export const tabId = (view: View) => `tab-${view}`;
export const panelId = (view: View) => `view-${view}`;

interface Props {
  views: readonly View[];
  shown: View;
  onShow(view: View): void;
}

/** Tabs, of which one is chosen: by click, or by arrow keys once one has the focus. */
export function Tabs({ views, shown, onShow }: Props) {
  const keys = (event: KeyboardEvent) => {
    const at = views.indexOf(shown);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: views.length - 1 }[event.key];
    const view = to === undefined ? undefined : views[(to + views.length) % views.length];
    if (view === undefined) return;
    event.preventDefault();
    onShow(view);
    document.getElementById(tabId(view))?.focus();
  };
  return (
    <div class={style['tabs']} role="tablist" aria-label={t().views} onKeyDown={keys}>
      {views.map((view) => (
        <button
          key={view}
          id={tabId(view)}
          role="tab"
          aria-selected={view === shown}
          aria-controls={view === shown ? panelId(view) : undefined}
          tabIndex={view === shown ? 0 : -1}
          onClick={() => onShow(view)}
        >
          {t()[view]}
        </button>
      ))}
    </div>
  );
}
