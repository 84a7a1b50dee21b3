// What somebody pastes: it may have prompts before the commands, as a page shows them, and what they printed after them.

const PROMPT = /^\s*(?:➜\s+\S+\s+|[$%❯]\s+|[\w.-]+@[\w.-]+[:\s]\S*[$%#]\s+)(?=\S)/u;
/** The prompt of a line that goes on with the one before. */
const MORE = /^\s*>(?:\s|$)/;

const plain = (text: string) =>
  text.replace(/\r\n?/g, '\n').replace(/[\u00a0\u2028\u200b]/g, (c) => (c === '\u2028' ? '\n' : c === '\u200b' ? '' : ' '));

/** Whether the first line has a prompt; comments may stand before it. */
export function prompted(text: string): boolean {
  return PROMPT.test(plain(text).split('\n').find((line) => !/^\s*(#|$)/.test(line)) ?? '');
}

/** Commands alone: where the first line has a prompt, lines without one are what was printed, unless a command goes on in them. */
export function cleaned(text: string, incomplete: (text: string) => boolean): string {
  if (!prompted(text)) return plain(text);
  const commands: string[] = [];
  let goesOn = false;
  let taken = false;
  for (const line of plain(text).split('\n')) {
    taken = goesOn || PROMPT.test(line);
    if (!taken) continue;
    commands.push(goesOn ? `${commands.pop()}\n${line.replace(MORE, '')}` : line.replace(PROMPT, ''));
    goesOn = incomplete(commands.at(-1)!);
  }
  return commands.join('\n') + (taken ? '' : '\n');
}

/** What of a text runs at once, as a terminal does it: all up to the last line's end, if nothing is open there. */
export function split(text: string, incomplete: (text: string) => boolean): { run: string; left: string } {
  const end = text.lastIndexOf('\n');
  if (end < 0 || incomplete(text.slice(0, end))) return { run: '', left: text };
  return { run: text.slice(0, end), left: text.slice(end + 1) };
}
