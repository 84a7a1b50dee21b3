// Screenshots of the picture in all its states: node test/e2e/picture/look.mjs [directory] [worlds …]
import { mkdirSync } from 'node:fs';
import { chromium } from 'playwright-core';

import { servePicture } from './page.mjs';

const [to = 'picture-shots', ...only] = process.argv.slice(2);
mkdirSync(to, { recursive: true });
const served = await servePicture();
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
const worlds = only.length > 0 ? only : ['nothing', 'few', 'twenty', 'many', 'heavy', 'dead', 'keys'];
for (const [name, options] of Object.entries({
  light: { viewport: { width: 1280, height: 720 }, colorScheme: 'light' },
  dark: { viewport: { width: 860, height: 640 }, colorScheme: 'dark' },
  phone: { viewport: { width: 360, height: 740 }, colorScheme: 'light' },
})) {
  const context = await browser.newContext(options);
  for (const world of worlds) {
    const page = await context.newPage();
    page.on('pageerror', (error) => console.log(world, error.stack));
    page.on('console', (message) => message.type() === 'error' && console.log(world, message.text()));
    await page.goto(`${served.url}#${world}`);
    await page.waitForTimeout(3_000);
    await page.screenshot({ path: `${to}/${world}-${name}.png` });
    await page.close();
  }
  await context.close();
}
await browser.close();
await served.close();
