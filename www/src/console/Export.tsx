import { useEffect, useMemo, useState } from 'preact/hooks';

import { bytes, count, texts } from '../app/texts.js';
import type { Session } from '../broker/session.js';
import { Dialog } from '../ui/Dialog.js';
import { download } from '../ui/download.js';
import { sentence } from '../ui/errors.js';
import { exported, hasAbsent } from './export.js';
import style from './forms.module.css';
import { words } from './words.js';

const t = texts(
  {
    export: 'Export …',
    title: (name: string) => `Export ${name}`,
    act: 'Export',
    what: 'What',
    messages: 'its messages, as lines of JSON',
    log: 'its log: messages and channels, for another server or the playground',
    file: 'A file with one message a line, as the API tells it. Nothing is leased, and nothing changes.',
    state: (state: string) => `Messages: ${state}`,
    command: 'The log is exported on the server’s machine while the server does not run, or from a copy of its data:',
    running: (n: string) => `${n} messages …`,
    done: (n: string, size: string) => `${n} messages, ${size}.`,
    nothing: 'There are no messages.',
    notRecorded: 'Messages of this moment were not recorded, so that there is nothing to export: go back to now.',
    again: 'To publish them again, to this or another topic:',
  },
  {
    export: '导出 …',
    title: (name) => `导出 ${name}`,
    act: '导出',
    what: '导出内容',
    messages: '消息，每行一个 JSON',
    log: '日志：消息和通道，可用于另一台服务器或演练场',
    file: '文件中每行一条消息，与 API 给出的一样。不会产生租约，也不会改变任何东西。',
    state: (state) => `消息：${state}`,
    command: '日志要在服务器所在的机器上导出（服务器停止时），或从其数据的副本导出：',
    running: (n) => `${n} 条消息 …`,
    done: (n, size) => `${n} 条消息，${size}。`,
    nothing: '没有消息。',
    notRecorded: '这一时刻的消息没有录下，无法导出：请回到现在。',
    again: '要把它们重新发布到这个或另一个主题：',
  },
);

/** So many bytes go into one request. */
const REQUEST = 4 * 1024 * 1024;

interface Props {
  session: Session;
  topic: string;
  /** Some messages of a channel, rather than what the topic has. */
  of?: { channel: string; state: string; peek(max: number, from?: string): Promise<string> };
}

/** Makes a file of a topic, or of some of a channel's messages. */
export function Export(props: Props) {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <button onClick={() => setOpen(true)}>{t().export}</button>
      {isOpen && <Exporting {...props} onClose={() => setOpen(false)} />}
    </>
  );
}

type Way = 'messages' | 'log';

interface Progress {
  count: number;
  /** How many bytes there are in the end. */
  size?: number;
}

function Exporting({ session, topic, of, onClose }: Props & { onClose(): void }) {
  const [way, setWay] = useState<Way>('messages');
  const [progress, setProgress] = useState<Progress>();
  const [wrong, setWrong] = useState<unknown>();
  const abort = useMemo(() => new AbortController(), []);
  useEffect(() => () => abort.abort(), [abort]);
  const { play, api } = session;
  // A log is made of now.
  const isPast = play?.past.value !== undefined;
  const name = of ? `${topic}.${of.channel}` : topic;
  const file = `${name}.ndjson`;
  const peek = async (max: number, from?: string) => {
    const text = await (of ? of.peek(max, from) : api.peeked(topic, undefined, undefined, max, from));
    if (hasAbsent(text)) throw new Error(t().notRecorded);
    return text;
  };
  const save = async () => {
    if (way === 'log') return download(`${topic}.shelfmq`, new Blob([await play!.exportLog(topic)]));
    let found = 0;
    setProgress({ count: found });
    const blob = await exported(peek, { signal: abort.signal, onCount: (count) => setProgress({ count: (found = count) }) });
    if (found > 0) download(file, blob);
    setProgress({ count: found, size: blob.size });
  };
  const isBusy = progress !== undefined && progress.size === undefined && wrong === undefined;
  const submit = async (event: Event) => {
    event.preventDefault();
    setWrong(undefined);
    await save().catch((why: unknown) => !abort.signal.aborted && setWrong(why));
  };
  return (
    <Dialog title={t().title(of ? `${topic} / ${of.channel}` : topic)} onClose={onClose}>
      <form class={style['form']} onSubmit={submit}>
        {of ? <p>{t().state(of.state)}</p> : !isPast && <Ways way={way} onWay={setWay} disabled={isBusy} />}
        {way === 'messages' ? (
          <p class="soft">{t().file}</p>
        ) : (
          play === undefined && <Told text={t().command} command={`shelfmq log export --topic '${topic}' shelfmq-data`} />
        )}
        {way === 'messages' && progress && <Done progress={progress} again={again(session.base, topic, file, progress.size)} />}
        <p class={style['wrong']} role="alert">
          {wrong === undefined ? '' : sentence(wrong)}
        </p>
        <p class={style['buttons']}>
          <button type="button" onClick={onClose}>
            {isBusy ? words().cancel : words().close}
          </button>
          {(way === 'messages' || play) && (
            <button type="submit" class="primary" disabled={isBusy}>
              {t().act}
            </button>
          )}
        </p>
      </form>
    </Dialog>
  );
}

function Ways({ way, onWay, disabled }: { way: Way; onWay(way: Way): void; disabled: boolean }) {
  return (
    <fieldset class={style['choices']} disabled={disabled}>
      <legend>{t().what}</legend>
      {(['messages', 'log'] as const).map((each) => (
        <label key={each}>
          <input type="radio" name="what" checked={way === each} onChange={() => onWay(each)} />
          {t()[each]}
        </label>
      ))}
    </fieldset>
  );
}

/** How far it is, and what can be done with the file. */
function Done({ progress: { count: n, size }, again }: { progress: Progress; again: string }) {
  const told = size === undefined ? t().running(count(n)) : n === 0 ? t().nothing : t().done(count(n), bytes(size));
  return (
    <>
      <p role="status">{told}</p>
      {size !== undefined && n > 0 && <Told text={t().again} command={again} />}
    </>
  );
}

function Told({ text, command }: { text: string; command: string }) {
  return (
    <>
      <p>{text}</p>
      <pre class={style['command']}>{command}</pre>
    </>
  );
}

/** What publishes a file; in pieces where it is too large for one request. */
function again(base: string, topic: string, file: string, size = 0): string {
  const post = (name: string) => `curl --data-binary @${name} -H 'Content-Type: application/x-ndjson' \\\n  '${base}/mpub?topic=${encodeURIComponent(topic)}'`;
  return size <= REQUEST ? post(file) : `split -C 4m ${file} part.\nfor part in part.*; do\n  ${post('$part')}\ndone`;
}
