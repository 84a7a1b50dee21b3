// Where commands are written.
import { useSignal } from '@preact/signals';
import type { TargetedClipboardEvent, TargetedKeyboardEvent } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';

import type { Completion } from './complete.js';
import { Choices } from './Choices.js';
import { edited } from './edit.js';
import { type Machine, load, loaded } from './machine.js';
import { cleaned, split } from './pasted.js';
import { t } from './said.js';
import style from './Terminal.module.css';

export interface Open {
  completion: Completion;
  /** The one that Enter takes; -1: none yet. */
  chosen: number;
}

export function Prompt({ machine }: { machine: Machine }) {
  const { input, running } = machine;
  const field = useRef<HTMLTextAreaElement>(null);
  const open = useSignal<Open | undefined>(undefined);
  /** After Escape, Tab leaves the field. */
  const leaves = useRef(false);
  const id = useId();
  useEffect(() => {
    if (machine.touched.value > 0) field.current?.focus();
  }, [machine, machine.touched.value]);

  const set = (text: string, caret = text.length) => {
    input.value = text;
    if (!field.current) return;
    field.current.value = text;
    field.current.setSelectionRange(caret, caret);
  };
  const enter = (text: string) => {
    set('');
    void machine.enter(text);
  };
  const submit = async () => {
    const { incomplete } = loaded ?? (await load());
    if (incomplete(input.value)) set(`${input.value}\n`);
    else enter(input.value);
  };
  const take = (choice: string) => {
    const { from, to } = open.value!.completion;
    open.value = undefined;
    set(input.value.slice(0, from) + choice + input.value.slice(to), from + choice.length);
    field.current?.focus();
  };
  const complete = async (caret: number) => {
    const { value } = input;
    const completion = await machine.complete(value.slice(0, caret));
    if (!completion || input.value !== value) return;
    open.value = { completion, chosen: -1 };
    if (completion.choices.length === 1) return take(completion.choices[0]!);
    const { common } = await import('./complete.js');
    const start = common(completion.choices);
    if (start.length <= completion.to - completion.from) return;
    set(value.slice(0, completion.from) + start + value.slice(caret), completion.from + start.length);
    open.value = { completion: { ...completion, to: completion.from + start.length }, chosen: -1 };
  };
  const move = (by: number) => {
    const { completion, chosen } = open.value!;
    const count = completion.choices.length;
    open.value = { completion, chosen: chosen < 0 && by < 0 ? count - 1 : (chosen + by + count) % count };
  };
  /** Whether the key was for the list of choices. */
  const inChoices = (event: KeyboardEvent): boolean => {
    const { value } = open;
    if (!value) return false;
    if (event.key === 'Tab' || event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      move(event.key === 'ArrowUp' || event.shiftKey ? -1 : 1);
      return true;
    }
    if (event.key === 'Enter' && value.chosen >= 0) {
      take(value.completion.choices[value.chosen]!);
      return true;
    }
    if (event.key !== 'Shift') open.value = undefined;
    return event.key === 'Escape';
  };
  const inField = (event: KeyboardEvent, element: HTMLTextAreaElement): boolean => {
    const { value, selectionStart: start, selectionEnd: end } = element;
    const plain = !event.ctrlKey && !event.altKey && !event.metaKey && !event.shiftKey;
    if (event.key === 'Enter' && plain) return void submit(), true;
    if (event.key === 'Tab' && plain && !leaves.current && value.slice(0, start).trim() !== '') return void complete(start), true;
    leaves.current = event.key === 'Escape' || (leaves.current && event.key === 'Shift');
    const entry = !plain || start !== end ? undefined : event.key === 'ArrowUp' && !value.slice(0, start).includes('\n') ? machine.history.back(value) : event.key === 'ArrowDown' && !value.slice(end).includes('\n') ? machine.history.forth() : undefined;
    if (entry !== undefined) return set(entry), true;
    const change = event.ctrlKey && !event.altKey && !event.metaKey && !event.shiftKey ? edited(event.key, value, start) : undefined;
    if (change) set(change.text, change.caret);
    return change !== undefined;
  };
  const keys = (event: TargetedKeyboardEvent<HTMLTextAreaElement>) => {
    // While Chinese is being composed, keys are the composer's.
    if (event.isComposing) return;
    if (inChoices(event) || inField(event, event.currentTarget)) event.preventDefault();
  };
  const pasted = async (event: TargetedClipboardEvent<HTMLTextAreaElement>) => {
    const element = event.currentTarget;
    const text = cleaned(event.clipboardData?.getData('text/plain') ?? '');
    event.preventDefault();
    const { selectionStart: start, selectionEnd: end, value } = element;
    const all = value.slice(0, start) + text + value.slice(end);
    set(all, start + text.length);
    if (!text.includes('\n')) return;
    const { incomplete } = loaded ?? (await load());
    const { run, left } = split(all, incomplete);
    if (run !== '') void machine.enter(run);
    set(left);
  };
  const chosen = open.value && open.value.chosen >= 0 ? `${id}-${open.value.chosen}` : undefined;
  return (
    <div class={style['prompt']}>
      {open.value && <Choices id={id} open={open.value} onTake={take} />}
      <span class={machine.status.value === 0 ? style['sign'] : style['signBad']} aria-hidden="true">
        $
      </span>
      <textarea
        ref={field}
        rows={Math.min(8, input.value.split('\n').length)}
        value={input.value}
        placeholder={running.value ? '' : t().placeholder}
        aria-label={t().input}
        aria-autocomplete="list"
        aria-controls={open.value ? id : undefined}
        aria-activedescendant={chosen}
        autocomplete="off"
        autocapitalize="off"
        autocorrect="off"
        spellcheck={false}
        enterkeyhint="go"
        onFocus={() => void load()}
        onBlur={() => (open.value = undefined)}
        onInput={(event) => ((input.value = event.currentTarget.value), (open.value = undefined))}
        onKeyDown={keys}
        onPaste={(event) => void pasted(event)}
      />
      <span class={style['state']} role="status">
        {running.value && (machine.session.play?.speed.value === 0 ? t().standsStill : <span class="sr-only">{t().running}</span>)}
      </span>
      {running.value ? (
        <button class={style['stop']} title="Ctrl-C" onClick={() => machine.interrupt()}>
          {t().stop}
        </button>
      ) : (
        <button class={style['run']} onClick={() => void submit()}>
          {t().run}
        </button>
      )}
    </div>
  );
}
