// The keys that change a line in every shell.

interface Edited {
  text: string;
  caret: number;
}

/** What Ctrl and a letter do to the line that the caret is in; undefined: nothing. */
export function edited(letter: string, text: string, caret: number): Edited | undefined {
  const start = text.lastIndexOf('\n', caret - 1) + 1;
  const next = text.indexOf('\n', caret);
  const end = next < 0 ? text.length : next;
  switch (letter) {
    case 'a':
      return { text, caret: start };
    case 'e':
      return { text, caret: end };
    case 'u':
      return { text: text.slice(0, start) + text.slice(caret), caret: start };
    case 'k':
      return { text: text.slice(0, caret) + text.slice(end), caret };
  }
  return undefined;
}
