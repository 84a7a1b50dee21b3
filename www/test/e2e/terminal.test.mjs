// The terminal: real curl, pasted and written, on the broker in the page and on a server.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { openBrowser, serveApp } from './app.mjs';
import { assertAxeClean } from './axe.mjs';
import { startConsole } from './console-app.mjs';

const NOTES = readFileSync(new URL('../../../tests/fixtures/notes.sh', import.meta.url), 'utf8');

async function open(t, how = {}) {
  const app = await serveApp();
  t.after(() => app.close());
  const { page, context } = await openBrowser(t, { serviceWorkers: 'block', ...how });
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await page.goto(app.url);
  const parts = within(page);
  if (how.width < 900) await page.getByRole('tab', { name: /^(Terminal|终端)$/ }).click();
  await parts.prompt.waitFor();
  return { page, url: app.url, ...parts };
}

function within(page) {
  const prompt = page.getByRole('textbox', { name: /^(Command|命令)$/ });
  const log = page.getByRole('log', { name: /^(Output|输出)$/ });
  return {
    prompt,
    log,
    /** Waits until the output has this. */
    shows: (text) => log.filter({ hasText: text }).waitFor(),
    run: async (command) => {
      await prompt.fill(command);
      await prompt.press('Enter');
    },
    paste: async (text) => {
      await page.evaluate((text) => navigator.clipboard.writeText(text), text);
      await prompt.focus();
      await page.keyboard.press('Control+v');
    },
    idle: () => page.getByRole('button', { name: /^(Run|运行)$/ }).waitFor(),
  };
}

/** What commands printed, without the commands. */
const printed = (log) => log.evaluate((element) => [...element.querySelectorAll('span')].map((span) => span.textContent).join(''));

test('the commands of the notes are pasted, and run as written', async (t) => {
  const { page, log, paste, idle, prompt } = await open(t);
  await paste(NOTES);
  await idle();
  await page.waitForFunction((wanted) => [...document.querySelectorAll('[role=log] span')].map((span) => span.textContent).join('') === wanted, 'OK'.repeat(604));
  assert.equal(await prompt.inputValue(), '');
  assert.equal(await log.locator('div').count(), NOTES.trim().split('\n').length - 1);
  const topics = await page.evaluate(async () => (await shelfmq.api.stats()).topics.map(({ topic_name, message_count }) => `${topic_name} ${message_count}`));
  assert.deepEqual(topics.sort(), ['channel_test 3', 'new_topic 1', 'public 600']);
  await assertAxeClean(page);
});

test('a command goes on over lines, comes back from the history, and is completed', async (t) => {
  const { page, prompt, shows, run } = await open(t);
  await run('for i in 1 2');
  // Once the shell is there that knows it.
  await page.waitForFunction(() => document.querySelector('textarea').value === 'for i in 1 2\n');
  await prompt.pressSequentially('do curl -d "book $i" "localhost:4151/pub?topic=books"; done');
  await prompt.press('Enter');
  await shows('OKOK');
  await run('curl -sX POST "localhost:4151/channel/create?topic=books&channel=reader"');
  await page.getByRole('button', { name: 'Run', exact: true }).waitFor();

  await prompt.pressSequentially('curl localhost:4151/su');
  await prompt.press('Tab');
  await page.waitForFunction(() => document.querySelector('textarea').value === "curl 'localhost:4151/sub?");
  await prompt.press('Tab');
  const list = page.getByRole('listbox');
  await list.waitFor();
  await assertAxeClean(page);
  await prompt.press('Tab');
  assert.equal(await list.getByRole('option', { selected: true }).textContent(), 'topic=');
  await prompt.press('Enter');
  for (const [written, completed] of [['', 'topic=books'], ['&ch', '&channel='], ['', 'reader'], ['&ack=a', 'uto']]) {
    await prompt.pressSequentially(written);
    await prompt.press('Tab');
    await page.waitForFunction((end) => document.querySelector('textarea').value.endsWith(end), completed);
  }
  await prompt.pressSequentially("'");
  await prompt.press('Enter');
  await shows('book 1');

  await page.reload();
  await prompt.focus();
  for (const entry of ["curl 'localhost:4151/sub?topic=books&channel=reader&ack=auto'", 'curl -sX POST "localhost:4151/channel/create?topic=books&channel=reader"']) {
    await prompt.press('ArrowUp');
    assert.equal(await prompt.inputValue(), entry);
  }
  await prompt.press('ArrowDown');
  await prompt.press('Enter');
  // Which of them it is: what was just finished may come again after a reload that was as sudden as a crash.
  await shows(/book [12]/);
  // Escape, and Tab leaves.
  await prompt.fill('curl');
  await prompt.press('Escape');
  await prompt.press('Tab');
  assert.equal(await prompt.evaluate((element) => element === document.activeElement), false);
});

test('a stream is followed until Ctrl-C, and Ctrl-L clears', async (t) => {
  const { page, log, prompt, shows, run, idle } = await open(t);
  await run("curl -sN 'localhost:4151/sub?topic=t&channel=c&ack=auto&format=ndjson&stream=true'");
  await page.waitForFunction(async () => (await shelfmq.api.stats()).topics?.[0]?.channels[0]?.waiting_count === 1);
  await page.evaluate(() => shelfmq.api.publish('t', 'streamed'));
  await shows('"body":"streamed"');
  await prompt.press('Control+c');
  await idle();
  await shows('^C');
  await page.waitForFunction(async () => (await shelfmq.api.stats()).topics[0].channels[0].waiting_count === 0);
  await run('echo $?; nosuch');
  await shows('130');
  await shows('nosuch: command not found');
  await prompt.press('Control+l');
  assert.equal(await log.locator('span').count(), 0);
  await prompt.fill('given up');
  await prompt.press('Control+c');
  await shows('given up^C');
  assert.equal(await prompt.inputValue(), '');
});

test('what takes long leaves the page alive, and Ctrl-C ends it', async (t) => {
  const { page, prompt, shows, run, idle } = await open(t);
  await run('seq 30000000 | curl -s --data-binary @- localhost:4151/mpub?topic=t');
  await page.getByRole('button', { name: 'Stop' }).waitFor();
  await prompt.press('Control+c');
  await idle();
  await run('echo "status $?"');
  await shows('status 130');
});

test('what a page shows with prompts is pasted, with headers in Chinese', async (t) => {
  const { page, log, paste, idle } = await open(t);
  await paste(`# One for each:
$ for i in 1 2; do
>   curl -d "$i" -H 'Shelf-Meta-From: 张三' 'localhost:4151/pub?topic=t'
> done
OKOK
$ curl -si 'localhost:4151/sub?topic=t&channel=c' | sed -n 's/^shelf-meta-//p'
from: 张三
`);
  await page.waitForFunction(() => document.querySelector('[role=log]').textContent.endsWith('张三\n'));
  await idle();
  assert.match(await printed(log), /^OKOKfrom: 张三\r?\n$/);
});

test('the commands to try do what they say, one after another', async (t) => {
  const { page, log, shows, idle } = await open(t);
  const chips = page.getByRole('group', { name: 'To try' }).getByRole('button');
  const click = async (name) => {
    await chips.filter({ hasText: new RegExp(`^${name}$`) }).click();
    await idle();
  };
  await click('Publish');
  await click('A hundred');
  await shows('OK'.repeat(100));
  await click('Receive');
  await shows('shelf-receipt');
  await click('Ten at once');
  await shows('Book 1\nBook 2');
  await click('Receive and finish');
  await shows('{"finished":1}');
  await click('Later');
  await click('How it stands');
  await shows('[me');
  await chips.filter({ hasText: 'Follow' }).click();
  await shows('"body":"Book 100"');
  await page.getByRole('button', { name: 'Stop' }).click();
  await idle();
  assert.match(await printed(log), /\^C\n$/);
});

test('on a phone, in Chinese, in the dark', async (t) => {
  const { page, prompt, shows, log } = await open(t, { width: 360, height: 640, locale: 'zh-CN', colorScheme: 'dark' });
  await prompt.fill('for i in {1..3};do curl -d x localhost:4151/pub?topic=t ;done; nosuch');
  await page.getByRole('button', { name: '运行' }).click();
  await shows('OKOKOK');
  await shows('找不到这个命令');
  await prompt.fill('curl localhost:4151/topic/');
  await prompt.press('Tab');
  await page.getByRole('listbox', { name: '这里可以填的内容' }).waitFor();
  await assertAxeClean(page);
  const wide = await log.evaluate((element) => [document.documentElement.scrollWidth, innerWidth, element.scrollWidth, element.clientWidth]);
  assert.ok(wide[0] <= wide[1] && wide[2] <= wide[3], `nothing is wider than the screen: ${wide}`);
});

test('time that stands still is told to who waits for it', async (t) => {
  const { page, shows, run, idle } = await open(t);
  await page.evaluate(() => shelfmq.play.setSpeed(0));
  await run('sleep 30 && echo slept');
  await page.getByRole('status').filter({ hasText: 'Time stands still' }).waitFor();
  // The shell may not have come to the sleep yet: time goes on until that is over.
  let over = false;
  const slept = idle().finally(() => (over = true));
  while (!over) await page.evaluate(() => shelfmq.play.advance(31_000));
  await slept;
  await shows('slept');
});

test('on a server', async (t) => {
  const { url, call } = await startConsole(t);
  const { page } = await openBrowser(t, { serviceWorkers: 'block' });
  await page.goto(`${url}#/terminal`);
  const { run, shows, log } = within(page);
  await run(`for i in {1..20};do curl -d "book $i" ${url}pub?topic=books ;done; curl -i 'localhost:4151/sub?topic=books&channel=c&ack=auto'`);
  await shows('book 1');
  assert.match(await printed(log), /^(OK){20}HTTP\/1.1 200 OK\ncontent-type: .*\n(.*\n)*shelf-id: 0000000000000001\n/);
  const { topics } = await (await call('/stats?format=json')).json();
  assert.equal(topics[0].message_count, 20);
  await assertAxeClean(page);
});
