// Pictures of each view, at the width of a desk and of a phone, light and dark, into www/screenshots/:
//   npm run screenshots [name of a view …]
// A view is a name, the life of the app that has it, and what brings a page there. To add one, add it to VIEWS.
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

import { serveApp, startServer } from './app.mjs';
import { serveConsole } from './console-app.mjs';
import { fill } from './console-data.mjs';

const OUT = process.env.SCREENSHOTS ?? fileURLToPath(new URL('../../screenshots/', import.meta.url));
const SIZES = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };
const SCHEMES = ['light', 'dark'];

/** Rates are drawn from so many looks on. */
const LOOKS = Number(process.env.LOOKS ?? 8);

/** A chart has something to show. */
async function drawn(page) {
  await page.locator('figure canvas').waitFor();
  await page.waitForFunction((s) => Number(/last (\d+)/.exec(document.querySelector('figure [role=img]')?.ariaLabel ?? '')?.[1]) >= s, LOOKS);
}

/** The playground with something going on in it. */
async function play(page, url) {
  await page.goto(`${url}#/play`);
  await page.waitForFunction(() => globalThis.shelfmq?.play !== undefined);
  await page.evaluate(async () => {
    const { api, play } = globalThis.shelfmq;
    for (const topic of ['orders', 'emails']) await api.topic('create', topic);
    for (const channel of ['billing', 'shipping', 'analytics']) await api.channel('create', 'orders', channel);
    await api.channel('create', 'emails', 'smtp', { max_attempts: 2 });
    await play.addProducer({ topic: 'orders', rate: 4, keys: 5 });
    await play.addProducer({ topic: 'emails', rate: 1 });
    for (const [topic, channel, behaviour] of [
      ['orders', 'billing', 'slow'],
      ['orders', 'billing', 'slow'],
      ['orders', 'shipping', 'ordered'],
      ['orders', 'analytics', 'fast'],
      ['emails', 'smtp', 'flaky'],
    ]) {
      await play.addConsumer({ topic, channel, behaviour });
    }
    await play.advance(20_000);
  });
}

/** `open(page, url)` brings the page there and waits until there is something to see. */
const VIEWS = [
  {
    name: 'playground',
    life: 'playground',
    open: async (page, url) => {
      await play(page, url);
      const tab = page.getByRole('tab', { name: 'Consumers' });
      if (page.viewportSize().width > 900) await tab.click();
    },
  },
  ...['Terminal', 'Lessons', 'Events'].map((name) => ({
    // On a phone, the terminal is a tab, too; at a desk, it is always there.
    name: name === 'Terminal' ? 'curl' : name.toLowerCase(),
    life: 'playground',
    open: async (page, url) => {
      await play(page, url);
      const tab = page.getByRole('tab', { name });
      if (await tab.isVisible()) await tab.click();
      const line = page.getByRole('textbox').first();
      if (name !== 'Terminal') return page.getByRole('tabpanel').locator(name === 'Events' ? '[role=option]' : 'li').first().waitFor();
      for (const command of ["curl -d 'hello' 'localhost:4151/pub?topic=books'", "curl -i 'localhost:4151/sub?topic=books&channel=reader'"]) {
        await line.fill(command);
        await line.press('Enter');
      }
      await page.getByText('shelf-receipt').first().waitFor();
    },
  })),
  {
    name: 'topics',
    life: 'console',
    open: async (page, url) => {
      await page.goto(`${url}#/topics`);
      await page.getByRole('link', { name: 'orders', exact: true }).waitFor();
      await page.waitForFunction((n) => document.querySelector('[data-row="0"] polyline')?.points.length >= n, LOOKS);
    },
  },
  {
    name: 'topic',
    life: 'console',
    open: async (page, url) => {
      await page.goto(`${url}#/topics/orders`);
      await drawn(page);
    },
  },
  {
    name: 'picture',
    life: 'console',
    open: async (page, url) => {
      await page.goto(`${url}#/topics/orders`);
      await page.getByRole('button', { name: 'Show it' }).click();
      const picture = page.getByRole('region', { name: 'What is where' });
      // Ready, in flight, deferred and dead.
      for (const state of ['ready', 'in_flight', 'deferred', 'dead']) await picture.locator(`[data-state=${state}][data-id]`).first().waitFor();
      await page.locator('#picture').evaluate((title) => title.scrollIntoView());
    },
  },
  {
    name: 'channel',
    life: 'console',
    open: async (page, url) => {
      await page.goto(`${url}#/topics/orders/channels/billing`);
      await drawn(page);
      await page.getByRole('button', { name: /^Dead letters/ }).click();
      await page.locator('button[aria-expanded]').first().click();
    },
  },
  {
    name: 'publish',
    life: 'console',
    open: async (page, url) => {
      await page.goto(`${url}#/topics/orders`);
      await page.getByRole('button', { name: 'Publish …' }).click();
      await page.locator('.cm-content').fill('{"order": 4711, "paid": true, "items": ["book", "lamp"]}');
    },
  },
  {
    name: 'terminal',
    life: 'console',
    open: async (page, url) => {
      await page.goto(`${url}#/terminal`);
      await page.getByRole('log').first().waitFor();
    },
  },
];

const wanted = process.argv.slice(2);
const views = VIEWS.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
mkdirSync(OUT, { recursive: true });
const app = await serveApp();
const server = await startServer('--sync', 'never');
const served = await serveConsole(server.url);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
const stop = await fill(server.url);
let failed = 0;
try {
  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const colorScheme of SCHEMES) {
      for (const { name, life, open } of views) {
        const context = await browser.newContext({ viewport, colorScheme, locale: 'en-US', reducedMotion: 'reduce' });
        const page = await context.newPage();
        page.setDefaultTimeout(30_000);
        const file = `${OUT}/${name}-${size}-${colorScheme}.png`;
        try {
          await open(page, life === 'console' ? served.url : app.url);
          await page.screenshot({ path: file });
        } catch (why) {
          failed += 1;
          console.error(`${name} ${size} ${colorScheme}: ${why.message}`);
        }
        await context.close();
      }
    }
  }
} finally {
  await stop();
  await browser.close();
  served.close();
  app.close();
  await server.stop();
  server.remove();
}
console.log(`${OUT}: ${views.length * 4 - failed} pictures${failed > 0 ? `, ${failed} failed` : ''}`);
process.exitCode = failed > 0 ? 1 : 0;
