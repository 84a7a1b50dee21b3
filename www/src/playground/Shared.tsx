// A link that brings a state or commands: what it has is there only once whoever opened it says so.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';

import { texts } from '../app/texts.js';
import type { Play } from '../broker/play.js';
import { Dialog } from '../ui/Dialog.js';
import { attempt, tellError } from '../ui/toast.js';
import panel from './panel.module.css';
import style from './Shared.module.css';
import type { Shared } from './share.js';
import { show } from './view.js';

const t = texts(
  {
    state: 'This link brings a playground',
    replaces: 'It takes the place of what is here: all topics, messages, consumers and producers of yours go. Save them first, if you want to keep them.',
    script: 'This link brings commands',
    runs: 'They run in this page’s own broker. It is not emptied before.',
    replace: 'Replace what is here',
    run: 'Run the commands',
    insert: 'Only put them into the terminal',
    no: 'No, thanks',
    brought: 'The playground is as it was when the link was made',
  },
  {
    state: '此链接带有一个演练场',
    replaces: '它会取代这里的一切：您的所有主题、消息、消费者和生产者都会被删除。如需保留，请先保存。',
    script: '此链接带有命令',
    runs: '它们将在本页面的消息服务中运行，运行前不会清空现有内容。',
    replace: '取代现有内容',
    run: '运行命令',
    insert: '只放入终端',
    no: '不，谢谢',
    brought: '演练场已恢复到链接生成时的样子',
  },
);

/** The address without what was shared, so that a reload does not ask again. */
function clean(): void {
  history.replaceState(history.state, '', '#/');
}

async function intoTerminal(script: string, run: boolean): Promise<void> {
  const { pasteIntoTerminal } = await import('../terminal/Terminal.js');
  show('terminal');
  pasteIntoTerminal(script, run);
}

export function SharedLink({ play }: { play: Play }) {
  const shared = useSignal<Shared | undefined>(undefined);
  useEffect(() => {
    const look = async () => {
      if (!/^#(s|run)=/.test(location.hash)) return;
      const { sharedIn } = await import('./share.js');
      try {
        shared.value = await sharedIn(location.hash);
      } catch (why) {
        tellError(why);
      }
      clean();
    };
    void look();
    addEventListener('hashchange', look);
    return () => removeEventListener('hashchange', look);
  }, [shared]);
  const brought = shared.value;
  if (!brought) return null;
  const close = () => (shared.value = undefined);
  const act = (act: () => Promise<unknown>, done?: string) => {
    close();
    void attempt(act, done);
  };
  if ('state' in brought) {
    return (
      <Dialog title={t().state} onClose={close}>
        <p class={style['text']}>{t().replaces}</p>
        <div class={panel['buttons']}>
          <button class="danger" onClick={() => act(() => play.importState(brought.state), t().brought)}>
            {t().replace}
          </button>
          <button onClick={close}>{t().no}</button>
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog title={t().script} onClose={close}>
      <p class={style['text']}>{t().runs}</p>
      <pre class={style['script']} tabIndex={0}>{brought.script}</pre>
      <div class={panel['buttons']}>
        <button class="primary" onClick={() => act(() => intoTerminal(brought.script, true))}>
          {t().run}
        </button>
        <button onClick={() => act(() => intoTerminal(brought.script, false))}>{t().insert}</button>
        <button onClick={close}>{t().no}</button>
      </div>
    </Dialog>
  );
}
