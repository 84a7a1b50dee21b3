// How soon the playground is there: node test/e2e/loads.mjs [rounds] [trace file]
// Each round is a first visit, with an empty profile. Printed, not judged: another machine has other numbers. The file gets
// the last round's trace, for chrome://tracing and the like.
import { writeFileSync } from 'node:fs';
import { chromium } from 'playwright-core';

import { serveApp } from './app.mjs';

const [rounds = '7', file] = process.argv.slice(2);
const app = await serveApp();

/** What a page notes from its beginning on, in milliseconds since then. */
function watch() {
  const seen = (globalThis.seen = { long: [] });
  new PerformanceObserver((list) => seen.long.push(...list.getEntries().map(({ startTime, duration }) => startTime + duration))).observe({ type: 'longtask', buffered: true });
  const look = () => {
    if (!seen.prompt && document.querySelector('[aria-label=Command]')) seen.prompt = performance.now();
    if (!seen.frame && globalThis.shelfmq?.play.frame.value) seen.frame = performance.now();
    if (!(seen.prompt && seen.frame)) setTimeout(look, 4);
  };
  look();
}

async function visit(traced) {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  await page.addInitScript(watch);
  if (traced) await browser.startTracing(page, { screenshots: true });
  await page.goto(app.url);
  await page.waitForFunction(() => globalThis.seen.prompt && globalThis.seen.frame);
  // The broker answers.
  const { typed, answered } = await page.evaluate(async () => {
    const typed = performance.now();
    await globalThis.shelfmq.fetch('/pub?topic=t', { method: 'POST', body: 'hello' });
    return { typed, answered: performance.now() };
  });
  await page.waitForTimeout(1_000);
  const times = await page.evaluate(() => ({
    ...globalThis.seen,
    paint: performance.getEntriesByName('first-contentful-paint')[0]?.startTime,
    load: performance.getEntriesByType('navigation')[0].loadEventEnd,
  }));
  if (traced) writeFileSync(traced, await browser.stopTracing());
  await browser.close();
  return { ...times, published: answered - typed, interactive: Math.max(times.prompt, times.frame, ...times.long.filter((end) => end < answered + 1_000)) };
}

const seen = [];
for (let round = 0; round < Number(rounds); round += 1) seen.push(await visit(round === Number(rounds) - 1 ? file : undefined));
app.close();

const told = (name, of) => {
  const sorted = seen.map(of).toSorted((a, b) => a - b);
  console.log(`${name.padEnd(44)} median ${sorted[Math.floor(sorted.length / 2)].toFixed(0)}  most ${sorted.at(-1).toFixed(0)} ms`);
};
console.log(`${rounds} first visits`);
told('first contentful paint', ({ paint }) => paint ?? NaN);
told('a prompt', ({ prompt }) => prompt);
told('the broker is open, and its first frame shown', ({ frame }) => frame);
told('interactive: all that, and no long task', ({ interactive }) => interactive);
told('a publish then takes', ({ published }) => published);
console.log(`long tasks (over 50 ms): ${seen.reduce((sum, { long }) => sum + long.length, 0)}`);
