// What assistive technology would trip over: axe in the page.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Fails where axe finds something in the page, as it is now; `label` says which state of it that is. */
export async function assertAxeClean(page, label = page.url()) {
  if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(AXE);
  const found = await page.evaluate(async () => {
    // What follows from a size is drawn a frame after it.
    for (let i = 0; i < 3; i += 1) await new Promise(requestAnimationFrame);
    // Colours that are on their way to others are not judged.
    await Promise.allSettled(document.getAnimations().map((animation) => (animation.effect?.getComputedTiming().iterations === Infinity ? null : animation.finished)));
    const { violations } = await globalThis.axe.run(document, { resultTypes: ['violations'] });
    return violations.map(({ id, help, nodes }) => ({ id, help, nodes: nodes.map(({ html, failureSummary }) => `${html}\n    ${failureSummary}`) }));
  });
  const told = found.map(({ id, help, nodes }) => `${id}: ${help}\n  ${nodes.slice(0, 5).join('\n  ')}`);
  assert.equal(found.length, 0, `${label}:\n${told.join('\n')}`);
}
