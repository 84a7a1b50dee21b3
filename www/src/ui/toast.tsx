// Short news at the edge of the window: what was done, what went wrong.
import { signal } from '@preact/signals';

import { sentence } from './errors.js';
import style from './toast.module.css';

interface Toast {
  id: number;
  text: string;
  bad: boolean;
}

const toasts = signal<Toast[]>([]);
let last = 0;

export function tell(text: string, bad = false): void {
  last += 1;
  const toast = { id: last, text, bad };
  toasts.value = [...toasts.value, toast];
  setTimeout(() => (toasts.value = toasts.value.filter((one) => one !== toast)), bad ? 8_000 : 3_000);
}

/** Says what went wrong. */
export function tellError(why: unknown): void {
  tell(sentence(why), true);
}

/** Does something, and says it where it goes wrong. */
export async function attempt(act: () => Promise<unknown>, done?: string): Promise<boolean> {
  try {
    await act();
    if (done !== undefined) tell(done);
    return true;
  } catch (why) {
    tellError(why);
    return false;
  }
}

export function Toasts() {
  return (
    <div class={style['toasts']} role="status" aria-live="polite">
      {toasts.value.map((toast) => (
        <p key={toast.id} class={toast.bad ? style['bad'] : style['toast']}>
          {toast.text}
        </p>
      ))}
    </div>
  );
}
