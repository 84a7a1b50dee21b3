// Messages as a file of lines of JSON, as the broker tells them: the numbers in it are too large for JavaScript, so they
// are taken as they were written.
import { nextId } from './body.js';

/** About how many characters an answer should have. */
const ANSWER = 2 * 1024 * 1024;
const MOST = 100;

const PART = /"(?:[^"\\]|\\.)*"|[{}]/g;

/** The objects in the list that an object has, as they are written. */
export function listed(text: string): string[] {
  const found: string[] = [];
  let [depth, begun] = [0, 0];
  for (const { 0: part, index } of text.matchAll(PART)) {
    if (part === '{') {
      depth += 1;
      if (depth === 2) begun = index;
    } else if (part === '}') {
      if (depth === 2) found.push(text.slice(begun, index + 1));
      depth -= 1;
    }
  }
  return found;
}

/** Whether messages are told of that only the storage has. */
export function hasAbsent(text: string): boolean {
  return /[{,]"absent":true/.test(text);
}

/**
 * Looks at all messages, a few at a time, and makes a file of them, oldest first. Those that come or go meanwhile may be in
 * it or not.
 */
export async function exported(
  peek: (max: number, from?: string) => Promise<string>,
  { signal, onCount }: { signal: AbortSignal; onCount(count: number): void },
): Promise<Blob> {
  const pages: Blob[] = [];
  let [count, max] = [0, MOST];
  for (let from: string | undefined; ; ) {
    const text = await peek(max, from);
    signal.throwIfAborted();
    const messages = listed(text);
    const last = messages.at(-1);
    if (last === undefined) return new Blob(pages, { type: 'application/x-ndjson' });
    pages.push(new Blob([`${messages.join('\n')}\n`]));
    onCount((count += messages.length));
    from = nextId((JSON.parse(last) as { id: string }).id);
    max = Math.max(1, Math.min(MOST, Math.floor((ANSWER * messages.length) / text.length)));
  }
}
