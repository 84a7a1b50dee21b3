// The component in Node, by jco:
//
//     npx @bytecodealliance/jco transpile shelfmq.component.wasm -o component
//     node main.js
//
// What the functions of the component do stands in wasm/wit/shelfmq.wit. (The npm package has the same broker with
// fetch, timers and storages around it; this is how a program drives the bare component.)
import { randomBytes } from 'node:crypto';

import { engine } from './component/shelfmq.component.js';

/** Times are nanoseconds since the Unix epoch, in 64 bits. */
const now = () => BigInt(Math.round((performance.timeOrigin + performance.now()) * 1e6));

class Broker {
  #last = 0n;
  #waiting = new Map();
  #timer;

  constructor() {
    engine.start({ ...engine.defaultConfig(), started: now() }, randomBytes(8).readBigUInt64LE(), undefined);
  }

  /** The answer to a request, at once or later. */
  ask(method, target, body = '') {
    const [path, query = ''] = target.split('?', 2);
    const ticket = (this.#last += 1n);
    const answer = new Promise((resolve) => this.#waiting.set(ticket, resolve));
    const request = { method, path, query, headers: [], body: new TextEncoder().encode(body), peer: '' };
    this.#perform(engine.handle(now(), ticket, request));
    return answer;
  }

  /** Does what the engine wants done; nobody here asks for streams, and there is no log. */
  #perform(outputs) {
    for (const { tag, val } of outputs) {
      if (tag !== 'respond') continue;
      const { status, headers, body } = val.response;
      const fields = new Map(headers.map(([name, value]) => [name, new TextDecoder().decode(value)]));
      this.#waiting.get(val.ticket)({ status, fields, text: new TextDecoder().decode(body) });
      this.#waiting.delete(val.ticket);
    }
    clearTimeout(this.#timer);
    const due = engine.pollTimeout();
    if (due === undefined) return;
    const ms = Math.min(Math.max(Number(due - now()) / 1e6, 0), 2 ** 31 - 1);
    this.#timer = setTimeout(() => this.#perform(engine.handleTimeout(now())), ms);
    // What falls due keeps no program alive that waits for nothing.
    if (this.#waiting.size === 0) this.#timer.unref();
  }
}

const broker = new Broker();
const waiting = broker.ask('GET', '/sub?topic=books&channel=readers&wait=30s');
const published = await broker.ask('POST', '/pub?topic=books', 'The Dispossessed');
console.log('published:', published.status, published.text);
const { status, fields, text } = await waiting;
console.log('received:', status, text, 'attempt', fields.get('shelf-attempts'));
const receipt = fields.get('shelf-receipt');
const finished = await broker.ask('POST', `/fin?topic=books&channel=readers&receipt=${receipt}`);
console.log('finished:', finished.status, finished.text);
const nothing = await broker.ask('GET', '/sub?topic=books&channel=readers&wait=100ms');
console.log('nothing more:', nothing.status);
