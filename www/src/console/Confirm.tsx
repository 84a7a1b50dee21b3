import { useState } from 'preact/hooks';

import { texts } from '../app/texts.js';
import { Field, FormDialog } from './FormDialog.js';

const t = texts(
  { type: (name: string) => `Type ${name} to confirm` },
  { type: (name) => `输入 ${name} 以确认` },
);

interface Props {
  title: string;
  /** What will be lost. */
  text: string;
  act: string;
  /** Where it cannot be undone at all: a name that has to be typed. */
  typed?: string;
  onConfirm(): Promise<unknown>;
  onClose(): void;
}

/** Asks before something is lost, and names it. */
export function Confirm({ title, text, act, typed, onConfirm, onClose }: Props) {
  const [given, setGiven] = useState('');
  return (
    <FormDialog title={title} act={act} danger disabled={typed !== undefined && given !== typed} onSubmit={onConfirm} onClose={onClose}>
      <p>{text}</p>
      {typed !== undefined && (
        <Field label={t().type(typed)}>
          {(input) => (
            <input
              {...input}
              class="mono"
              autoComplete="off"
              spellcheck={false}
              autoFocus
              value={given}
              onInput={(event) => setGiven(event.currentTarget.value)}
            />
          )}
        </Field>
      )}
    </FormDialog>
  );
}
