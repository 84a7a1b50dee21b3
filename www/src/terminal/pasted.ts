// What somebody pastes: it may have prompts before the commands, as a page shows them, and what they printed after them.

const PROMPT = /^\s*(?:➜\s+\S+\s+|[$%❯]\s+|[\w.-]+@[\w.-]+[:\s]\S*[$%#]\s+)(?=\S)/u;
/** A line that goes on: an odd number of backslashes is at its end. */
const GOES_ON = /(?:^|[^\\])(?:\\\\)*\\$/;

/** Commands alone: where the first line has a prompt, lines without one are what was printed. */
export function cleaned(text: string): string {
  const plain = text.replace(/\r\n?/g, '\n').replace(/[\u00a0\u2028\u200b]/g, (c) => (c === '\u2028' ? '\n' : c === '\u200b' ? '' : ' '));
  const lines = plain.split('\n');
  if (!PROMPT.test(lines.find((line) => line.trim() !== '') ?? '')) return plain;
  let goesOn = false;
  const commands = lines.flatMap((line) => {
    const taken = goesOn || PROMPT.test(line);
    const command = goesOn ? line.replace(/^\s*>\s/, '') : line.replace(PROMPT, '');
    goesOn = taken && GOES_ON.test(line);
    return taken ? [command] : [];
  });
  return commands.join('\n') + (plain.endsWith('\n') || lines.length > commands.length ? '\n' : '');
}

/** What of a text runs at once, as a terminal does it: all up to the last line's end, if nothing is open there. */
export function split(text: string, incomplete: (text: string) => boolean): { run: string; left: string } {
  const end = text.lastIndexOf('\n');
  if (end < 0 || incomplete(text.slice(0, end))) return { run: '', left: text };
  return { run: text.slice(0, end), left: text.slice(end + 1) };
}
