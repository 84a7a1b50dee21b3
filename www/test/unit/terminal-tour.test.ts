// Everything that the README and the background notes have one paste, on the real broker.
import { readFileSync } from 'node:fs';
import { expect, test, vi } from 'vitest';

import { newShell } from '../../src/terminal/run.js';
import { broker, run } from './terminal-broker.js';

vi.setConfig({ testTimeout: 30_000 });

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');

/** `…` is anything. */
function like(expected: string): RegExp {
  const pieces = expected.trimEnd().split('…').map((piece) => piece.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${pieces.join('[^]*')}$`);
}

test.each(['README.md', 'README.zh.md'])('the tour of %s prints what it says', async (file) => {
  const tour = read(file).split('<!-- tour -->')[1]!.split('<!-- /tour -->')[0]!;
  const blocks = [...tour.matchAll(/^```(sh|text)\n([^]*?)^```$/gm)].map(([, kind, text]) => ({ kind, text: text! }));
  expect(blocks.length).toBeGreaterThan(10);
  const host = await broker();
  const shell = newShell(host);
  let output: string | undefined;
  for (const { kind, text } of blocks) {
    if (kind === 'sh') {
      const { out, err, status } = await run(host, text, { shell });
      expect([err, status]).toEqual(['', 0]);
      output = out;
    } else {
      expect(output!.trimEnd()).toMatch(like(text));
    }
  }
});

const NOTES = read('tests/fixtures/notes.sh');

test('the commands of the notes work as written', async () => {
  const host = await broker();
  const { out, err } = await run(host, NOTES);
  expect(err).toBe('');
  expect(out).toBe('OK'.repeat(100 + 1 + 3 + 500));
  const { topics } = await host.api.stats();
  const told = topics.map(({ topic_name, depth, message_count, channels }) => [topic_name, depth, message_count, channels.map((one) => one.depth)]);
  expect(told.sort()).toEqual([
    ['channel_test', 3, 3, []],
    ['new_topic', 1, 1, []],
    ['public', 0, 600, [600, 500, 500, 500, 500, 500, 500, 500]],
  ]);
});

test('every line of the page of commands that the broker prints is understood', async () => {
  const host = await broker();
  const page = (await run(host, 'curl localhost:4151')).out;
  const lines = page.split('\n').filter((line) => line.startsWith('  '));
  expect(lines.length).toBeGreaterThan(10);
  for (const line of lines) {
    // A poll and a stream would wait: they are hung up.
    const { err, status } = await run(host, line.replace('curl ', 'curl -m 0.2 '));
    expect(err === '' || err.includes('(28)'), `${line}: ${err}`).toBe(true);
    expect([0, 28]).toContain(status);
  }
});

