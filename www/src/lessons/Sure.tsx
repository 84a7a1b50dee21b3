import { count, texts } from '../app/texts.js';
import { Dialog } from '../ui/Dialog.js';
import type { Guide } from './guide.js';
import style from './lessons.module.css';

const t = texts(
  {
    sure: 'Start with a clean shelf?',
    holds: (topic: string, messages: number) => {
      const what = messages === 0 ? 'all that it keeps' : messages === 1 ? 'one message in it' : `${count(messages)} messages in it`;
      return `The topic ${topic} is deleted with its channels, and with ${what}.`;
    },
    yes: 'Delete and start',
    no: 'Leave it',
  },
  {
    sure: '清空书架再开始？',
    holds: (topic: string, messages: number) =>
      `主题 ${topic} 连同它的通道和${messages === 0 ? '保留的内容' : `其中的 ${count(messages)} 条消息`}会被删除。`,
    yes: '删除并开始',
    no: '先不',
  },
);

/** Before a start deletes what may be the user's. */
export function Sure({ guide, asks }: { guide: Guide; asks: { topic: string; messages: number }[] }) {
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
