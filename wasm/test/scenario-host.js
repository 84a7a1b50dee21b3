// What a scenario runs on, wherever a broker does: one at a time, with a clock that stands still until it is moved.
import { Broker, MemoryStorage, VirtualClock } from '../js/index.js';

/** How long what must come is waited for, in milliseconds. */
const PATIENCE = 10_000;

const turn = () =>
  new Promise((done) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      done();
    };
    port2.postMessage(null);
  });

export class ScenarioHost {
  #Broker;
  #broker;
  #clock;
  #clients = new Map();

  /** @param of the class that is tried */
  constructor(of = Broker) {
    this.#Broker = of;
  }

  async start({ now, limits, stored }) {
    for (const client of this.#clients.values()) client.abort.abort();
    this.#clients.clear();
    await this.#broker?.close();
    this.#clock = new VirtualClock(now);
    const storage = stored ? new MemoryStorage() : undefined;
    const small = stored ? { segmentBytes: 2048, cacheBytes: 0 } : {};
    this.#broker = await this.#Broker.open({ clock: this.#clock, limits, seed: 1n, storage, ...small });
  }

  async send({ client, method, target, headers, body }) {
    const abort = new AbortController();
    const state = { abort, events: [], failure: undefined, wake: () => {} };
    this.#clients.set(client, state);
    const push = (event) => {
      state.events.push(event);
      state.wake();
    };
    const init = { method, headers: headers.map(([name, value]) => [name, atob(value)]), signal: abort.signal, peer: `127.0.0.1:${50_000 + client}` };
    if (!['GET', 'HEAD'].includes(method)) init.body = Uint8Array.from(atob(body), (char) => char.charCodeAt(0));
    const answer = this.#broker.fetch(target, init);
    (async () => {
      const response = await answer;
      push({ head: { status: response.status, headers: [...response.headers].map(([n, v]) => [n, btoa(v)]) } });
      const reader = response.body?.getReader();
      for (;;) {
        const { done, value } = (await reader?.read()) ?? { done: true };
        if (done) break;
        if (value.length > 0) push({ data: base64(value) });
      }
      push({ end: true });
    })().catch((why) => {
      state.failure = String(why);
      state.wake();
    });
    await this.#settle();
  }

  async next({ client, patient }) {
    const state = this.#clients.get(client);
    if (!state) throw new Error(`client ${client} sent nothing`);
    const end = performance.now() + PATIENCE;
    while (state.events.length === 0 && patient && performance.now() < end) {
      if (state.failure) throw new Error(state.failure);
      await Promise.race([new Promise((wake) => (state.wake = wake)), new Promise((wake) => setTimeout(wake, 50))]);
    }
    return state.events.shift() ?? null;
  }

  async advance({ ms }) {
    this.#clock.advance(ms);
    await this.#settle();
  }

  async hangUp({ client }) {
    this.#clients.get(client)?.abort.abort();
    this.#clients.delete(client);
    await this.#settle();
  }

  async #settle() {
    await this.#broker.settled();
    // What was answered is read by now.
    for (let turns = 0; turns < 4; turns += 1) await turn();
  }
}

function base64(bytes) {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}
