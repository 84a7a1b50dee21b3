// The console as a server itself serves it, under its policy.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertAxeClean } from './axe.mjs';
import { openBrowser, startServer } from './app.mjs';

test('a server shows its console at /, and curl gets what curl got', async (t) => {
  const server = await startServer('--store', 'memory');
  t.after(async () => {
    await server.stop();
    server.remove();
  });
  const ask = (path, init) => fetch(server.url + path, init);
  assert.match(await (await ask('/')).text(), /^(?!<!doctype)/i);
  const { page } = await openBrowser(t);
  const answer = await page.goto(server.url);
  assert.match(answer.headers()['content-security-policy'], /default-src 'self'/);
  await page.getByRole('heading', { level: 1 }).first().waitFor();

  await ask('/pub?topic=books', { method: 'POST', body: '{"title":"Emma"}', headers: { 'content-type': 'application/json' } });
  await ask('/channel/create?topic=books&channel=readers', { method: 'POST' });
  await page.getByRole('link', { name: 'books' }).click();
  await page.getByRole('link', { name: 'readers' }).first().click();
  await page.getByText('Emma').first().waitFor();
  await assertAxeClean(page);

  // The editor and the charts come later, and are under the same policy.
  await page.goto(`${server.url}/#/topics/books`);
  await page.getByRole('button', { name: /publish/i }).first().click();
  await page.getByRole('dialog').locator('.cm-editor').waitFor();
  await page.keyboard.press('Escape');

  await page.goto(`${server.url}/#/terminal`);
  const prompt = page.getByRole('textbox').first();
  // What is there to try is shown first: the server may be somebody's.
  await page.getByRole('button', { name: 'A hundred' }).click();
  assert.match(await prompt.inputValue(), /^for i in/);
  await prompt.fill(`curl -d hello '${server.url}/pub?topic=curl'`);
  await prompt.press('Enter');
  await page.getByRole('log').getByText('OK').first().waitFor();
  assert.equal(await (await ask('/sub?topic=curl&channel=c&ack=auto')).text(), 'hello');
});
