// How smooth the picture is with 1,000 messages a second to 20 channels: node test/e2e/frames.mjs [world] [seconds]
// The world `live` is the whole playground, with its broker and 40 consumers, each of which finishes what it gets; others are
// frames made up for the picture alone (`load`).
// Printed, not judged: a machine without a screen, or with much else to do, has other numbers than a user's.
import { chromium } from 'playwright-core';

import { serveApp } from './app.mjs';
import { servePicture } from './picture/page.mjs';

const [world = 'live', seconds = '5'] = process.argv.slice(2);
const served = world === 'live' ? await serveApp() : await servePicture();
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
await page.goto(world === 'live' ? served.url : `${served.url}#${world}`);
if (world === 'live') await begin();
await page.locator('[data-channel]').first().waitFor();
// It is warm by then, and its streams flow.
await page.waitForTimeout(2_000);
const published = () => page.evaluate(() => globalThis.shelfmq?.play.frame.value.producers[0]?.published);
const before = await published();

async function begin() {
  await page.waitForFunction(() => globalThis.shelfmq);
  await page.evaluate(async () => {
    const { api, play } = globalThis.shelfmq;
    await api.topic('create', 'load');
    for (let n = 0; n < 20; n += 1) await api.channel('create', 'load', `channel-${n}`);
    for (let n = 0; n < 40; n += 1) await play.addConsumer({ topic: 'load', channel: `channel-${n % 20}`, behaviour: 'fast' });
    await play.addProducer({ topic: 'load', rate: 1_000 });
  });
}

const { frames, long, work } = await page.evaluate(async (ms) => {
  const long = [];
  const observer = new PerformanceObserver((list) => long.push(...list.getEntries().map(({ duration }) => duration)));
  observer.observe({ type: 'longtask' });
  const frames = [];
  const work = [];
  const begun = performance.now();
  let last = begun;
  await new Promise((done) => {
    const frame = () => {
      const now = performance.now();
      frames.push(now - last);
      last = now;
      // What is still to be done for this frame ends before a message to oneself comes.
      const channel = new MessageChannel();
      channel.port1.onmessage = () => work.push(performance.now() - now);
      channel.port2.postMessage(0);
      if (now - begun < ms) requestAnimationFrame(frame);
      else done();
    };
    requestAnimationFrame(frame);
  });
  observer.disconnect();
  return { frames: frames.slice(1), long, work };
}, Number(seconds) * 1_000);
const after = await published();
await browser.close();
await served.close();

const told = (values) => {
  const sorted = values.toSorted((a, b) => a - b);
  const of = (part) => (sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0).toFixed(1);
  return `median ${of(0.5)}  p90 ${of(0.9)}  p99 ${of(0.99)}  most ${of(1)} ms`;
};
const sum = frames.reduce((a, b) => a + b, 0);
console.log(`world ${world}: ${frames.length} frames in ${(sum / 1_000).toFixed(1)} s: ${((frames.length * 1_000) / sum).toFixed(1)} a second`);
console.log(`between frames: ${told(frames)}; longer than 20 ms: ${frames.filter((ms) => ms > 20).length}, than 34 ms: ${frames.filter((ms) => ms > 34).length}`);
console.log(`from a frame's beginning until the page is free: ${told(work)}`);
console.log(`long tasks (over 50 ms): ${long.length}${long.length > 0 ? `: ${told(long)}` : ''}`);
if (after !== undefined) console.log(`published: ${((after - before) / Number(seconds)).toFixed(0)} a second`);
