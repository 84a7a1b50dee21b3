// How far somebody has come, kept in this browser.
import { signal } from '@preact/signals';

export interface Progress {
  /** Ids of lessons that were finished at least once. */
  done: readonly string[];
  /** The lesson that is open. */
  open?: string;
  /** It was started, and this many of its steps are done. */
  step?: number;
  /** What its goals have seen. */
  seen?: Readonly<Record<string, string>>;
}

const KEY = 'shelfmq.lessons';

/** Whatever stands in the storage, as progress: it may be of another version, or written by hand. */
export function readProgress(text: string | null | undefined): Progress {
  try {
    const read = JSON.parse(text ?? '') as { done?: unknown; open?: unknown; step?: unknown; seen?: unknown } | null;
    const done = Array.isArray(read?.done) ? read.done.filter((id) => typeof id === 'string') : [];
    const open = typeof read?.open === 'string' ? { open: read.open } : {};
    const step = 'open' in open && Number.isInteger(read?.step) ? { step: read?.step as number } : {};
    const told = 'step' in step && typeof read?.seen === 'object' ? Object.entries(read.seen ?? {}) : [];
    const seen = Object.fromEntries(told.filter(([, text]) => typeof text === 'string')) as Record<string, string>;
    return { done, ...open, ...step, ...(told.length > 0 ? { seen } : {}) };
  } catch {
    return { done: [] };
  }
}

export const progress = signal<Progress>(readProgress(globalThis.localStorage?.getItem(KEY)));

export function keep(next: Progress): void {
  progress.value = next;
  globalThis.localStorage?.setItem(KEY, JSON.stringify(next));
}

export function finished(id: string): void {
  if (!progress.value.done.includes(id)) keep({ ...progress.value, done: [...progress.value.done, id] });
}
