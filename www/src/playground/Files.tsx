import { useComputed, useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';

import { bytes, texts } from '../app/texts.js';
import type { Play } from '../broker/play.js';
import { Dialog } from '../ui/Dialog.js';
import { copy } from '../ui/copy.js';
import { download } from '../ui/download.js';
import { attempt, tell } from '../ui/toast.js';
import { inOrder, kindOf } from './files.js';
import style from './Files.module.css';
import panel from './panel.module.css';
import { fragmentOf, TooLong, type Shared } from './share.js';

const t = texts(
  {
    open: 'Open',
    drop: 'Drop files here',
    dropText: 'A recording of a server (shelfmq serve\u00a0-\u2060-\u2060record), a topic’s log (shelfmq log export), or a saved playground.',
    choose: 'Choose files …',
    unknown: (name: string) => `${name} is no recording, no log and no saved playground`,
    imported: (topic: string) => `Topic ${topic} is here, with its messages`,
    brought: 'The playground is as it was when this was saved',
    opened: 'The recording is open: step through it',
    save: 'Save',
    all: 'The whole playground',
    recording: 'What happened (recording)',
    log: 'The log of a topic',
    noTopics: 'There is no topic yet.',
    notPast: 'The log is of a topic as it is now: first go back to now, or close the recording.',
    saveLog: 'Save the log',
    topic: 'Topic',
    share: 'Share',
    shareText: 'The part of a link behind # is sent to no server: all is in the link itself.',
    stateLink: 'Copy a link with all that is here',
    script: 'Commands',
    scriptHint: 'curl … lines that whoever opens the link may run',
    scriptLink: 'Copy a link with these commands',
    copied: 'The link is in the clipboard',
    tooLong: 'This is more than a link has room for. Save it as a file, and send that.',
    link: 'Link',
    reset: 'Begin anew',
    resetText: 'All topics, messages, consumers and producers go. This cannot be undone.',
    resetDone: 'Everything is empty',
    cancel: 'Cancel',
  },
  {
    open: '打开',
    drop: '把文件拖到这里',
    dropText: '服务器的录像（shelfmq serve\u00a0-\u2060-\u2060record）、主题日志（shelfmq log export）或保存的演练场。',
    choose: '选择文件 …',
    unknown: (name) => `${name} 不是录像、日志或保存的演练场`,
    imported: (topic) => `主题 ${topic} 及其消息已导入`,
    brought: '演练场已恢复到保存时的样子',
    opened: '录像已打开，可以逐步查看',
    save: '保存',
    all: '整个演练场',
    recording: '发生的一切（录像）',
    log: '一个主题的日志',
    noTopics: '还没有主题。',
    notPast: '日志保存的是主题现在的内容：请先回到现在，或关闭录像。',
    saveLog: '保存日志',
    topic: '主题',
    share: '分享',
    shareText: '链接中 # 之后的部分不会发送给任何服务器，全部内容都在链接里。',
    stateLink: '复制包含当前全部内容的链接',
    script: '命令',
    scriptHint: '打开链接的人可以运行的 curl 命令',
    scriptLink: '复制包含这些命令的链接',
    copied: '链接已复制到剪贴板',
    tooLong: '内容太多，链接放不下。请保存为文件后发送。',
    link: '链接',
    reset: '重新开始',
    resetText: '所有主题、消息、消费者和生产者都会被删除，无法撤销。',
    resetDone: '已全部清空',
    cancel: '取消',
  },
);

/** Opens what was dropped or chosen, by what it is. */
export async function openFiles(play: Play, files: readonly File[]): Promise<void> {
  const read = await Promise.all(files.map(async (file) => ({ name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) })));
  const recording = inOrder(read.filter(({ bytes }) => kindOf(bytes) === 'recording'));
  for (const { name, bytes } of read) {
    const kind = kindOf(bytes);
    if (kind === 'unknown') tell(t().unknown(name), true);
    if (kind === 'state') await play.importState(bytes).then(() => tell(t().brought));
    if (kind === 'log') tell(t().imported(await play.importLog(bytes)));
  }
  const last = recording.at(-1);
  if (last) await play.openRecording(last.name, recording.map(({ bytes }) => bytes)).then(() => tell(t().opened));
}

export function Files({ play }: { play: Play }) {
  return (
    <div class={panel['panel']}>
      <Open play={play} />
      <Save play={play} />
      <Share play={play} />
      <Reset play={play} />
    </div>
  );
}

function Open({ play }: { play: Play }) {
  const input = useRef<HTMLInputElement>(null);
  const over = useSignal(false);
  const open = (files: FileList | null | undefined) => {
    if (files && files.length > 0) void attempt(() => openFiles(play, [...files]));
  };
  return (
    <section class={panel['section']}>
      <h2>{t().open}</h2>
      <div
        class={over.value ? `${style['drop']} ${style['over']}` : style['drop']}
        onDragOver={(event) => {
          event.preventDefault();
          over.value = true;
        }}
        onDragLeave={() => (over.value = false)}
        onDrop={(event) => {
          event.preventDefault();
          event.stopPropagation();
          over.value = false;
          open(event.dataTransfer?.files);
        }}
      >
        <b>{t().drop}</b>
        <p class="soft">{t().dropText}</p>
        <input
          ref={input}
          type="file"
          multiple
          class="sr-only"
          tabIndex={-1}
          aria-label={t().choose}
          onChange={(event) => {
            open(event.currentTarget.files);
            event.currentTarget.value = '';
          }}
        />
        <button onClick={() => input.current?.click()}>{t().choose}</button>
      </div>
    </section>
  );
}

function Save({ play }: { play: Play }) {
  const chosen = useSignal<string | undefined>(undefined);
  const past = useComputed(() => play.past.value !== undefined).value;
  const shown = useComputed(() => play.frame.value?.snapshot).value;
  const topics = (shown?.topics ?? []).map(({ name }) => name).filter((name) => !name.endsWith('#ephemeral'));
  const topic = chosen.value !== undefined && topics.includes(chosen.value) ? chosen.value : topics[0];
  const save = (name: string, make: () => Promise<BlobPart[]>) => attempt(async () => download(name, new Blob(await make())));
  return (
    <section class={panel['section']}>
      <h2>{t().save}</h2>
      <div class={panel['buttons']}>
        <button onClick={() => save('playground.shelf', async () => [await play.exportState()])}>{t().all}</button>
        <button onClick={() => save('playground.rec', () => play.recording())}>{t().recording}</button>
      </div>
      <h3>{t().log}</h3>
      {past || topic === undefined ? (
        <p class="soft">{past ? t().notPast : t().noTopics}</p>
      ) : (
        <div class={panel['buttons']}>
          <select aria-label={t().topic} value={topic} onChange={(event) => (chosen.value = event.currentTarget.value)}>
            {topics.map((name) => <option key={name}>{name}</option>)}
          </select>
          <button onClick={() => save(`${topic}.shelfmq`, async () => [await play.exportLog(topic)])}>{t().saveLog}</button>
        </div>
      )}
    </section>
  );
}

function Share({ play }: { play: Play }) {
  const script = useSignal('');
  const link = useSignal('');
  const share = (make: () => Promise<Shared>) =>
    attempt(async () => {
      try {
        const url = new URL(location.href);
        url.hash = await fragmentOf(await make());
        link.value = url.href;
      } catch (why) {
        throw why instanceof TooLong ? new Error(t().tooLong) : why;
      }
      // Where the clipboard is not to be had, the link is there to be copied by hand.
      await copy(link.value).then(() => tell(t().copied), () => {});
    });
  return (
    <section class={panel['section']}>
      <h2>{t().share}</h2>
      <p class="soft">{t().shareText}</p>
      <div class={panel['buttons']}>
        <button onClick={() => share(async () => ({ state: await play.exportState() }))}>{t().stateLink}</button>
      </div>
      <label class={panel['field']}>
        <span>{t().script}</span>
        <textarea class="mono" rows={3} spellcheck={false} placeholder={t().scriptHint} value={script.value} onInput={(event) => (script.value = event.currentTarget.value)} />
      </label>
      <div class={panel['buttons']}>
        <button disabled={script.value.trim() === ''} onClick={() => share(async () => ({ script: script.value }))}>
          {t().scriptLink}
        </button>
      </div>
      {link.value !== '' && (
        <label class={panel['field']}>
          <span>
            {t().link} ({bytes(link.value.length)})
          </span>
          <input class="mono" readOnly value={link.value} onFocus={(event) => event.currentTarget.select()} />
        </label>
      )}
    </section>
  );
}

function Reset({ play }: { play: Play }) {
  const asking = useSignal(false);
  return (
    <section class={panel['section']}>
      <div class={panel['buttons']}>
        <button class="danger" onClick={() => (asking.value = true)}>
          {t().reset} …
        </button>
      </div>
      {asking.value && (
        <Dialog title={t().reset} onClose={() => (asking.value = false)}>
          <p class={style['ask']}>{t().resetText}</p>
          <div class={panel['buttons']}>
            <button
              class="danger"
              onClick={() => {
                asking.value = false;
                void attempt(() => play.reset(), t().resetDone);
              }}
            >
              {t().reset}
            </button>
            <button onClick={() => (asking.value = false)}>{t().cancel}</button>
          </div>
        </Dialog>
      )}
    </section>
  );
}
