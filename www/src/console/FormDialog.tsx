import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';

import { Dialog } from '../ui/Dialog.js';
import { sentence } from '../ui/errors.js';
import { tell } from '../ui/toast.js';
import style from './forms.module.css';
import { words } from './words.js';

interface Props {
  title: string;
  /** What the button that does it says. */
  act: string;
  danger?: boolean;
  /** What has been given is not enough yet. */
  disabled?: boolean;
  /** Does it; what it throws is shown, and the dialog stays. Who closes it meanwhile hears of it all the same. */
  onSubmit(): Promise<unknown>;
  onClose(): void;
  children: ComponentChildren;
}

/** A dialog that asks for something and then does it. */
export function FormDialog({ title, act, danger = false, disabled = false, onSubmit, onClose, children }: Props) {
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState<unknown>();
  const closed = useRef(false);
  useEffect(() => () => void (closed.current = true), []);
  const submit = async (event: Event) => {
    event.preventDefault();
    if (busy || disabled) return;
    setBusy(true);
    setWrong(undefined);
    try {
      await onSubmit();
      if (!closed.current) onClose();
    } catch (why) {
      if (closed.current) return tell(sentence(why), true);
      setWrong(why);
      setBusy(false);
    }
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <form class={style['form']} onSubmit={submit}>
        {children}
        <p class={style['wrong']} role="alert">
          {wrong === undefined ? '' : sentence(wrong)}
        </p>
        <p class={style['buttons']}>
          <button type="button" onClick={onClose}>
            {busy ? words().close : words().cancel}
          </button>
          <button type="submit" class={danger ? 'danger' : 'primary'} disabled={busy || disabled}>
            {act}
          </button>
        </p>
      </form>
    </Dialog>
  );
}

interface FieldProps {
  label: string;
  hint?: string;
  /** Draws the input with these attributes. */
  children(input: { id: string; 'aria-describedby'?: string }): ComponentChildren;
}

/** A label above its input, with a hint below. */
export function Field({ label, hint, children }: FieldProps) {
  const id = useId();
  return (
    <div class={style['field']}>
      <label for={id}>{label}</label>
      {children(hint === undefined ? { id } : { id, 'aria-describedby': `${id}-hint` })}
      {hint !== undefined && (
        <small id={`${id}-hint`} class="soft">
          {hint}
        </small>
      )}
    </div>
  );
}
