// The console's pages over the broker in the page.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { openBrowser, serveApp } from './app.mjs';
import { assertAxeClean } from './axe.mjs';

test("the playground's own topics are shown; its past cannot be changed; a log is downloaded", async (t) => {
  const { page } = await openBrowser(t);
  const app = await serveApp();
  t.after(() => app.close());
  await page.goto(app.url);
  await page.waitForFunction(() => globalThis.shelfmq?.play !== undefined);
  await page.evaluate(async () => {
    const { api } = globalThis.shelfmq;
    await api.topic('create', 'books');
    await api.channel('create', 'books', 'reader');
    await api.publish('books', 'hello');
  });
  await page.goto(`${app.url}#/topics`);
  await page.getByRole('link', { name: 'books', exact: true }).click();
  await page.getByRole('link', { name: 'reader' }).waitFor();
  await assertAxeClean(page, "the playground's topic");

  const downloading = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Export …' }).click();
  await page.getByLabel('its log').check();
  await page.getByRole('button', { name: 'Export', exact: true }).click();
  const download = await downloading;
  assert.equal(download.suggestedFilename(), 'books.shelfmq');
  assert.ok(readFileSync(await download.path()).includes('hello'));
  await page.getByRole('button', { name: 'Close' }).click();

  const pause = page.getByRole('button', { name: 'Pause', exact: true });
  assert.ok(await pause.isEnabled());
  // Everything that was asked for above has happened by then.
  await page.evaluate(() => globalThis.shelfmq.play.travel({ at: globalThis.shelfmq.play.history.value.to }));
  await page.locator('button[title^="You are looking at a moment of the past"]', { hasText: 'Pause' }).waitFor();
  assert.ok(await pause.isDisabled());
  assert.ok(await page.getByRole('button', { name: 'Publish …' }).isDisabled());
  // Before the first step there was nothing.
  await page.evaluate(() => globalThis.shelfmq.play.travel({ step: 0 }));
  await page.getByText('There is no topic books.').waitFor();
  await page.evaluate(() => globalThis.shelfmq.play.travel(undefined));
  await pause.waitFor();
  await pause.click();
  await page.getByRole('button', { name: 'Unpause' }).waitFor();
});
