// Serves scenario hosts to the runner in Rust: a line of JSON in, a line of JSON out. The argument says where the
// broker runs: node, page, worker or service-worker.
import { createInterface } from 'node:readline';

const place = process.argv[2] ?? 'node';

const host = place === 'node' ? await inNode() : await (await import('./browser.mjs')).hostIn(place);

async function inNode() {
  const { ScenarioHost } = await import('./scenario-host.js');
  const here = new ScenarioHost();
  return { call: (verb, given) => here[verb](given), close: async () => {} };
}

console.log(JSON.stringify({ ready: true }));
for await (const line of createInterface({ input: process.stdin })) {
  const { verb, ...given } = JSON.parse(line);
  let answer;
  try {
    answer = { value: (await host.call(verb, given)) ?? null };
  } catch (why) {
    answer = { error: String(why?.stack ?? why) };
  }
  console.log(JSON.stringify(answer));
}
await host.close();
process.exit(0);
