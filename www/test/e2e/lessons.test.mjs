// Every lesson and every scene, solved in the page.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { openBrowser, serveApp } from './app.mjs';

const AXE = fileURLToPath(new URL('../../node_modules/axe-core/axe.min.js', import.meta.url));
const LESSONS = ['publish', 'copies', 'backlog', 'lease', 'requeue', 'dead', 'ordered', 'deferred', 'replay', 'touch'];
const SCENES = ['decoupling', 'speed', 'broadcast', 'peak', 'wrong'];
const LONG = { timeout: 30_000 };

let app;
before(async () => {
  app = await serveApp();
});
after(() => app.close());

/** The app, with the lessons in front. */
async function openLessons(t, options) {
  const { page, context } = await openBrowser(t, options);
  page.setDefaultTimeout(LONG.timeout);
  await page.goto(app.url);
  await showLessons(page);
  return { page, context };
}

async function showLessons(page) {
  const lessons = page.locator('[data-lesson], [data-lesson-open]').first();
  const tab = page.locator('main').getByRole('tab', { name: /^(Lessons|课程)/ }).or(page.locator('main').getByRole('button', { name: /^(Lessons|课程)$/ }));
  await lessons.or(tab).filter({ visible: true }).first().waitFor();
  if (!(await lessons.isVisible())) await tab.first().click();
  await lessons.waitFor();
}

const current = (page) => page.locator('[data-lesson-open] li[aria-current=step]');
const done = (page) => page.locator('[data-lesson-open] [data-why]');

async function begin(page, id) {
  await page.locator(`[data-lesson=${id}]`).click();
  await page.locator(`[data-lesson-open=${id}]`).waitFor();
  await page.locator('[data-start]').click();
  await current(page).waitFor();
}

/** Waits until another step is the current one, or the lesson is done. */
async function stepAfter(page, title) {
  await page.waitForFunction((title) => {
    const now = document.querySelector('[data-lesson-open] li[aria-current=step] h3');
    return now ? now.textContent !== title : document.querySelector('[data-lesson-open] [data-why]');
  }, title, LONG);
}

/** Does what each step says by the button that `press` finds, until the lesson is done. */
async function solve(page, press) {
  for (let steps = 0; steps < 10 && !(await done(page).isVisible()); steps += 1) {
    const title = await current(page).locator('h3').textContent();
    await press(current(page));
    await stepAfter(page, title);
  }
  await done(page).waitFor();
}

async function back(page) {
  await page.locator('[data-all]').click();
  await page.locator('[data-lesson]').first().waitFor();
}

/** “Show me” where there is something to run; where there is only time to pass, that. */
async function show(step) {
  const button = step.locator('[data-show]');
  if (await button.isVisible()) await button.click();
  else await step.locator('[data-act]').click();
}

async function axe(page, what) {
  if (!(await page.evaluate(() => 'axe' in window))) await page.addScriptTag({ path: AXE });
  // What fades in has no contrast yet.
  await page.evaluate(() => Promise.all(document.getAnimations().filter((one) => one.effect?.getTiming().iterations !== Infinity).map((one) => one.finished.catch(() => {}))));
  const { violations } = await page.evaluate(() => window.axe.run('[data-lessons]'));
  assert.deepEqual(violations.map(({ id, nodes }) => `${what}: ${id}: ${nodes[0].html}`), []);
}

test('every lesson is solved by its own commands', async (t) => {
  const { page } = await openLessons(t);
  for (const id of LESSONS) {
    await t.test(id, async () => {
      await begin(page, id);
      await solve(page, show);
      await back(page);
    });
  }
  assert.equal(await page.locator('[data-lesson][data-done]').count(), LESSONS.length);
});

test('every scene comes to its end', async (t) => {
  const { page } = await openLessons(t, { width: 360, height: 740, locale: 'zh-CN', colorScheme: 'dark' });
  for (const id of SCENES) {
    await t.test(id, async () => {
      await begin(page, id);
      assert.match(await page.locator('[data-lesson-open] h2').textContent(), /\p{Script=Han}/u);
      await axe(page, id);
      await solve(page, async (step) => {
        if (await step.locator('[data-act]').isVisible()) await step.locator('[data-act]').click();
      });
      await axe(page, id);
      const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(wide <= room, `${wide} > ${room}`);
      await back(page);
    });
  }
  assert.equal(await page.locator('[data-lesson][data-done]').count(), SCENES.length);
});

test('progress is there after a reload, and to start over asks before it deletes', async (t) => {
  const { page } = await openLessons(t);
  await axe(page, 'list');
  await begin(page, 'publish');
  const first = await current(page).locator('h3').textContent();
  // By hand: the command is put into the prompt, and runs there when Enter is pressed.
  await current(page).locator('[data-paste]').first().click();
  await page.waitForFunction(() => document.querySelector('textarea')?.value.startsWith('curl'), undefined, LONG);
  assert.equal(await current(page).locator('h3').textContent(), first);
  await page.locator('textarea').press('Enter');
  await stepAfter(page, first);
  assert.match(await page.getByRole('log').textContent(), /curl -d 'Dune'.*OK/s);
  const second = await current(page).locator('h3').textContent();
  await axe(page, 'a lesson');

  await page.reload();
  await showLessons(page);
  await page.waitForFunction((title) => document.querySelector('li[aria-current=step] h3')?.textContent === title, second, LONG);

  await page.locator('[data-again]').click();
  const dialog = page.getByRole('dialog');
  assert.match(await dialog.textContent(), /books.*one message/);
  await dialog.locator('button').first().click();
  await dialog.waitFor({ state: 'detached' });
  assert.equal(await current(page).locator('h3').textContent(), second);

  await page.locator('[data-again]').click();
  await dialog.locator('button.danger').click();
  await page.waitForFunction((title) => document.querySelector('li[aria-current=step] h3')?.textContent === title, first, LONG);
  await solve(page, show);
  assert.equal(await page.locator('[data-lesson-open] li[aria-current=step]').count(), 0);
});

/** Enters a line by hand. */
async function enter(page, line) {
  await page.locator('textarea').fill(line);
  await page.locator('textarea').press('Enter');
}

test('who comes back after the lease has ended receives again', async (t) => {
  const { page } = await openLessons(t);
  await begin(page, 'requeue');
  const title = await current(page).locator('h3').textContent();
  await show(current(page));
  await stepAfter(page, title);
  const lines = current(page).locator('pre');
  assert.deepEqual((await lines.allTextContents()).map((line) => /\/(\w+)\?/.exec(line)[1]), ['req']);
  await page.getByRole('button', { name: 'Next deadline' }).click();
  await lines.nth(1).waitFor();
  assert.deepEqual((await lines.allTextContents()).map((line) => /\/(\w+)\?/.exec(line)[1]), ['sub', 'req']);
  await axe(page, 'a step that is late');
  await solve(page, show);
});

test('what a step needs is gone: it says so, and starts again', async (t) => {
  const { page } = await openLessons(t);
  await begin(page, 'dead');
  const title = await current(page).locator('h3').textContent();
  await show(current(page));
  await stepAfter(page, title);
  assert.equal(await page.locator('[data-lost]').count(), 0);
  await enter(page, "curl -X POST 'localhost:4151/topic/delete?topic=orders'");
  await page.locator('[data-lost]').waitFor();
  await axe(page, 'a step that is lost');
  await page.locator('[data-lost] button').click();
  await page.waitForFunction((title) => document.querySelector('li[aria-current=step] h3')?.textContent === title, title, LONG);
  await solve(page, show);
});

test('a terminal that is busy is told of, and a lesson that is left is not in the way of the next', async (t) => {
  const { page } = await openLessons(t);
  await begin(page, 'publish');
  await enter(page, 'sleep 1000');
  await page.locator('button[title="Ctrl-C"]').waitFor();
  await current(page).getByRole('button', { name: 'Run' }).click();
  await page.getByText('The terminal is busy: stop it first.').waitFor();
  await page.locator('button[title="Ctrl-C"]').click();
  await page.locator('button[title="Ctrl-C"]').waitFor({ state: 'detached' });
  await solve(page, show);
  await back(page);

  await begin(page, 'deferred');
  const title = await current(page).locator('h3').textContent();
  await enter(page, "curl -X POST 'localhost:4151/channel/pause?topic=alarms&channel=bed'");
  await show(current(page));
  await stepAfter(page, title);
  // The channel is paused: its second line waits.
  await show(current(page));
  await page.locator('button[title="Ctrl-C"]').waitFor();
  await back(page);
  await begin(page, 'backlog');
  await solve(page, show);
});
