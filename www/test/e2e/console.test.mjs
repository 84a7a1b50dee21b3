// The console in a real Chromium before a real server.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { openBrowser } from './app.mjs';
import { assertAxeClean } from './axe.mjs';
import { startConsole } from './console-app.mjs';

const button = (page, name) => page.getByRole('button', { name, exact: true });
const tile = (page, name) => page.locator('dl > div').filter({ has: page.locator('dt', { hasText: new RegExp(`^${name}$`) }) }).locator('dd');

/** Waits until a number of the page is that. */
async function tileIs(page, name, value) {
  await tile(page, name).filter({ hasText: new RegExp(`^${value}(?![\\d,])`) }).waitFor();
}

/** The browser itself tells of answers that are errors: those that a test is about, it takes back. */
function expected(wrong, status) {
  assert.ok(wrong.length > 0 && wrong.every((line) => line.includes('Failed to load resource') && status.test(line)), wrong.join('\n'));
  wrong.length = 0;
}

async function stats(call, topic) {
  return (await (await call(`/stats?format=json&topic=${topic}`)).json()).topics[0];
}

async function lease(call, topic, channel, max = 1) {
  const answer = await call(`/sub?topic=${topic}&channel=${channel}&client=bob&format=json&wait=0&max=${max}`);
  return answer.status === 204 ? [] : (await answer.json()).messages;
}

test('a topic is created and published to, its messages are consumed elsewhere and looked at, and it is deleted', async (t) => {
  const { page } = await openBrowser(t);
  const { url, call, post } = await startConsole(t);
  await page.goto(url);

  await page.getByText('No topics yet').waitFor();
  await button(page, 'Create topic …').click();
  await page.getByLabel('Name').fill('books');
  await page.getByLabel('Keep finished messages for').fill('1h');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'books' }).waitFor();

  await button(page, 'Create channel …').click();
  await page.getByLabel('Name').fill('reader');
  await page.keyboard.press('Enter');
  await page.getByRole('link', { name: 'reader' }).waitFor();

  await button(page, 'Publish …').click();
  await page.locator('.cm-content').fill('{"title":"Middlemarch","pages":880}');
  await page.getByText('JSON', { exact: false }).waitFor();
  await page.getByText('Options and headers').click();
  await page.getByLabel('Key', { exact: true }).fill('eliot');
  await page.getByLabel('Name of the header').fill('Shelf-Meta-Shelf');
  await page.getByLabel('Value of the header').fill('E');
  await button(page, 'Publish').click();
  await page.getByText('Published as 0000000000000001.').waitFor();
  await tileIs(page, 'Published', 1);

  // What the topic keeps, looked at from its own page.
  await button(page, 'Look at them').click();
  await page.getByText('{"title":"Middlemarch"').waitFor();

  await page.getByRole('link', { name: 'reader' }).click();
  await tileIs(page, 'Depth', 1);
  const row = page.locator('button[aria-expanded]');
  await row.click();
  await page.getByRole('region', { name: 'Body' }).getByText('"pages": 880').waitFor();
  await page.getByText('shelf-meta-shelf').waitFor();
  await page.locator('dd', { hasText: 'eliot' }).waitFor();
  await button(page, 'Hex').click();
  await page.getByText('00000000  7b 22').waitFor();
  await row.click();

  const [message] = await lease(call, 'books', 'reader');
  assert.equal(message.body, '{"title":"Middlemarch","pages":880}');
  assert.equal(message.key, 'eliot');
  assert.deepEqual(message.headers, { 'shelf-meta-shelf': 'E' }, 'no header that nobody gave');
  await tileIs(page, 'In flight', 1);
  await page.getByRole('rowheader', { name: 'bob' }).waitFor();
  await page.getByRole('button', { name: /^In flight/ }).click();
  await page.getByRole('table', { name: 'In flight' }).getByText(/^in \d/).waitFor();
  await post(`/fin?topic=books&channel=reader&receipt=${message.receipt}`);
  await tileIs(page, 'Finished', 1);
  await page.getByText('No messages here.').waitFor();

  // Back to the beginning: the topic keeps what has been finished.
  await button(page, 'Seek …').click();
  await button(page, 'Seek').click();
  await tileIs(page, 'Depth', 1);

  await button(page, 'Delete …').click();
  const dialog = page.getByRole('dialog', { name: 'Delete reader?' });
  assert.ok(await dialog.getByRole('button', { name: 'Delete reader' }).isDisabled());
  await dialog.getByLabel('Type reader to confirm').fill('reade');
  assert.ok(await dialog.getByRole('button', { name: 'Delete reader' }).isDisabled());
  await dialog.getByLabel('Type reader to confirm').fill('reader');
  await dialog.getByRole('button', { name: 'Delete reader' }).click();
  await page.getByText('No channels yet').waitFor();
  assert.deepEqual((await stats(call, 'books')).channels, []);

  await button(page, 'Delete …').click();
  await page.getByLabel('Type books to confirm').fill('books');
  await button(page, 'Delete books').click();
  await page.getByText('No topics yet').waitFor();
});

test('messages that fail become dead letters, are put back one by one or all at once, and are dropped', async (t) => {
  const { page, wrong } = await openBrowser(t);
  const { url, call, post } = await startConsole(t);
  await post('/topic/create?topic=jobs');
  await post('/channel/create?topic=jobs&channel=worker');
  await page.goto(`${url}#/topics/jobs/channels/worker`);

  await button(page, 'Edit …').click();
  await page.getByLabel('Attempts until dead').fill('1');
  await page.getByLabel('Lease').fill('soon');
  await button(page, 'Save').click();
  await page.getByRole('alert').getByText('timeout is a duration').waitFor();
  expected(wrong, /status of 400/);
  await page.getByLabel('Lease').fill('90s');
  await button(page, 'Save').click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  const { options } = (await stats(call, 'jobs')).channels[0];
  assert.equal(options.max_attempts, 1);
  assert.equal(options.timeout_ms, 90_000);

  await post('/mpub?topic=jobs', 'one\ntwo\nthree');
  const fail = async () => {
    for (const { receipt } of await lease(call, 'jobs', 'worker', 10)) await post(`/req?topic=jobs&channel=worker&receipt=${receipt}&defer=0`);
  };
  await fail();
  await tileIs(page, 'Dead letters', 3);
  await page.getByRole('button', { name: /^Dead letters/ }).click();
  await button(page, 'Redrive 2').click();
  await page.getByText('2 is put back.').waitFor();
  await tileIs(page, 'Dead letters', 2);
  await button(page, 'Redrive 2').waitFor({ state: 'detached' });
  const [two] = await lease(call, 'jobs', 'worker', 10);
  assert.equal(two.body, 'two');
  await post(`/fin?topic=jobs&channel=worker&receipt=${two.receipt}`);

  await button(page, 'Redrive all').click();
  await page.getByText('2 put back.').waitFor();
  await tileIs(page, 'Dead letters', 0);
  await tileIs(page, 'Depth', 2);
  await fail();
  await tileIs(page, 'Dead letters', 2);
  await button(page, 'Drop all …').click();
  await page.getByText('2 dead letters of worker are dropped').waitFor();
  await button(page, 'Drop all').click();
  await tileIs(page, 'Dead letters', 0);
  assert.equal((await stats(call, 'jobs')).channels[0].dead_count, 0);
});

test('a channel and a topic are paused, go on, and are emptied; bytes and what is deferred are shown', async (t) => {
  const { page } = await openBrowser(t);
  const { url, call, post } = await startConsole(t);
  await post('/topic/create?topic=bin');
  await post('/channel/create?topic=bin&channel=c');
  await post('/pub?topic=bin', new Uint8Array([255, 254, 0, 65]));
  await post('/pub?topic=bin&defer=10m', 'later');
  await page.goto(`${url}#/topics/bin/channels/c`);

  await page.getByText('ff fe 00 41').first().waitFor();
  await page.locator('button[aria-expanded]').click();
  await page.getByText('00000000  ff fe 00 41').waitFor();
  assert.equal(await button(page, 'Text').count(), 0, 'bytes are no text');
  await page.getByRole('button', { name: /^Deferred/ }).click();
  await page.getByRole('table', { name: 'Deferred' }).getByText(/^in 9 m|^in 10 m/).waitFor();

  await button(page, 'Pause').click();
  await button(page, 'Unpause').waitFor();
  assert.equal((await stats(call, 'bin')).channels[0].paused, true);
  assert.deepEqual(await lease(call, 'bin', 'c'), []);
  await button(page, 'Unpause').click();
  await button(page, 'Pause').waitFor();
  assert.equal((await stats(call, 'bin')).channels[0].paused, false);

  await button(page, 'Empty …').click();
  await page.getByRole('dialog', { name: 'Empty c?' }).waitFor();
  await button(page, 'Empty c').click();
  await tileIs(page, 'Depth', 0);
  await tileIs(page, 'Deferred', 0);

  await page.goto(`${url}#/topics/bin`);
  await button(page, 'Pause').click();
  await button(page, 'Unpause').waitFor();
  assert.equal((await stats(call, 'bin')).paused, true);
  await page.getByRole('navigation', { name: 'Path' }).getByRole('link').click();
  await page.getByRole('row', { name: /bin/ }).getByText('Paused').waitFor();
});

test('ten thousand topics scroll, are searched and sorted, by one small question a second', async (t) => {
  const { page } = await openBrowser(t);
  const { url, asked, call, post } = await startConsole(t, { args: ['--store', 'memory'] });
  const names = Array.from({ length: 10_000 }, (_, i) => `topic-${String(i).padStart(5, '0')}`);
  const next = names.values();
  await Promise.all(
    Array.from({ length: 32 }, async () => {
      for (const name of next) await post(`/topic/create?topic=${name}`);
    }),
  );
  await post('/mpub?topic=topic-04321', 'a\nb\nc');
  await call('/stats?format=json&max=1');
  await page.goto(url);

  await tileIs(page, 'Topics', '10,000');
  const table = page.getByRole('table', { name: 'Topics' });
  assert.equal(await table.getAttribute('aria-rowcount'), '10001');
  await page.getByRole('link', { name: 'topic-00000' }).waitFor();
  assert.ok((await table.locator('tr').count()) < 100, 'only rows in sight are drawn');

  await table.evaluate((element) => element.parentElement.scrollTo(0, 5_000 * 44));
  const middle = page.getByRole('link', { name: 'topic-05003' });
  await middle.waitFor();
  assert.equal(await middle.locator('xpath=ancestor::tr').getAttribute('aria-rowindex'), '5005');
  await middle.focus();
  await page.keyboard.press('ArrowDown');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'topic-05004');
  await page.keyboard.press('End');
  await page.waitForFunction(() => document.activeElement.textContent === 'topic-09999');

  await page.getByRole('button', { name: /^Depth/ }).click();
  await table.evaluate((element) => element.parentElement.scrollTo(0, 0));
  await page.locator('[data-row="0"]').getByText('topic-04321').waitFor();
  await page.locator('th[aria-sort="descending"]', { hasText: 'Depth' }).waitFor();

  await page.locator('h1').click();
  await page.keyboard.press('/');
  await page.keyboard.type('C-0777');
  await tileIs(page, 'Topics', 10);
  assert.equal(await table.getAttribute('aria-rowcount'), '11');
  await page.getByRole('searchbox').fill('-07778');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'topic-07778' }).waitFor();

  const polls = asked.filter((line) => line.startsWith('GET /stats'));
  assert.ok(polls.every((line) => /[?&](max=\d\d?|max=100|topic=topic-07778)(&|$)/.test(line)), polls.join('\n'));
});

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
  await page.getByText('The server does not let this token pause.').waitFor();
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

test('messages are looked at page by page, and a list of them follows what happens', async (t) => {
  const { page } = await openBrowser(t);
  const { url, call, post } = await startConsole(t);
  await post('/topic/create?topic=pages');
  await post('/channel/create?topic=pages&channel=c');
  await post('/mpub?topic=pages', Array.from({ length: 120 }, (_, i) => `body ${i + 1}.`).join('\n'));
  await page.goto(`${url}#/topics/pages/channels/c`);
  await page.getByText('body 50.').waitFor();
  assert.equal(await page.getByText('body 51.').count(), 0);
  await button(page, 'Next page').click();
  await page.getByText('body 100.').waitFor();
  await button(page, 'Next page').click();
  await page.getByText('body 120.').waitFor();
  assert.ok(await button(page, 'Next page').isDisabled());
  await button(page, 'First page').click();
  await page.getByText('body 1.').waitFor();

  const taken = await lease(call, 'pages', 'c', 10);
  await page.getByText('body 60.').waitFor();
  assert.equal(await page.getByText('body 1.').count(), 0, 'it is in flight now');
  // What is open stays, whatever happens to it.
  await page.getByRole('button', { name: /^In flight/ }).click();
  await page.locator('button[aria-expanded]').nth(2).click();
  await post(`/settle?topic=pages&channel=c`, JSON.stringify({ fin: taken.map(({ receipt }) => receipt) }));
  await tileIs(page, 'Finished', 10);
  await page.getByText('The list stands still').waitFor();
  await page.locator('button[aria-expanded="true"]').click();
  await page.getByText('No messages here.').waitFor();
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
      await page.keyboard.press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
    }
  });
}
