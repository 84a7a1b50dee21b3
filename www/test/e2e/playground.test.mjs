// The broker in the page, for all tabs, through time, across reloads, in links and files, and without a network.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { BINARY, openBrowser, serveApp, startServer } from './app.mjs';
import { assertAxeClean } from './axe.mjs';

/** Opens the playground; time stands still. */
async function open(page, url) {
  await page.goto(url);
  await ready(page);
  await page.evaluate(() => shelfmq.play.setSpeed(0));
}

const ready = (page) => page.waitForFunction(() => globalThis.shelfmq !== undefined);

async function start(t, how = {}) {
  const app = await serveApp();
  t.after(() => app.close());
  const browser = await openBrowser(t, { serviceWorkers: 'block', ...how });
  await open(browser.page, app.url);
  return { app, ...browser };
}

/** Asks the broker of a page, or the moment of the past that the page is at. */
const ask = (page, path, init) =>
  page.evaluate(
    async ([path, init]) => {
      const response = await shelfmq.fetch(path, init);
      return { status: response.status, text: await response.text(), receipt: response.headers.get('shelf-receipt') };
    },
    [path, init],
  );
const post = (page, path, body = '') => ask(page, path, { method: 'POST', body });

/** All that the page's broker has, but for who is there. */
const all = (page) =>
  page.evaluate(async () => {
    const { topics } = await shelfmq.api.stats();
    return Promise.all(
      (topics ?? []).map(async ({ topic_name, message_count, channels }) => ({
        topic_name,
        message_count,
        channels: await Promise.all(
          channels.map(async ({ channel_name, depth, in_flight_count, deferred_count, dead_count, finish_count, timeout_count, position }) => ({
            ...{ channel_name, depth, in_flight_count, deferred_count, dead_count, finish_count, timeout_count, position },
            messages: await Promise.all(['ready', 'in_flight', 'deferred', 'dead'].map(async (state) => (await shelfmq.api.peek(topic_name, channel_name, state)).messages)),
          })),
        ),
      })),
    );
  });

const now = (page) => page.evaluate(() => shelfmq.play.frame.value?.now);
const click = (page, name) => page.getByRole('button', { name, exact: true }).click();

/** Three channels with messages in every state, made by hand. */
async function scene(page) {
  await post(page, '/topic/create?topic=books');
  for (const name of ['reader', 'mail']) await post(page, `/channel/create?topic=books&channel=${name}`);
  await post(page, '/mpub?topic=books', 'one\ntwo\nthree');
  const first = await ask(page, '/sub?topic=books&channel=reader&timeout=30s&client=ann');
  await post(page, `/fin?topic=books&channel=reader&receipt=${first.receipt}`);
  await ask(page, '/sub?topic=books&channel=reader&timeout=30s&client=ann');
  const later = await ask(page, '/sub?topic=books&channel=mail&client=joe');
  await post(page, `/req?topic=books&channel=mail&receipt=${later.receipt}&defer=10s`);
}

test('a reload keeps all there is: messages, time, speed, consumers', async (t) => {
  const { page } = await start(t);
  await scene(page);
  await page.evaluate(async () => {
    await shelfmq.play.addConsumer({ topic: 'quiet', channel: 'c', behaviour: 'slow', name: 'sam' });
    await shelfmq.play.addProducer({ topic: 'quiet', rate: 0.1 });
    await shelfmq.play.advance(3_000);
  });
  const before = await all(page);
  const time = await now(page);
  await page.reload();
  await ready(page);
  assert.deepEqual(await all(page), before);
  const after = await page.evaluate(() => {
    const { now, consumers, producers } = shelfmq.play.frame.value;
    return { now, speed: shelfmq.play.speed.value, names: consumers.map(({ name }) => name), rates: producers.map(({ rate }) => rate) };
  });
  assert.deepEqual({ ...after, now: 0 }, { now: 0, speed: 0, names: ['sam'], rates: [0.1] });
  assert.ok(after.now >= time, `${after.now} is before ${time}`);
  await page.getByRole('button', { name: 'Let time go on' }).waitFor();
});

test('the past goes back beyond a reload, and is gone once all begins anew', async (t) => {
  const { page } = await start(t);
  await scene(page);
  await page.evaluate(() => shelfmq.play.advance(3_000));
  const [before, time] = [await all(page), await now(page)];
  await page.evaluate(() => shelfmq.play.advance(60_000));
  const later = await all(page);
  assert.notDeepEqual(later, before);
  // The past is kept now and then: of what came right before a reload, the page may have no time to keep it.
  await page.waitForTimeout(2_000);
  await page.reload();
  await ready(page);
  await post(page, '/pub?topic=books', 'after the reload');
  const last = await all(page);
  const travel = (to) => page.evaluate((to) => shelfmq.play.travel(to), to);
  const { from, to } = await page.evaluate(() => shelfmq.play.history.value);
  assert.ok(from < time && to > time, `${from} ${time} ${to}`);
  await travel({ at: time });
  assert.deepEqual(await all(page), before);
  await travel({ at: time + 59_000 });
  assert.deepEqual(await all(page), later);
  await travel(undefined);
  assert.deepEqual(await all(page), last);
  // All of it is one file, which the server's tools read.
  const saved = page.waitForEvent('download');
  await page.getByRole('tab', { name: 'Files' }).click();
  await click(page, 'What happened (recording)');
  const told = execFileSync(BINARY, ['replay', await (await saved).path()], { encoding: 'utf8' });
  assert.match(told, /after the reload|books/);
  // The story of a message is told from its beginning.
  const story = await page.evaluate(async () => (await shelfmq.play.story('books', '0000000000000001')).map(({ what }) => what));
  assert.equal(story[0], 'published');
  assert.ok(story.includes('leased') && story.includes('finished'), story.join());
  await page.evaluate(() => shelfmq.play.reset());
  await post(page, '/pub?topic=books', 'all is new');
  const steps = await page.evaluate(async () => (await shelfmq.play.told(1, 1_000)).map(({ text }) => text));
  assert.equal(steps.length, 1, steps.join('\n'));
});

test('a kept past that is damaged is left out', async (t) => {
  const { page } = await start(t);
  await scene(page);
  await page.evaluate(() => shelfmq.play.advance(3_000));
  await page.evaluate(async () => {
    const of = (request) => new Promise((done, fail) => ((request.onsuccess = () => done(request.result)), (request.onerror = fail)));
    const pieces = (await of(indexedDB.open('shelfmq-playground-values'))).transaction('recorded', 'readwrite').objectStore('recorded');
    const [key] = await of(pieces.getAllKeys());
    const bytes = await of(pieces.get(key));
    await of(pieces.put(bytes.map((byte, at) => (at > 20 ? byte ^ 255 : byte)), key));
  });
  await page.reload();
  await ready(page);
  // What messages say that the storage alone has, no recording tells.
  const counts = async () => (await all(page)).map(({ channels }) => channels.map(({ messages, ...counts }) => [counts, messages.flat(2).map(({ id }) => id)]));
  const before = await counts();
  await post(page, '/pub?topic=books', 'after the reload');
  await page.evaluate(() => shelfmq.play.travel({ step: 0 }));
  assert.deepEqual(await counts(), before);
  // The picture has it from the broker, as far as that still has the messages.
  const shown = await page.evaluate(() => shelfmq.play.frame.value.snapshot.topics[0].channels.map(({ piles }) => piles.ready.first.map(({ body }) => body)));
  assert.deepEqual(shown.flat().sort(), ['three', 'three', 'two']);
  assert.equal(await page.evaluate(() => shelfmq.play.history.value.broken), undefined);
});

test('without TLS, too, two tabs share one broker, and one that goes is not counted any more', async (t) => {
  const app = await serveApp();
  t.after(() => app.close());
  const { context, page } = await openBrowser(t);
  const url = app.url.replace('127.0.0.1', 'shelf.test');
  await page.goto(url);
  assert.equal(await page.evaluate(() => globalThis.isSecureContext), false);
  await ready(page);
  const other = await context.newPage();
  await other.goto(url);
  await ready(other);
  await page.getByText('2 tabs share this broker').waitFor();
  await post(other, '/pub?topic=books', 'hello');
  await page.locator('[data-topic=books]').waitFor();
  assert.equal(await page.evaluate(() => globalThis.shelfmq.play.kept.value), true);
  await other.goto('about:blank');
  await page.getByText('2 tabs share this broker').waitFor({ state: 'detached' });
});

test('two tabs share one broker, and its time', async (t) => {
  const { app, page, context } = await start(t);
  await post(page, '/pub?topic=books', 'hello');
  const other = await context.newPage();
  await other.goto(app.url);
  await ready(other);
  await page.getByText('2 tabs share this broker').waitFor();
  assert.equal((await ask(other, '/sub?topic=books&channel=c')).text, 'hello');
  await page.waitForFunction(() => shelfmq.play.frame.value?.snapshot.topics[0]?.channels[0]?.stats.in_flight_count === 1);
  await other.getByRole('button', { name: '10×' }).click();
  await click(other, 'Let time go on');
  await page.getByRole('button', { name: 'Pause time' }).waitFor();
  await page.waitForFunction(() => shelfmq.play.speed.value === 10);
  await click(page, 'Pause time');

  // A poll of a tab that goes waits for nothing any more.
  await other.evaluate(() => void shelfmq.fetch('/sub?topic=books&channel=d&wait=600s').catch(() => {}));
  await page.waitForFunction(async () => (await shelfmq.api.stats()).topics[0].channels[1]?.waiting_count === 1);
  await other.close();
  await page.waitForFunction(async () => (await shelfmq.api.stats()).topics[0].channels[1]?.waiting_count === 0);
  await page.getByText('2 tabs share this broker').waitFor({ state: 'detached' });
});

test('time stands still, goes on by steps, to deadlines, back, and is the same again', async (t) => {
  const { page } = await start(t);
  await scene(page);
  const begun = await now(page);
  const atFirst = await all(page);
  await page.evaluate(() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go))));
  assert.equal(await now(page), begun);

  // The delay ends before the lease does.
  await click(page, 'Next deadline');
  await page.waitForFunction((begun) => shelfmq.play.frame.value.now >= begun + 10_000, begun);
  const delayed = await all(page);
  assert.equal(delayed[0].channels.find(({ channel_name }) => channel_name === 'mail').deferred_count, 0);
  await click(page, 'Step');
  await page.waitForFunction((begun) => shelfmq.play.frame.value.now >= begun + 30_000, begun);
  const timedOut = await all(page);
  assert.equal(timedOut[0].channels.find(({ channel_name }) => channel_name === 'reader').timeout_count, 1);

  // Back by what happened: the lease is there again; then the delay.
  await click(page, 'Back');
  await page.getByText('Past', { exact: true }).waitFor();
  assert.deepEqual(await all(page), delayed);
  await click(page, 'Back');
  await page.waitForFunction((begun) => shelfmq.play.frame.value.now < begun + 10_000, begun);
  assert.deepEqual(await all(page), atFirst);
  assert.equal((await post(page, '/pub?topic=books', 'x')).status, 403);

  // The scrubber, at its beginning: nothing was there.
  const scrubber = page.getByRole('slider', { name: 'All that happened' });
  await scrubber.press('Home');
  await page.waitForFunction(() => shelfmq.play.frame.value.snapshot.topics.length === 0);
  assert.deepEqual(await all(page), []);
  // By the time, one second before the lease ended.
  await page.evaluate((at) => shelfmq.play.travel({ at }), begun + 29_000);
  assert.deepEqual(await all(page), delayed);
  await scrubber.press('ArrowRight');
  await page.waitForFunction((begun) => shelfmq.play.frame.value.now >= begun + 30_000, begun);
  assert.deepEqual(await all(page), timedOut);
  await click(page, 'Back to now');
  await page.getByText('Past', { exact: true }).waitFor({ state: 'detached' });
  assert.deepEqual(await all(page), timedOut);
  assert.equal((await post(page, '/pub?topic=books', 'x')).status, 200);
});

test('keys: space stops time and lets it go, arrows step through it', async (t) => {
  const { page } = await start(t);
  await scene(page);
  await page.locator('#main').focus();
  await page.keyboard.press('Space');
  await page.waitForFunction(() => shelfmq.play.speed.value === 1);
  await page.keyboard.press('Space');
  await page.waitForFunction(() => shelfmq.play.speed.value === 0);
  await page.keyboard.press('ArrowLeft');
  await page.waitForFunction(() => shelfmq.play.past.value !== undefined);
  const { step } = await page.evaluate(() => shelfmq.play.past.value);
  await page.keyboard.press('ArrowLeft');
  await page.waitForFunction((step) => shelfmq.play.past.value.step < step, step);
  await page.keyboard.press('ArrowRight');
  await page.waitForFunction((step) => shelfmq.play.past.value.step === step, step);
});

test('the panel and the terminal are as large as they are wanted, after a reload too', async (t) => {
  const { page } = await start(t);
  const size = (name) => page.getByRole('separator', { name }).evaluate((edge) => {
    const { width, height } = edge.parentElement.getBoundingClientRect();
    return [Math.round(width), Math.round(height)];
  });
  const [side, terminal] = ['Width of the panel', 'Height of the terminal'];
  const [width, height] = [(await size(side))[0], (await size(terminal))[1]];
  const drag = async (name, x, y) => {
    const box = await page.getByRole('separator', { name }).boundingBox();
    await page.mouse.move(box.x + 3, box.y + 3);
    await page.mouse.down();
    await page.mouse.move(box.x + 3 + x, box.y + 3 + y, { steps: 4 });
    await page.mouse.up();
  };
  await drag(side, -100, 0);
  await drag(terminal, 0, -60);
  const [wider, higher] = [(await size(side))[0], (await size(terminal))[1]];
  assert.ok(Math.abs(wider - width - 100) <= 8, `${width} ${wider}`);
  assert.ok(Math.abs(higher - height - 60) <= 8, `${height} ${higher}`);
  const edge = page.getByRole('separator', { name: side });
  await edge.press('ArrowRight');
  const narrower = (await size(side))[0];
  assert.ok(narrower < wider);
  // It is told once the panel has its new size.
  await page.locator(`[role="separator"][aria-label="${side}"][aria-valuenow="${Math.round((narrower * 100) / 1280)}"]`).waitFor();
  assert.equal(await page.evaluate(() => shelfmq.play.past.value), undefined, 'the arrow was not for the time');
  await assertAxeClean(page, 'edges');
  await page.reload();
  await ready(page);
  assert.deepEqual([(await size(side))[0], (await size(terminal))[1]], [narrower, higher]);
  await edge.dblclick();
  await page.getByRole('separator', { name: terminal }).press('Enter');
  assert.deepEqual([(await size(side))[0], (await size(terminal))[1]], [width, height]);
});

test('the past is played at the speed that is chosen, up to now', async (t) => {
  const { page } = await start(t);
  await scene(page);
  await page.evaluate(() => shelfmq.play.advance(40_000));
  const end = await all(page);
  await page.getByRole('slider').press('Home');
  await page.waitForFunction(() => shelfmq.play.past.value !== undefined);
  await page.getByRole('button', { name: '100×' }).click();
  await click(page, 'Let time go on');
  await page.waitForFunction(() => shelfmq.play.past.value === undefined);
  assert.deepEqual(await all(page), end);
  // That was the past's time, not the broker's.
  assert.equal(await page.evaluate(() => shelfmq.play.speed.value), 0);
});

test('consumers and producers come by a click, and go by one', async (t) => {
  const { page } = await start(t);
  await page.getByRole('tab', { name: 'Consumers' }).click();
  await page.getByLabel('Topic').first().fill('orders');
  await page.getByLabel('Channel').fill('billing');
  for (const name of ['Fast', 'Slow', 'Flaky', 'Crashes']) await page.getByRole('group', { name: 'Add a consumer' }).getByRole('button', { name: new RegExp(`^${name}`) }).click();
  await page.getByLabel('Messages a second').selectOption('100');
  await page.getByRole('button', { name: 'Add a producer' }).click();
  await page.waitForFunction(() => shelfmq.play.frame.value.consumers.length === 4 && shelfmq.play.frame.value.producers.length === 1);
  await page.evaluate(() => shelfmq.play.advance(5_000));
  await page.waitForFunction(() => shelfmq.play.frame.value.producers[0].published === 500);
  await page.getByText('500 published').first().waitFor();
  const { finished, requeued } = await page.evaluate(() => {
    const of = (behaviour) => shelfmq.play.frame.value.consumers.find((one) => one.behaviour === behaviour);
    return { finished: of('fast').finished, requeued: of('flaky').requeued };
  });
  assert.ok(finished > 0 && requeued > 0);
  await assertAxeClean(page, 'consumers');
  const panel = page.getByRole('tabpanel');
  await panel.getByRole('button', { name: /^Remove slow/ }).click();
  await panel.getByRole('button', { name: /^Remove orders/ }).click();
  await page.waitForFunction(() => shelfmq.play.frame.value.consumers.length === 3 && shelfmq.play.frame.value.producers.length === 0);
});

test('events: what happened, a way to each moment, and a message’s story', async (t) => {
  const { page } = await start(t);
  await scene(page);
  await page.getByRole('tab', { name: 'Events' }).click();
  const list = page.getByRole('listbox', { name: 'What happened' });
  await list.getByText('POST /req books/mail defer=10s').waitFor();
  await list.getByText('GET /sub books/reader timeout=30s → 1 to ann').last().click();
  await page.waitForFunction(() => shelfmq.play.past.value !== undefined);
  const [books] = await all(page);
  assert.deepEqual(books.channels.map(({ finish_count, in_flight_count, deferred_count }) => [finish_count, in_flight_count, deferred_count]), [
    [0, 0, 0],
    [0, 1, 0],
  ]);
  await page.getByRole('button', { name: 'Story of message 1' }).click();
  const story = page.getByRole('region', { name: 'Message 0000000000000001' });
  await story.getByText('leased').first().waitFor();
  assert.equal(await story.getByText('finished').count(), 0);
  await assertAxeClean(page, 'events');
  // With the list's own keys, newer and newer, up to where it is finished.
  await list.press('ArrowUp');
  await story.getByText('finished').first().waitFor();
});

test('a story goes on with what happens; who reads further down in what happened is left alone', async (t) => {
  const { page } = await start(t);
  await scene(page);
  await page.locator('[data-channel="books/reader"] [data-id="0000000000000002"]').click();
  const story = page.getByRole('region', { name: 'Message 0000000000000002' });
  await story.getByText('leased').first().waitFor();
  await page.evaluate(() => shelfmq.play.advance(31_000));
  await story.getByText('timed out').first().waitFor();
  await page.locator('[data-channel="books/reader"] [data-id="0000000000000003"]').click();
  await page.getByRole('region', { name: 'Message 0000000000000003' }).getByText('published').first().waitFor();
  await click(page, 'Close the story');

  for (let n = 0; n < 40; n += 1) await post(page, '/pub?topic=books&key=early', 'x');
  const list = page.getByRole('listbox', { name: 'What happened' });
  await list.getByText('key=early').nth(8).waitFor();
  await page.waitForFunction(() => Number(document.querySelector('[role="option"]')?.getAttribute('aria-setsize')) > 45);
  await list.evaluate((element) => (element.scrollTop = 500));
  const seen = () => list.getByRole('option').first().getAttribute('id');
  await page.waitForFunction(() => document.querySelector('[role="option"]')?.getAttribute('aria-posinset') !== '1');
  const before = await seen();
  await post(page, '/pub?topic=books&key=late', 'x');
  await page.waitForTimeout(2_500);
  assert.equal(await seen(), before);
  await list.evaluate((element) => (element.scrollTop = 0));
  await list.getByText('key=late').waitFor();
});

test('a link brings all there is to another browser, once that is agreed to', async (t) => {
  const { app, page, browser } = await start(t);
  await scene(page);
  await page.getByRole('tab', { name: 'Files' }).click();
  await page.getByRole('button', { name: 'Copy a link with all that is here' }).click();
  const link = await page.getByLabel(/^Link/).inputValue();
  assert.ok(link.startsWith(`${app.url}#s=`), link.slice(0, 80));
  const before = await all(page);

  const other = await (await browser.newContext({ serviceWorkers: 'block', locale: 'en-US' })).newPage();
  await open(other, app.url);
  await post(other, '/pub?topic=mine', 'keep me');
  await other.goto(link);
  await other.getByRole('button', { name: 'No, thanks' }).click();
  assert.equal((await all(other))[0].topic_name, 'mine');
  assert.equal(new URL(other.url()).hash, '#/');
  await other.goto(link);
  await other.getByRole('button', { name: 'Replace what is here' }).click();
  await other.getByText('The playground is as it was when the link was made').waitFor();
  assert.deepEqual(await all(other), before);
});

test('a link that is damaged says so; one that is too long is a file', async (t) => {
  const { app, page } = await start(t);
  await page.goto(`${app.url}#s=AAAAAAAA`);
  await page.getByText('this link is damaged').waitFor();
  await page.evaluate(async () => {
    const noise = Array.from(crypto.getRandomValues(new Uint8Array(50_000)), (byte) => byte.toString(16)).join('');
    await shelfmq.api.publish('books', noise);
  });
  await page.getByRole('tab', { name: 'Files' }).click();
  await page.getByRole('button', { name: 'Copy a link with all that is here' }).click();
  await page.getByText('This is more than a link has room for').waitFor();
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'The whole playground' }).click()]);
  const before = await all(page);

  await page.getByRole('button', { name: 'Begin anew …' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Begin anew' }).click();
  await page.getByText('Everything is empty').waitFor();
  assert.deepEqual(await all(page), []);
  await page.locator('input[type=file]').setInputFiles({ name: 'any.name', mimeType: 'application/octet-stream', buffer: readFileSync(await file.path()) });
  await page.getByText('The playground is as it was when this was saved').waitFor();
  assert.deepEqual(await all(page), before);
  await assertAxeClean(page, 'files');
});

test('what a server recorded is stepped through, and the own broker is there again afterwards', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'shelfmq-recording-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const recording = join(directory, 'server.rec');
  const server = await startServer('--record', recording);
  t.after(() => server.remove());
  const call = (path, body) => fetch(server.url + path, body === undefined ? {} : { method: 'POST', body });
  await call('/channel/create?topic=orders&channel=billing', '');
  await call('/topic/create?topic=orders', '');
  await call('/channel/create?topic=orders&channel=billing', '');
  await call('/pub?topic=orders', 'from the server');
  const leased = await call('/sub?topic=orders&channel=billing&client=worker-7');
  await leased.text();
  await call(`/fin?topic=orders&channel=billing&receipt=${leased.headers.get('shelf-receipt')}`, '');
  await server.stop();

  const { page } = await start(t);
  await post(page, '/pub?topic=mine', 'x');
  await page.getByRole('tab', { name: 'Files' }).click();
  await page.locator('input[type=file]').setInputFiles(recording);
  await page.getByText('The recording is open').waitFor();
  assert.equal((await all(page))[0].channels[0].finish_count, 1);
  await page.getByRole('tab', { name: 'Events' }).click();
  await page.getByText('→ 1 to worker-7').click();
  await page.waitForFunction(() => shelfmq.play.frame.value.snapshot.topics[0].channels[0].stats.in_flight_count === 1);
  assert.deepEqual((await all(page))[0].channels[0].messages.flat().map(({ body, state }) => [body, state]), [['from the server', 'in_flight']]);
  // Nobody joins what a server did, and what can be saved is not what is shown.
  assert.equal(await page.getByRole('button', { name: /^Add a consumer to/ }).count(), 0);
  await page.getByRole('tab', { name: 'Files' }).click();
  await page.getByText('The log is of a topic as it is now').waitFor();
  await click(page, 'Close the recording');
  await page.waitForFunction(() => shelfmq.play.past.value === undefined);
  assert.equal((await all(page))[0].topic_name, 'mine');
});

test('who begins anew while a recording is shown sees what is there then', async (t) => {
  const { page } = await start(t);
  await scene(page);
  const parts = await page.evaluate(async () => Promise.all((await shelfmq.play.recording()).map(async (part) => [...part])));
  await page.evaluate((parts) => shelfmq.play.openRecording('own.rec', parts.map((part) => new Uint8Array(part))), parts);
  await page.waitForFunction(() => shelfmq.play.past.value !== undefined);
  await page.getByRole('tab', { name: 'Files' }).click();
  await page.getByRole('button', { name: 'Begin anew' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Begin anew' }).click();
  await page.getByText('Everything is empty').waitFor();
  assert.deepEqual(await page.evaluate(() => [shelfmq.play.past.value, shelfmq.play.history.value.file]), [undefined, undefined]);
  assert.deepEqual(await all(page), []);
});

test('a recording that is none is refused, and changes nothing', async (t) => {
  const { page } = await start(t);
  await scene(page);
  const before = await all(page);
  await page.getByRole('tab', { name: 'Files' }).click();
  const bad = (name, text) => page.locator('input[type=file]').setInputFiles({ name, mimeType: 'application/octet-stream', buffer: Buffer.from(text, 'latin1') });
  await bad('odd.bin', 'PK and so on');
  await page.getByText('odd.bin is no recording').waitFor();
  await bad('torn.rec', 'shelfrec\x01\x00\x00\x00 nonsense');
  await page.getByText(/this .*recording/i).last().waitFor();
  await bad('bad.log', 'shelfmq\x1a nonsense');
  await page.getByText('this is no exported log').waitFor();
  assert.equal(await page.evaluate(() => shelfmq.play.past.value), undefined);
  assert.deepEqual(await all(page), before);
});

test('a log that a server exported is worked with', async (t) => {
  const server = await startServer();
  t.after(() => server.remove());
  await fetch(`${server.url}/pub?topic=orders`, { method: 'POST', body: 'from the log' });
  await server.stop();
  const exported = join(server.data, 'exported');
  execFileSync(BINARY, ['log', 'export', '--topic', 'orders', '--output', exported, server.data]);

  const { page } = await start(t);
  await page.getByRole('tab', { name: 'Files' }).click();
  await page.locator('input[type=file]').setInputFiles({ name: 'orders.log', mimeType: 'application/octet-stream', buffer: readFileSync(exported) });
  await page.getByText('Topic orders is here').waitFor();
  assert.equal((await ask(page, '/sub?topic=orders&channel=c')).text, 'from the log');
});

test('without a network the page opens, with all there is', async (t) => {
  const app = await serveApp();
  t.after(() => app.close());
  const { page, context } = await openBrowser(t);
  await open(page, app.url);
  await scene(page);
  const before = await all(page);
  await page.evaluate(() => navigator.serviceWorker.ready);
  await page.waitForFunction(() => navigator.serviceWorker.controller !== null);
  await page.goto('about:blank');
  app.close();
  await context.setOffline(true);
  await page.goto(app.url);
  await ready(page);
  assert.deepEqual(await all(page), before);
  await page.evaluate(() => shelfmq.api.publish('books', 'x'));
  for (const name of ['Consumers', 'Events', 'Files', 'Lessons']) await page.getByRole('tab', { name }).click();
  await click(page, 'Back');
  await page.getByText('Past', { exact: true }).waitFor();
});

test('without shared workers, the first tab has the storage, and the second one says that it has none', async (t) => {
  const app = await serveApp();
  t.after(() => app.close());
  const { page, context } = await openBrowser(t, { serviceWorkers: 'block' });
  await context.addInitScript(() => delete globalThis.SharedWorker);
  await open(page, app.url);
  await post(page, '/pub?topic=books', 'hello');
  const other = await context.newPage();
  await open(other, app.url);
  await other.getByText('Another tab has the storage').waitFor();
  assert.deepEqual(await all(other), []);
  await post(other, '/pub?topic=lost', 'x');
  await other.close();
  await page.reload();
  await ready(page);
  assert.equal((await ask(page, '/sub?topic=books&channel=c')).text, 'hello');
});

test('on a phone, in Chinese: one thing at a time, all of it usable', async (t) => {
  const { page } = await start(t, { width: 360, height: 740, locale: 'zh-CN', colorScheme: 'dark' });
  await scene(page);
  for (const name of ['终端', '课程', '消费者', '事件', '文件', '图']) {
    await page.getByRole('tab', { name, exact: true }).click();
    await page.waitForFunction(() => document.querySelector('#main')?.textContent?.includes('加载中') === false);
    await assertAxeClean(page, name);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360, `${name} is wider than the window`);
  }
});

test('a link with commands runs them, once that is agreed to', async (t) => {
  const { app, page, context } = await start(t);
  await page.getByRole('tab', { name: 'Files' }).click();
  await page.getByLabel('Commands').fill("curl -d 'by link' 'http://127.0.0.1:4151/pub?topic=linked'");
  await page.getByRole('button', { name: 'Copy a link with these commands' }).click();
  const link = await page.getByLabel(/^Link/).inputValue();
  const other = await context.newPage();
  await other.goto(link);
  await other.getByRole('dialog').getByText("curl -d 'by link'").waitFor();
  assert.ok(link.startsWith(`${app.url}#run=`));
  assert.deepEqual(await all(other), []);
  await assertAxeClean(other, 'a link with commands');
  await other.getByRole('button', { name: 'Run the commands' }).click();
  await other.waitForFunction(async () => (await shelfmq.api.stats()).topics?.[0]?.message_count === 1);
  assert.equal((await ask(other, '/sub?topic=linked&channel=c')).text, 'by link');
});
