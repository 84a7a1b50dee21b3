// The console in a real Chromium before a real server: what is done there happens in the server.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { openBrowser } from './app.mjs';
import { assertAxeClean } from './axe.mjs';
import { button, expected, lease, startConsole, stats, tileIs } from './console-app.mjs';

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
  await page.getByLabel('Value of the header').fill('书架');
  await page.getByLabel('Deduplicate by').fill('once');
  await button(page, 'Publish').click();
  await page.getByText('Published as 0000000000000001.').waitFor();
  await button(page, 'Publish …').click();
  await page.locator('.cm-content').fill('again');
  await page.getByText('Options and headers').click();
  await page.getByLabel('Deduplicate by').fill('once');
  await button(page, 'Publish').click();
  await page.getByText('Not published again: once was published before.').waitFor();
  await tileIs(page, 'Published', 1);

  // What the topic keeps, looked at from its own page.
  await button(page, 'Look at them').click();
  await page.getByText('{"title":"Middlemarch"').waitFor();

  await page.getByRole('link', { name: 'reader' }).click();
  await tileIs(page, 'Depth', 1);
  const row = page.locator('table button[aria-expanded]');
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
  assert.deepEqual(message.headers, { 'shelf-meta-shelf': '书架' }, 'no header that nobody gave');
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
  await page.locator('table button[aria-expanded]').click();
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

  await button(page, 'Seek …').click();
  const seek = page.getByRole('dialog', { name: 'Seek c' });
  await seek.getByText('(0 in flight, 1 deferred)').waitFor();
  await seek.getByLabel('the next message').check();
  await seek.locator('button.danger').waitFor();
  await button(seek, 'Cancel').click();

  // An option that was set can be the broker's again.
  const option = async (value, shown) => {
    await button(page, 'Edit …').click();
    await page.getByLabel('Lease', { exact: true }).fill(value);
    await button(page, 'Save').click();
    await page.locator('dl > div', { hasText: /^Lease/ }).getByText(shown).waitFor();
  };
  await option('5s', '5.0 s');
  await option('0', 'the broker’s');

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

  // Who comes back finds the list as it was left.
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'topic-09999' }).waitFor();
  await page.goBack();
  await page.getByRole('link', { name: 'topic-09999' }).waitFor();

  await page.getByRole('button', { name: /^Depth/ }).click();
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

  const polled = () => asked.filter((line) => line.startsWith('GET /stats'));
  const before = polled().length;
  await page.waitForTimeout(3_000);
  const inThree = polled().length - before;
  assert.ok(inThree >= 1 && inThree <= 4, `${inThree} questions in 3 s`);
  const polls = polled();
  assert.ok(polls.every((line) => /[?&](max=\d\d?|max=100|topic=topic-\d+)(&|$)/.test(line)), polls.join('\n'));
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
  await page.locator('table button[aria-expanded]').nth(2).click();
  await post(`/settle?topic=pages&channel=c`, JSON.stringify({ fin: taken.map(({ receipt }) => receipt) }));
  await tileIs(page, 'Finished', 10);
  await page.getByText('The list stands still').waitFor();
  await page.locator('button[aria-expanded="true"]').click();
  await page.getByText('No messages here.').waitFor();
});

test('a page ends where an answer has no room for large messages, and the next one goes on there', async (t) => {
  const { page } = await openBrowser(t);
  const { url, post } = await startConsole(t);
  await post('/topic/create?topic=large');
  await post('/channel/create?topic=large&channel=c');
  for (let n = 1; n <= 12; n += 1) await post('/pub?topic=large', `body ${n}. ${'x'.repeat(1_000_000)}`);
  await page.goto(`${url}#/topics/large/channels/c`);
  await page.getByText('body 8.').waitFor();
  assert.equal(await page.getByText('body 9.').count(), 0);
  await button(page, 'Next page').click();
  await page.getByText('body 9.').waitFor();
  await page.getByText('body 12.').waitFor();
  assert.ok(await button(page, 'Next page').isDisabled());
});

test('many channels are searched', async (t) => {
  const { page } = await openBrowser(t);
  const { url, post } = await startConsole(t);
  await post('/topic/create?topic=wide');
  for (let n = 1; n <= 25; n += 1) await post(`/channel/create?topic=wide&channel=Reader-${n}`);
  await page.goto(`${url}#/topics/wide`);
  const names = page.getByRole('table', { name: 'Channels' }).getByRole('rowheader');
  await names.nth(24).waitFor();
  await page.getByLabel('Search channels').fill('reader-2');
  await page.waitForFunction(() => document.querySelectorAll('[aria-labelledby=channels] tbody tr').length === 7);
  assert.deepEqual(await names.allTextContents(), ['Reader-2', 'Reader-20', 'Reader-21', 'Reader-22', 'Reader-23', 'Reader-24', 'Reader-25']);
});

test('messages are exported, as they are, to be published again', async (t) => {
  const { page } = await openBrowser(t);
  const { url, call, post } = await startConsole(t);
  await post('/topic/create?topic=orders&retain=1h');
  await post('/channel/create?topic=orders&channel=billing&max_attempts=1');
  await post('/mpub?topic=orders', Array.from({ length: 250 }, (_, n) => `{"order": ${n}, "note": "} \\" {"}`).join('\n'));
  await post('/pub?topic=orders&key=k', Uint8Array.of(255, 0, 1));
  const [{ receipt }] = await lease(call, 'orders', 'billing');
  await post(`/req?topic=orders&channel=billing&receipt=${receipt}`);

  /** Has what the button makes, in lines. */
  const made = async () => {
    const downloading = page.waitForEvent('download');
    await button(page, 'Export').click();
    const file = readFileSync(await (await downloading).path(), 'utf8');
    return [(await downloading).suggestedFilename(), file];
  };
  await page.goto(`${url}#/topics/orders`);
  await button(page, 'Export …').click();
  await assertAxeClean(page, 'export');
  const [name, kept] = await made();
  assert.equal(name, 'orders.ndjson');
  await page.getByText('251 messages, ').waitFor();
  // To the last digit of each time.
  const told = [];
  for (let from = '0'.repeat(16); from; ) {
    const text = await (await call(`/peek?topic=orders&max=100&from=${from}`)).text();
    const [, messages, next] = /^{"messages":\[(.*)\](?:,"next":"(.*)")?}$/s.exec(text);
    told.push(...messages.split(/,(?=\{"id")/));
    from = next;
  }
  assert.deepEqual(kept.trimEnd().split('\n'), told);
  await page.getByText('curl --data-binary @orders.ndjson').waitFor();
  await post('/topic/create?topic=again');
  await post('/channel/create?topic=again&channel=c');
  const answer = await fetch(`${url}mpub?topic=again`, { method: 'POST', body: kept, headers: { 'content-type': 'application/x-ndjson' } });
  assert.equal(await answer.text(), 'OK');
  assert.equal((await stats(call, 'again')).channels[0].depth, 251);
  await page.getByLabel('its log').check();
  await page.getByText("shelfmq log export --topic 'orders'").waitFor();
  assert.ok(await button(page, 'Export').isHidden());
  await button(page, 'Close').click();

  await page.getByRole('link', { name: 'billing' }).click();
  await page.getByRole('button', { name: /^Dead letters/ }).click();
  await button(page, 'Export …').click();
  const [ofChannel, dead] = await made();
  assert.equal(ofChannel, 'orders.billing.ndjson');
  assert.equal(JSON.parse(dead).state, 'dead');
  await button(page, 'Close').click();
  await page.getByRole('button', { name: /^Deferred/ }).click();
  await button(page, 'Export …').click();
  await button(page, 'Export').click();
  await page.getByText('There are no messages.').waitFor();
});

test('an export that cannot go on says why, and can be tried again', async (t) => {
  const { page, wrong } = await openBrowser(t);
  let refusal;
  let peeks = 0;
  const { url, post } = await startConsole(t, {
    refuse: ({ url }) => {
      if (!url.startsWith('/peek')) return undefined;
      peeks += 1;
      return peeks > 2 ? refusal : undefined;
    },
  });
  await post('/topic/create?topic=orders&retain=1h');
  await post('/mpub?topic=orders', Array.from({ length: 300 }, (_, n) => `order ${n}`).join('\n'));
  refusal = [503, 'EXITING', 'The server is about to end.'];
  await page.goto(`${url}#/topics/orders`);
  await button(page, 'Export …').click();
  await button(page, 'Export').click();
  await page.getByRole('alert').getByText('The server is about to end.').waitFor();
  expected(wrong, /503/);
  refusal = undefined;
  const downloading = page.waitForEvent('download');
  await button(page, 'Export').click();
  await downloading;
  await page.getByText('300 messages, ').waitFor();
});

test('a topic is shown as a picture, which asks for that topic alone, and only once it is wanted', async (t) => {
  const { page } = await openBrowser(t);
  const { url, asked, call, post } = await startConsole(t);
  for (const topic of ['orders', 'emails']) {
    await post(`/topic/create?topic=${topic}`);
    await post(`/channel/create?topic=${topic}&channel=of-${topic}`);
    await post(`/pub?topic=${topic}`, `one of ${topic}`);
  }
  await lease(call, 'orders', 'of-orders');
  await page.goto(`${url}#/topics/orders`);
  await tileIs(page, 'In flight', 1);
  assert.ok(!asked.some((one) => one.includes('/peek')), asked.join('\n'));
  await button(page, 'Show it').click();
  const picture = page.getByRole('region', { name: 'What is where' });
  await picture.getByRole('group', { name: 'Channel of-orders' }).waitFor();
  await picture.locator('[data-state=in_flight][data-id]').waitFor();
  await assertAxeClean(page, 'a picture');
  // It is live.
  await post('/pub?topic=orders', 'another');
  await picture.locator('[data-state=ready][data-id]').waitFor();
  assert.equal(await picture.getByText('of-emails').count(), 0);
  for (const one of asked) assert.ok(!one.includes('emails') && (!one.includes('include_clients=true') || one.includes('topic=orders')), one);
  await button(page, 'Hide it').click();
  await picture.waitFor({ state: 'detached' });
});
