// Where commands are written.
import type { TargetedClipboardEvent, TargetedKeyboardEvent } from 'preact';
import { useEffect, useId, useMemo, useRef } from 'preact/hooks';

import { Choices } from './Choices.js';
import { Editor } from './editor.js';
import { type Machine, load } from './machine.js';
import { t } from './said.js';
import style from './Terminal.module.css';
import { address } from './tries.js';

export function Prompt({ machine }: { machine: Machine }) {
  const editor = useMemo(() => new Editor(machine), [machine]);
  const id = useId();
  const touched = machine.touched.value;
  // What was put here while the terminal was out of sight does not take the focus when it comes back.
  const seen = useRef(touched);
  useEffect(() => {
    if (touched !== seen.current) editor.field?.focus();
    seen.current = touched;
  }, [editor, touched]);
  const keys = (event: TargetedKeyboardEvent<HTMLTextAreaElement>) => {
    // While Chinese is being composed, keys are the composer's; Safari says so by 229 alone for the last one.
    const composes = event.isComposing || event.keyCode === 229;
    if (!composes && editor.key(event, event.currentTarget)) event.preventDefault();
  };
  const pasted = (event: TargetedClipboardEvent<HTMLTextAreaElement>) => {
    event.preventDefault();
    void editor.paste(event.clipboardData?.getData('text/plain') ?? '', event.currentTarget);
  };
  const text = machine.input.value;
  const open = editor.open.value;
  return (
    <div class={style['prompt']}>
      {open && <Choices id={id} open={open} onTake={(choice) => editor.take(choice)} />}
      <span class={machine.status.value === 0 ? style['sign'] : style['signBad']} aria-hidden="true">
        $
      </span>
      <textarea
        ref={(field) => void (editor.field = field)}
        rows={Math.min(8, text.split('\n').length)}
        value={text}
        placeholder={machine.running.value ? '' : `curl ${address(machine.session)}`}
        aria-label={t().input}
        aria-autocomplete="list"
        aria-controls={open ? id : undefined}
        aria-activedescendant={open && open.chosen >= 0 ? `${id}-${open.chosen}` : undefined}
        autocomplete="off"
        autocapitalize="off"
        autocorrect="off"
        spellcheck={false}
        enterkeyhint="go"
        onFocus={() => void load()}
        onBlur={() => (editor.open.value = undefined)}
        onInput={(event) => editor.written(event.currentTarget.value)}
        onKeyDown={keys}
        onPaste={pasted}
      />
      <State machine={machine} onRun={() => void editor.submit()} />
    </div>
  );
}

function State({ machine, onRun }: { machine: Machine; onRun(): void }) {
  const running = machine.running.value;
  return (
    <>
      <span class={style['state']} role="status">
        {running && (machine.session.play?.speed.value === 0 ? t().standsStill : <span class="sr-only">{t().running}</span>)}
      </span>
      {running ? (
        <button class={style['stop']} title="Ctrl-C" onClick={() => machine.interrupt()}>
          {t().stop}
        </button>
      ) : (
        <button class={style['run']} onClick={onRun}>
          {t().run}
        </button>
      )}
    </>
  );
}
