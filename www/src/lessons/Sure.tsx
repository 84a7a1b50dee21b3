import { count, texts } from '../app/texts.js';
import { Dialog } from '../ui/Dialog.js';
import type { Guide } from './guide.js';
import style from './lessons.module.css';

const t = texts(
  {
    sure: 'Start with a clean shelf?',
    holds: (topic: string, messages: number) =>
      messages === 1 ? `The topic ${topic} is deleted, with one message in it.` : `The topic ${topic} is deleted, with ${count(messages)} messages in it.`,
    yes: 'Delete and start',
    no: 'Leave it',
  },
  {
    sure: '清空书架再开始？',
    holds: (topic: string, messages: number) => `主题 ${topic} 连同其中的 ${count(messages)} 条消息会被删除。`,
    yes: '删除并开始',
    no: '先不',
  },
);

/** Before a start deletes messages. */
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
