// Serves scenario hosts to the runner in Rust: a line of JSON in, a line of JSON out. The argument says where the
// broker runs: node, node-split (with a module in two parts), page, worker or service-worker.
import { createInterface } from 'node:readline';

const place = process.argv[2] ?? 'node';

const IN_NODE = { node: '../js/index.js', 'node-split': '../js/split.js' };
const host = IN_NODE[place] ? await inNode(IN_NODE[place]) : await (await import('./browser.mjs')).hostIn(place);

async function inNode(module) {
  const { Broker } = await import(module);
  const { ScenarioHost } = await import('./scenario-host.js');
  const here = new ScenarioHost(Broker);
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
