// The picture of a pretended broker, in a real Chromium: what is where, what can be done there, and that time rules it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';

import { openBrowser } from './app.mjs';
import { servePicture } from './picture/page.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
let served;
before(async () => (served = await servePicture()));
after(() => served?.close());

async function open(t, world, options) {
  const { page } = await openBrowser(t, options);
  page.setDefaultTimeout(30_000);
  await page.goto(`${served.url}#${world}`);
  return page;
}

const channel = (page, key) => page.locator(`[data-channel="${key}"]`);

test('each message stands where it is, with all that is known of it', async (t) => {
  const page = await open(t, 'few&still');
  const archive = channel(page, 'books/archive');
  await archive.locator('[data-state="ready"][data-id]').first().waitFor();
  assert.equal(await archive.locator('[data-state="ready"][data-id]').count(), 3);
  const reader = channel(page, 'books/reader');
  assert.equal(await reader.locator('[data-state="deferred"][data-id]').count(), 3);
  assert.match(await reader.locator('[data-state="deferred"][data-id]').nth(2).textContent(), /×3/);

  await reader.locator('[data-state="deferred"][data-id]').nth(2).hover();
  const tip = page.getByRole('tooltip');
  await tip.waitFor();
  const text = await tip.textContent();
  for (const part of ['deferred', 'Due', 'in 18 s', 'Attempts3', 'shelf-meta-sourceworld']) assert.ok(text.includes(part), `${part} in ${text}`);

  // What waits for a first channel is in its topic.
  assert.equal(await page.locator('[data-topic="orders"] [data-id]').count(), 7);
  await page.getByText('No channel yet').waitFor();
});

test('messages are reached by keys; the one that is chosen is told', async (t) => {
  const page = await open(t, 'few&still');
  const tokens = channel(page, 'books/archive').locator('[data-state="ready"][data-id]');
  const [first, second] = [await tokens.nth(0).getAttribute('data-id'), await tokens.nth(1).getAttribute('data-id')];
  await tokens.nth(0).focus();
  // The next one to go is at the right.
  await page.keyboard.press('ArrowLeft');
  await page.getByRole('tooltip').getByText(second).waitFor();
  await page.keyboard.press('Enter');
  await page.waitForFunction((id) => window.picture.selected?.id === id, second);
  assert.deepEqual(await page.evaluate(() => window.picture.selected), { topic: 'books', channel: 'archive', id: second });
  assert.equal(await tokens.nth(1).getAttribute('aria-pressed'), 'true');
  assert.notEqual(first, second);
  await page.keyboard.press('Escape');
  await page.getByRole('tooltip').waitFor({ state: 'detached' });
});

test('names lead to their pages', async (t) => {
  const page = await open(t, 'few&still');
  assert.equal(await page.getByRole('link', { name: 'books' }).getAttribute('href'), '#/topics/books');
  assert.equal(await page.getByRole('link', { name: 'reader' }).getAttribute('href'), '#/topics/books/channels/reader');
});

test('a consumer is added by the menu, and by dragging a behaviour onto a channel', async (t) => {
  const page = await open(t, 'few&still');
  await page.getByRole('button', { name: 'Add a consumer to archive' }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('menuitem', { name: /Fast/ }).and(page.locator(':focus')).waitFor();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => window.picture.added.length === 1);

  const drag = (type) =>
    page.evaluate((type) => {
      const data = new DataTransfer();
      window.dragged = data;
      data.setData('application/x-shelfmq-behaviour', 'crashes');
      document.querySelector('[data-channel="books/reader"]').dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }));
    }, type);
  await drag('dragenter');
  await page.locator('[data-channel="books/reader"][data-over]').waitFor();
  await drag('drop');
  await page.waitForFunction(() => window.picture.added.length === 2);
  assert.equal(await page.locator('[data-over]').count(), 0);
  assert.deepEqual(await page.evaluate(() => window.picture.added), [
    { topic: 'books', channel: 'archive', behaviour: 'slow' },
    { topic: 'books', channel: 'reader', behaviour: 'crashes' },
  ]);
});

test('what is leased counts down in the time of the broker, and nothing moves while that stands still', async (t) => {
  const page = await open(t, 'few&still');
  await channel(page, 'books/archive').waitFor();
  await page.evaluate(() => window.picture.step(50));
  const leased = channel(page, 'books/archive').locator('[data-state="in_flight"][data-id]').first();
  await leased.getByText('5.0s').waitFor();
  await page.evaluate(() => window.picture.step(1_000));
  await leased.getByText('4.0s').waitFor();
  // What a step did is shown; then all stands still, whatever the page's own time does.
  const still = () => {
    const now = document.querySelector('canvas').toDataURL();
    const moves = document.getAnimations().some(({ playState }) => playState === 'running');
    window.same = !moves && now === window.before ? (window.same ?? 0) + 1 : 0;
    window.before = now;
    return window.same >= 4;
  };
  await page.waitForFunction(still, undefined, { polling: 300 });
  await leased.getByText('4.0s').waitFor();

  await page.evaluate(() => (window.picture.speed.value = 1));
  await page.waitForFunction(() => document.querySelector('canvas').toDataURL() !== window.before);
});

test('what is told of a message goes on with it, and goes with it', async (t) => {
  const page = await open(t, 'few&still');
  await channel(page, 'books/archive').waitFor();
  await page.evaluate(() => window.picture.step(50));
  const leased = channel(page, 'books/archive').locator('[data-state="in_flight"][data-id]').first();
  await leased.waitFor();
  // Arrows go by what is seen: only once all is in its place.
  await page.waitForFunction(() => document.getAnimations().every(({ playState }) => playState !== 'running'));
  await leased.focus();
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowLeft');
  const tip = page.getByRole('tooltip');
  await tip.getByText('in 5.0 s').waitFor();
  await page.evaluate(() => window.picture.step(1_000));
  await tip.getByText('in 4.0 s').waitFor();
  await page.evaluate(() => window.picture.step(1_000));
  await tip.waitFor({ state: 'detached' });
});

test('the moving things have the colours of the theme', async (t) => {
  const page = await open(t, 'heavy', { colorScheme: 'light' });
  // The blue of what is ready, and nothing near it in the other theme.
  const has = ([r, g, b]) => {
    const canvas = document.querySelector('canvas');
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
    for (let i = 0; i < data.length; i += 4) {
      if (data[i + 3] === 255 && Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 6) return true;
    }
    return false;
  };
  await page.waitForFunction(has, [0x25, 0x63, 0xa8]);
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.waitForFunction(has, [0x74, 0xae, 0xf0]);
});

test('a channel that can never be read in full says how much there is', async (t) => {
  const page = await open(t, 'load&still');
  const last = channel(page, 'books/reader-20');
  await last.getByText('570').first().waitFor();
  assert.match(await last.textContent(), /\+\d+/);
  assert.equal(await page.locator('[data-channel]').count(), 20);
});

test('two hundred channels are folded, and opened', async (t) => {
  const page = await open(t, 'many&still');
  await page.getByRole('button', { name: /180 more channels/ }).click();
  await page.waitForFunction(() => document.querySelectorAll('[data-channel]').length === 200);
  await page.getByRole('button', { name: /Fold 180 channels/ }).click();
  await page.waitForFunction(() => document.querySelectorAll('[data-channel]').length === 20);
});

test('nothing is said to be nothing, and how to begin', async (t) => {
  const page = await open(t, 'nothing', { locale: 'zh-CN' });
  await page.getByText('这里还什么都没有').waitFor();
  await page.getByText("curl -d 'hello' 'localhost:4151/pub?topic=books'").waitFor();
});

test('the same is there as a table', async (t) => {
  const page = await open(t, 'few&still');
  const row = page.getByRole('row', { name: /books archive/ });
  await row.waitFor();
  assert.deepEqual(await row.getByRole('cell').allTextContents(), ['archive', '3', '0', '0', '0', '1']);
});

for (const [name, options] of Object.entries({
  light: {},
  dark: { colorScheme: 'dark' },
  phone: { width: 360, height: 740 },
})) {
  test(`axe finds nothing: ${name}`, async (t) => {
    const { page } = await openBrowser(t, options);
    for (const world of ['few', 'dead', 'keys', 'twenty', 'nothing']) {
      await page.goto('about:blank');
      await page.goto(`${served.url}#${world}&still`);
      await page.locator('main a, main h2').first().waitFor({ timeout: 30_000 });
      await page.waitForFunction(() => document.getAnimations().every(({ playState }) => playState !== 'running'));
      await page.evaluate(AXE);
      const { violations } = await page.evaluate(() => globalThis.axe.run(document, { rules: { 'page-has-heading-one': { enabled: false } } }));
      const told = violations.map(({ id, nodes }) => `${world}: ${id}: ${nodes.slice(0, 3).map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('\n')}`);
      assert.deepEqual(told, []);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'nothing is wider than the window');
    }
  });
}
