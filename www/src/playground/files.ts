// What a file is, by what it begins with.
export type FileKind = 'recording' | 'log' | 'state' | 'unknown';

const STARTS: [string, FileKind][] = [
  ['shelfrec', 'recording'],
  ['shelfmq\x1a', 'log'],
  ['shelfpg\x01', 'state'],
];

export function kindOf(bytes: Uint8Array): FileKind {
  const start = String.fromCharCode(...bytes.subarray(0, 8));
  return STARTS.find(([magic]) => magic === start)?.[1] ?? 'unknown';
}

/** Recordings that rotate are two files: the one with `.1` behind its name comes first. */
export function inOrder<T extends { name: string }>(files: readonly T[]): T[] {
  const older = (name: string) => Number(/\.(\d+)$/.exec(name)?.[1] ?? 0);
  return [...files].sort((a, b) => older(b.name) - older(a.name));
}
