import { Fragment } from 'preact';
import { useState } from 'preact/hooks';

import { duration, texts } from '../app/texts.js';
import { receipts } from '../broker/receipts.js';
import { show } from '../playground/view.js';
import { pasteIntoTerminal } from '../terminal/machine.js';
import { copy } from '../ui/copy.js';
import { attempt } from '../ui/toast.js';
import { filled, isCommand, isScene } from './act.js';
import type { Guide } from './guide.js';
import type { Act, Command, SaidStep, Step } from './lesson.js';
import style from './lessons.module.css';
import { Rich } from './Rich.js';

const t = texts(
  {
    run: 'Run',
    paste: 'Into the terminal',
    copy: 'Copy',
    copied: 'Copied',
    pass: (time: string) => `Let ${time} pass`,
    show: 'Show me',
    hint: 'Hint',
    mend: 'Something has changed meanwhile, so there is more to do here: go from top to bottom.',
    lost: 'What this step needs is gone, so it cannot be done any more. Start again.',
    again: 'Start again',
    receipt: 'RECEIPT is the receipt of the message that you receive: it is filled in as soon as you have it.',
  },
  {
    run: '运行',
    paste: '放进终端',
    copy: '复制',
    copied: '已复制',
    pass: (time: string) => `让 ${time} 过去`,
    show: '演示给我看',
    hint: '提示',
    mend: '中途情况有变，这里要多做一点：请从上往下依次来。',
    lost: '这一步要用的东西已经没有了，没法再完成。请重新开始。',
    again: '重新开始',
    receipt: 'RECEIPT 是你收到的消息的凭据：一收到就会自动填上。',
  },
);

interface Props {
  guide: Guide;
  step: Step;
  said: SaidStep;
}

/** What is to be done now. */
export function StepView({ guide, step, said }: Props) {
  const mends = guide.lost.value ? [] : guide.mends.value;
  const acts = step.acts.filter((act) => !('mends' in act) || mends.includes(act));
  const commands = acts.filter(isCommand);
  // What is to be done twice is shown once.
  const shown = acts.filter((act, at, all) => !isCommand(act) || at === all.findIndex((one) => isCommand(one) && one.run === act.run));
  const unknown = commands.some((act) => filled(act.run, receipts.value).includes('RECEIPT'));
  return (
    <>
      <p>
        <Rich text={said.text} />
      </p>
      {guide.lost.value && (
        <p class={style['note']} data-lost>
          {t().lost}{' '}
          <button onClick={() => guide.start()}>{t().again}</button>
        </p>
      )}
      {mends.length > 0 && <p class="soft">{t().mend}</p>}
      {shown.map((act, at) => (
        <OneAct key={at} guide={guide} act={act} said={said} />
      ))}
      {unknown && <p class={`soft ${style['small']}`}>{t().receipt}</p>}
      {(commands.length > 0 || said.hint !== undefined) && (
        <div class={style['help']}>
          {said.hint !== undefined && <Hint text={said.hint} />}
          {commands.length > 0 && (
            <button class="quiet" data-show disabled={guide.busy.value} onClick={() => guide.act(step.acts)}>
              {t().show}
            </button>
          )}
        </div>
      )}
    </>
  );
}

function OneAct({ guide, act, said }: { guide: Guide; act: Act; said: SaidStep }) {
  if (isCommand(act)) return <Line guide={guide} command={act} />;
  return (
    <p>
      <button class={isScene(act) ? 'primary' : ''} data-act disabled={guide.busy.value} onClick={() => guide.act([act])}>
        {isScene(act) ? said.act : t().pass(duration(act.pass))}
      </button>
    </p>
  );
}

/** A command, as a block that can be run, put into the terminal, and copied. */
function Line({ guide, command }: { guide: Guide; command: Command }) {
  const text = filled(command.run, receipts.value);
  const paste = () =>
    attempt(async () => {
      show('terminal');
      await pasteIntoTerminal(text);
    });
  const copyIt = () => attempt(() => copy(text), t().copied);
  return (
    <div class={style['command']}>
      <pre tabIndex={0}>
        <code>
          {text.split(/(?=[?&])/).map((part, at) => (
            <Fragment key={at}>
              <wbr />
              {part}
            </Fragment>
          ))}
        </code>
      </pre>
      <div class={style['buttons']}>
        <button disabled={guide.busy.value || text.includes('RECEIPT')} onClick={() => attempt(() => guide.run(text))}>
          <span aria-hidden="true">▸</span> {t().run}
        </button>
        <button class="quiet" data-paste onClick={paste}>
          {t().paste}
        </button>
        <button class="quiet" onClick={copyIt}>
          {t().copy}
        </button>
      </div>
    </div>
  );
}

function Hint({ text }: { text: string }) {
  const [open, setOpen] = useState(false);
  return (
    <details class={style['hint']} open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{t().hint}</summary>
      <p>
        <Rich text={text} />
      </p>
    </details>
  );
}
