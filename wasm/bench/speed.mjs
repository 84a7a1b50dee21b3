// How fast the package is, for `make bench ARGS=wasm`: a line in (`rounds 500` or `single 500`: what, and for how many
// milliseconds), a line out: how often a second. The argument says where: node or page.
import { createInterface } from 'node:readline';

const place = process.argv[2] ?? 'node';

const measured = place === 'node' ? await inNode() : await inPage();
console.log('ready');
for await (const line of createInterface({ input: process.stdin })) {
  const [what, ms] = line.split(' ');
  console.log(await measured.call(what, Number(ms)));
}
await measured.close();
process.exit(0);

async function inNode() {
  const { Speed } = await import('./speed.js');
  const speed = await Speed.start();
  return { call: (what, ms) => speed[what](ms), close: async () => {} };
}

async function inPage() {
  const { chromium } = await import('playwright-core');
  const { executable, serveFiles } = await import('../test/browser.mjs');
  const files = await serveFiles();
  const browser = await chromium.launch({ executablePath: executable, args: ['--no-sandbox'] });
  const page = await browser.newPage();
  await page.goto(`${files.url}/bench/page.html`);
  await page.waitForFunction(() => globalThis.speed !== undefined);
  return {
    call: (what, ms) => page.evaluate(([what, ms]) => globalThis.speed[what](ms), [what, ms]),
    close: async () => {
      await browser.close();
      files.close();
    },
  };
}
