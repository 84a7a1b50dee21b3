// The console for everybody: with a token and without, in Chinese, by keyboard and screen reader, on a phone, and while
// there is no server.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { openBrowser } from './app.mjs';
import { assertAxeClean } from './axe.mjs';
import { button, expected, lease, startConsole, stats } from './console-app.mjs';

test('nothing is asked while nobody looks', async (t) => {
  const { page } = await openBrowser(t);
  const { url, asked, post } = await startConsole(t);
  await post('/topic/create?topic=a');
  await page.clock.install();
  await page.goto(url);
  await page.getByRole('link', { name: 'a', exact: true }).waitFor();
  const look = (state) =>
    page.evaluate((state) => {
      Object.defineProperty(document, 'visibilityState', { value: state, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }, state);
  await look('hidden');
  await page.clock.runFor(2_000);
  const before = asked.length;
  await page.clock.runFor(20_000);
  assert.equal(asked.length, before);
  await post('/topic/create?topic=b');
  await look('visible');
  await page.getByRole('link', { name: 'b', exact: true }).waitFor();
});

test('a token is asked for where the server wants one; what it may not do is not offered again', async (t) => {
  const tokens = new Map([['Bearer all', true], ['Bearer look', false]]);
  const refuse = ({ method, headers }) => {
    if (!tokens.has(headers.authorization)) return [401, 'UNAUTHORIZED', 'Send a token that this server knows.'];
    return method === 'POST' && !tokens.get(headers.authorization) ? [403, 'FORBIDDEN', 'This token may only look.'] : undefined;
  };
  const { page, wrong } = await openBrowser(t);
  const { url, call, post } = await startConsole(t, { refuse });
  await post('/topic/create?topic=books');
  await page.goto(url);

  const dialog = page.getByRole('dialog', { name: 'Sign in' });
  await dialog.getByLabel('Token').fill('mistaken');
  await assertAxeClean(page, 'signing in');
  await page.keyboard.press('Enter');
  await dialog.getByText('did not take that token').waitFor();
  await page.keyboard.press('Escape');
  await page.getByText('You are not signed in.').waitFor();
  await button(page, 'Sign in').click();
  await dialog.getByLabel('Token').fill('look');
  await page.keyboard.press('Enter');
  await page.getByRole('link', { name: 'books' }).click();

  await button(page, 'Pause').click();
  await page.getByText('This token may only look.').first().waitFor();
  await page.getByText('The server does not let this token pause (books).').waitFor();
  assert.ok(await button(page, 'Pause').isDisabled());
  assert.match(await button(page, 'Pause').getAttribute('title'), /may only look/);
  assert.ok(await button(page, 'Publish …').isEnabled(), 'nobody knows of that yet');
  assert.equal((await stats(call, 'books')).paused, false);

  // It is kept for this tab.
  await page.reload();
  await button(page, 'Pause').click();
  await button(page, 'Use another token').click();
  await dialog.getByLabel('Token').fill('all');
  await page.keyboard.press('Enter');
  await button(page, 'Pause').click();
  await button(page, 'Unpause').waitFor();
  assert.equal((await stats(call, 'books')).paused, true);

  await page.goto(`${url}#/topics`);
  await button(page, 'Sign out').click();
  await dialog.getByText('This server wants a token.').waitFor();
  expected(wrong, /status of 40[13]/);
});

test('a server that ends is told of, and one that is back is shown again', async (t) => {
  const { page, wrong } = await openBrowser(t);
  let isGone = false;
  const { url, post } = await startConsole(t, { refuse: () => (isGone ? 'gone' : undefined) });
  await post('/topic/create?topic=books');
  await page.goto(url);
  await page.getByRole('link', { name: 'books' }).waitFor();
  isGone = true;
  await page.getByRole('alert').getByText('The server does not answer.').waitFor();
  assert.ok(await page.getByRole('link', { name: 'books' }).isVisible(), 'what was known stays');
  isGone = false;
  await page.getByRole('alert').waitFor({ state: 'detached' });
  expected(wrong, /net::ERR_/);
});

test('messages that could not be looked at are looked at again; a page without TLS copies, too; a place that is no place is told of', async (t) => {
  const { page, wrong } = await openBrowser(t);
  await page.addInitScript(() => Object.defineProperty(navigator, 'clipboard', { value: undefined }));
  let isGone = true;
  const { url, post } = await startConsole(t, { refuse: ({ url }) => (isGone && url.startsWith('/peek') ? 'gone' : undefined) });
  await post('/topic/create?topic=books');
  await post('/channel/create?topic=books&channel=reader');
  await post('/pub?topic=books', 'Emma, by Jane Austen');
  await page.goto(`${url}#/topics/books/channels/reader`);
  await page.getByRole('alert').getByText('The server does not answer.').waitFor();
  isGone = false;
  await page.getByText('Emma, by Jane Austen').waitFor();
  await page.getByRole('alert').waitFor({ state: 'detached' });

  await page.locator('button[aria-expanded]').click();
  await page.evaluate(() => window.addEventListener('copy', (event) => (globalThis.copied = event.clipboardData.getData('text/plain'))));
  await button(page, 'Copy').click();
  await page.getByText('Copied.').waitFor();
  assert.equal(await page.evaluate(() => globalThis.copied), 'Emma, by Jane Austen');

  await page.goto(`${url}#/topics/100%`);
  await page.getByText('There is no topic 100%.').waitFor();
  expected(wrong, /net::ERR_/);
});

test('the console speaks Chinese, and says what went wrong in it', async (t) => {
  const { page, wrong } = await openBrowser(t, { locale: 'zh-CN' });
  const { url, post } = await startConsole(t);
  await post('/topic/create?topic=books');
  await post('/channel/create?topic=books&channel=reader');
  await post('/pub?topic=books', '你好');
  await page.goto(url);
  await page.getByRole('heading', { name: '主题' }).waitFor();
  await button(page, '创建主题 …').click();
  await page.getByLabel('名称').fill('not/a/name');
  await page.evaluate(() => document.querySelector('form').setAttribute('novalidate', ''));
  await page.keyboard.press('Enter');
  await page.getByText('主题名由 1 到 64 个字符组成').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('link', { name: 'books' }).click();
  await page.getByRole('heading', { name: '消费者' }).waitFor();
  await page.getByRole('link', { name: 'reader' }).click();
  await page.getByText('你好').waitFor();
  await button(page, '暂停').click();
  await page.getByText('reader 已暂停。').waitFor();
  await assertAxeClean(page, 'a channel in Chinese');
  expected(wrong, /status of 400/);
});

for (const colorScheme of ['light', 'dark']) {
  test(`every page is usable with assistive technology, and at the width of a phone (${colorScheme})`, async (t) => {
    const { page } = await openBrowser(t, { colorScheme });
    const { url, call, post } = await startConsole(t);
    await post('/topic/create?topic=books');
    await post('/channel/create?topic=books&channel=reader&max_attempts=1');
    await post('/mpub?topic=books', '{"a":1}\n{"b":2}');
    const [message] = await lease(call, 'books', 'reader');
    await post(`/req?topic=books&channel=reader&receipt=${message.receipt}&defer=0`);
    await lease(call, 'books', 'reader');
    await post('/topic/create?topic=paused');
    await post('/topic/pause?topic=paused');
    const views = {
      '': async () => page.getByRole('row', { name: /paused/ }).waitFor(),
      '#/topics/books': async () => page.locator('canvas').waitFor(),
      '#/topics/books/channels/reader': async () => {
        await page.getByRole('button', { name: /^Dead letters/ }).click();
        await page.locator('button[aria-expanded]').click();
        await page.locator('canvas').waitFor();
      },
      '#/topics/nothing': async () => page.getByText('There is no topic nothing.').waitFor(),
    };
    for (const [place, ready] of Object.entries(views)) {
      await page.goto(url + place);
      await ready();
      for (const width of [1280, 360]) {
        await page.setViewportSize({ width, height: 760 });
        await assertAxeClean(page, `${place} ${width}`);
        const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(beyond <= 0, `${place} is ${beyond} px too wide at ${width}`);
      }
    }
    await page.goto(`${url}#/topics/books`);
    for (const name of ['Publish …', 'Edit …', 'Create channel …', 'Empty …', 'Delete …', 'Export …']) {
      await button(page, name).click();
      await page.getByRole('dialog').waitFor();
      if (name === 'Publish …') {
        await page.getByText('Options and headers').click();
        await page.locator('.cm-content').fill('{"a": [true, 1, "x"]}');
      }
      await assertAxeClean(page, name);
      if (name === 'Edit …') await button(page, 'Cancel').click();
      else await page.keyboard.press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
      // The focus is back where it was.
      await page.waitForFunction((name) => document.activeElement.textContent === name, name);
    }
  });
}
