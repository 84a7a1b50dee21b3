// A broker for the terminal's tests, and scripts run on it.
import { Broker, type BrokerOptions } from 'shelfmq';
import { onTestFinished } from 'vitest';

import { Api } from '../../src/broker/api.js';
import type { Fetch } from '../../src/broker/fetch.js';
import { type Host, type RunOptions, runScript } from '../../src/terminal/run.js';

export async function broker(options: BrokerOptions = {}): Promise<Host & { api: Api }> {
  const opened = await Broker.open(options);
  onTestFinished(() => opened.close());
  const fetch: Fetch = (at, init) => opened.fetch(at, init);
  return { fetch, api: new Api(fetch), now: () => options.clock?.now() ?? Date.now() };
}

export interface Ran {
  out: string;
  err: string;
  status: number;
}

export async function run(host: Host, text: string, options: RunOptions = {}): Promise<Ran> {
  let [out, err] = ['', ''];
  const status = await runScript(host, text, { out: (text) => (out += text), err: (text) => (err += text) }, options);
  return { out, err, status };
}
