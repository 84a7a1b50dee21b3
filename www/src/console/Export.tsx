import { useState } from 'preact/hooks';

import { texts } from '../app/texts.js';
import type { Session } from '../broker/session.js';
import { Dialog } from '../ui/Dialog.js';
import { download } from '../ui/download.js';
import { attempt } from '../ui/toast.js';
import style from './forms.module.css';
import { words } from './words.js';

const t = texts(
  {
    export: 'Export …',
    title: (topic: string) => `Export the log of ${topic}`,
    text: 'On the machine of the server, while it does not run, or on a copy of its data:',
    then: 'The playground opens the file: drop it there.',
  },
  {
    export: '导出 …',
    title: (topic) => `导出 ${topic} 的日志`,
    text: '在服务器所在的机器上（服务器停止时），或对其数据的副本运行：',
    then: '把得到的文件拖进演练场即可打开。',
  },
);

/** A topic's log as a file: made here where the broker is here, else how to make it. */
export function Export({ session, topic }: { session: Session; topic: string }) {
  const [told, setTold] = useState(false);
  const { play } = session;
  const save = async (play: NonNullable<Session['play']>) => download(`${topic}.shelfmq`, await play.exportLog(topic));
  return (
    <>
      <button onClick={() => (play ? void attempt(() => save(play)) : setTold(true))}>{t().export}</button>
      {told && (
        <Dialog title={t().title(topic)} onClose={() => setTold(false)}>
          <div class={style['form']}>
            <p>{t().text}</p>
            <pre class={style['command']} tabIndex={0}>
              shelfmq log export --topic '{topic}' shelfmq-data
            </pre>
            <p class="soft">{t().then}</p>
            <p class={style['buttons']}>
              <button onClick={() => setTold(false)}>{words().close}</button>
            </p>
          </div>
        </Dialog>
      )}
    </>
  );
}
