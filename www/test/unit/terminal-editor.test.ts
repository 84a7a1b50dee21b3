// What is written while the shell is still being loaded.
import { beforeEach, expect, test, vi } from 'vitest';

import type { Session } from '../../src/broker/session.js';

/** A prompt whose shell is loaded once somebody awaits it, and what it was given to run. */
async function prompt() {
  const { Editor } = await import('../../src/terminal/editor.js');
  const { Machine } = await import('../../src/terminal/machine.js');
  const machine = new Machine({} as Session);
  const ran: string[] = [];
  machine.enter = async (text) => ran.push(text);
  return { editor: new Editor(machine), machine, ran };
}

beforeEach(() => vi.resetModules());

test('two lines that are entered before the shell is there both run', async () => {
  const { editor, machine, ran } = await prompt();
  editor.written('echo one');
  const first = editor.submit();
  editor.written('echo two');
  const second = editor.submit();
  editor.written('echo th');
  await Promise.all([first, second]);
  expect(ran.join('\n')).toBe('echo one\necho two');
  expect(machine.input.value).toBe('echo th');
});

test('a line that goes on is there again once that is known, before what was written meanwhile', async () => {
  const { editor, machine, ran } = await prompt();
  editor.written('for i in 1 2; do');
  const first = editor.submit();
  editor.written('echo $i');
  await first;
  expect(ran).toEqual([]);
  expect(machine.input.value).toBe('for i in 1 2; do\necho $i');
});

test('what is written after a paste, before the shell is there, stays', async () => {
  const { editor, machine, ran } = await prompt();
  const field = { value: 'ec', selectionStart: 2, selectionEnd: 2 } as HTMLTextAreaElement;
  const pasted = editor.paste('ho one\necho tw', field);
  editor.written(`${machine.input.value}o`);
  await pasted;
  expect(ran).toEqual(['echo one']);
  expect(machine.input.value).toBe('echo two');
});

test('what is pasted with prompts, before the shell is there, runs whole', async () => {
  const { editor, machine, ran } = await prompt();
  const field = { value: '', selectionStart: 0, selectionEnd: 0 } as HTMLTextAreaElement;
  await editor.paste('$ for i in 1 2; do\n> echo $i\n> done\n1\n2\n', field);
  expect(ran).toEqual(['for i in 1 2; do\necho $i\ndone']);
  expect(machine.input.value).toBe('');
});
