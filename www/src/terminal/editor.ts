// What keys, pasting and choosing do to the line that is being written.
import { signal } from '@preact/signals';

import type { Completion } from './complete.js';
import { edited } from './edit.js';
import { type Machine, load, loaded } from './machine.js';
import { cleaned, prompted, split } from './pasted.js';

/** The list of what can stand where the caret is. */
export interface Open {
  completion: Completion;
  /** The one that Enter takes; -1: none yet. */
  chosen: number;
}

/** No other key is held with it. */
const plain = (event: KeyboardEvent) => !event.ctrlKey && !event.altKey && !event.metaKey && !event.shiftKey;

/** Tells what goes on in the next line, once the shell is there. Where it cannot be loaded, running it says so. */
async function understood(): Promise<(text: string) => boolean> {
  return (loaded ?? (await load().catch(() => undefined)))?.incomplete ?? (() => false);
}

export class Editor {
  readonly open = signal<Open | undefined>(undefined);
  field: HTMLTextAreaElement | null = null;
  /** After Escape, Tab leaves the field. */
  #leaves = false;
  /** What was entered before the shell was there. */
  #entered = '';

  constructor(readonly machine: Machine) {}

  get text(): string {
    return this.machine.input.value;
  }

  set(text: string, caret = text.length): void {
    this.machine.input.value = text;
    if (!this.field) return;
    // At once, so that the caret can be where it belongs.
    this.field.value = text;
    this.field.setSelectionRange(caret, caret);
    this.field.scrollTop = this.field.scrollHeight;
  }

  /** Somebody wrote, by whatever means. */
  written(text: string): void {
    this.machine.input.value = text;
    this.open.value = undefined;
  }

  /** Runs what is written, unless it goes on in the next line. */
  submit(): Promise<void> {
    return this.#enter(`${this.text}\n`);
  }

  /** Runs whole lines; what is left waits, before what is written until the shell is there. */
  async #enter(text: string): Promise<void> {
    this.set('');
    this.#entered += text;
    // What came before waits for the shell, and takes this with it.
    if (this.#entered !== text) return;
    const incomplete = await understood();
    const { run, left } = split(this.#entered, incomplete);
    if (run !== '' || left === '') void this.machine.enter(run);
    this.#entered = '';
    this.set(left + this.text);
  }

  take(choice: string): void {
    const { from, to } = this.open.value!.completion;
    this.open.value = undefined;
    this.set(this.text.slice(0, from) + choice + this.text.slice(to), from + choice.length);
    this.field?.focus();
  }

  async #complete(caret: number): Promise<void> {
    const { text } = this;
    const completion = await this.machine.complete(text.slice(0, caret));
    if (!completion || this.text !== text) return;
    this.open.value = { completion, chosen: -1 };
    const [only, another] = completion.choices;
    if (only !== undefined && another === undefined) return this.take(only);
    // What all of them begin with is taken at once.
    const { from, start } = completion;
    if (start.length <= completion.to - from) return;
    this.set(text.slice(0, from) + start + text.slice(caret), from + start.length);
    this.open.value = { completion: { ...completion, to: from + start.length }, chosen: -1 };
  }

  #move({ completion, chosen }: Open, by: number): void {
    const count = completion.choices.length;
    this.open.value = { completion, chosen: chosen < 0 && by < 0 ? count - 1 : (chosen + by + count) % count };
  }

  /** Whether the key was for the list of choices. */
  #inChoices(event: KeyboardEvent): boolean {
    const { value } = this.open;
    if (!value) return false;
    if (event.key === 'Tab' || event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      this.#move(value, event.key === 'ArrowUp' || event.shiftKey ? -1 : 1);
      return true;
    }
    if (event.key === 'Enter' && value.chosen >= 0) {
      this.take(value.completion.choices[value.chosen]!);
      return true;
    }
    if (event.key !== 'Shift') this.open.value = undefined;
    return event.key === 'Escape';
  }

  /** The entry of the history that an arrow leads to from the first or the last line. */
  #fromHistory({ key }: KeyboardEvent, { value, selectionStart, selectionEnd }: HTMLTextAreaElement): string | undefined {
    const { history } = this.machine;
    if (selectionStart !== selectionEnd) return undefined;
    if (key === 'ArrowUp' && !value.slice(0, selectionStart).includes('\n')) return history.back(value);
    if (key === 'ArrowDown' && !value.slice(selectionEnd).includes('\n')) return history.forth();
    return undefined;
  }

  /** Whether the key was taken. */
  key(event: KeyboardEvent, field: HTMLTextAreaElement): boolean {
    if (this.#inChoices(event)) return true;
    const { value, selectionStart: caret } = field;
    if (event.key === 'Enter' && plain(event)) {
      void this.submit();
      return true;
    }
    if (event.key === 'Tab' && plain(event) && !this.#leaves && value.slice(0, caret).trim() !== '') {
      void this.#complete(caret);
      return true;
    }
    this.#leaves = event.key === 'Escape' || (this.#leaves && event.key === 'Shift');
    const entry = plain(event) ? this.#fromHistory(event, field) : undefined;
    if (entry !== undefined) {
      this.set(entry);
      return true;
    }
    if (!event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return false;
    const change = edited(event.key, value, caret);
    if (change) this.set(change.text, change.caret);
    return change !== undefined;
  }

  /** Whole lines run at once, as in any terminal; what is left waits. */
  async paste(pasted: string, field: HTMLTextAreaElement): Promise<void> {
    // Without a prompt, nothing has to be understood.
    const incomplete = prompted(pasted) ? await understood() : () => false;
    const text = cleaned(pasted, incomplete);
    const { value, selectionStart: start, selectionEnd: end } = field;
    const all = value.slice(0, start) + text + value.slice(end);
    this.open.value = undefined;
    this.set(all, start + text.length);
    if (text.includes('\n')) await this.#enter(all);
  }
}
