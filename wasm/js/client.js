// A small client on any fetch function: a broker's own, or the platform's with a server's URL.

/** What a broker answered instead of what was asked for. */
export class ShelfmqError extends Error {
  constructor(status, code, detail) {
    super(detail ? `${code}: ${detail}` : code);
    this.name = 'ShelfmqError';
    this.status = status;
    this.code = code;
  }
}

export class Client {
  #fetch;
  #base;
  #token;

  /**
   * @param {{ fetch?: typeof fetch, url?: string, token?: string }} options
   */
  constructor({ fetch: fetcher = globalThis.fetch, url = 'http://localhost:4151', token } = {}) {
    this.#fetch = (...given) => fetcher(...given);
    this.#base = url.replace(/\/+$/, '');
    this.#token = token;
  }

  /** Publishes a message; answers its id. */
  async publish(topic, body, { key, defer, ttl, dedup, headers, signal } = {}) {
    // As bytes: of a text, fetch would say what it is, and that would be kept with the message.
    const bytes = bytesOf(body);
    const answer = await this.#tell('/pub', { topic, key, defer, ttl, dedup }, bytes, kept(headers), signal);
    return { id: answer.headers.get('shelf-id'), duplicate: answer.headers.has('shelf-duplicate') };
  }

  /** Publishes many messages, all or none; answers the id of the first. */
  async publishMany(topic, bodies, { key, defer, ttl, dedup, signal } = {}) {
    const parts = bodies.map(bytesOf);
    const size = parts.reduce((sum, part) => sum + 4 + part.length, 4);
    const body = new Uint8Array(size);
    const view = new DataView(body.buffer);
    view.setUint32(0, parts.length);
    let at = 4;
    for (const part of parts) {
      view.setUint32(at, part.length);
      body.set(part, at + 4);
      at += 4 + part.length;
    }
    const query = { topic, key, defer, ttl, dedup, binary: true };
    const answer = await this.#tell('/mpub', query, body, {}, signal);
    return { id: answer.headers.get('shelf-id'), duplicate: answer.headers.has('shelf-duplicate') };
  }

  /**
   * Messages of a channel, one after another, for as long as the loop goes on. What is fetched and not reached when
   * the loop ends is given back.
   */
  async *subscribe(topic, channel, { max = 1, wait = '25s', timeout, ack, signal } = {}) {
    const query = { topic, channel, max, wait, timeout, ack, format: 'json' };
    for (;;) {
      const answer = await this.#ask('GET', '/sub', query, undefined, {}, signal);
      if (answer.status === 204) continue;
      const { messages } = await answer.json();
      const left = messages.map((message) => new Message(this, topic, channel, message));
      try {
        while (left.length > 0) yield left.shift();
      } finally {
        if (ack !== 'auto') await Promise.allSettled(left.map((message) => message.requeue()));
      }
    }
  }

  async finish(topic, channel, receipt, { signal } = {}) {
    await this.#tell('/fin', { topic, channel, receipt }, undefined, {}, signal);
  }

  async requeue(topic, channel, receipt, { defer, signal } = {}) {
    await this.#tell('/req', { topic, channel, receipt, defer }, undefined, {}, signal);
  }

  async touch(topic, channel, receipt, { timeout, signal } = {}) {
    await this.#tell('/touch', { topic, channel, receipt, timeout }, undefined, {}, signal);
  }

  /** Tells the broker something. What it answers is in the head; the body is read so that nobody waits with it. */
  async #tell(path, query, body, headers, signal) {
    const answer = await this.#ask('POST', path, query, body, headers, signal);
    await answer.arrayBuffer();
    return answer;
  }

  async #ask(method, path, query, body, headers, signal) {
    const given = Object.entries(query).filter(([, value]) => value !== undefined);
    const url = `${this.#base}${path}?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`;
    if (this.#token !== undefined) headers = { ...headers, authorization: `Bearer ${this.#token}` };
    const answer = await this.#fetch(url, { method, body, headers, signal });
    if (answer.ok) return answer;
    const text = await answer.text();
    let told = {};
    try {
      told = JSON.parse(text);
    } catch {
      // Something between here and the broker answered.
    }
    throw new ShelfmqError(answer.status, told.message ?? (text || `HTTP ${answer.status}`), told.detail);
  }
}

/** A message that was delivered, and is to be settled. */
export class Message {
  #client;
  #topic;
  #channel;

  constructor(client, topic, channel, told) {
    this.#client = client;
    this.#topic = topic;
    this.#channel = channel;
    this.id = told.id;
    this.receipt = told.receipt;
    this.attempts = told.attempts;
    this.key = told.key;
    this.headers = told.headers ?? {};
    this.timestamp = new Date(told.timestamp / 1e6);
    this.bytes = told.body === undefined ? fromBase64(told.body_base64 ?? '') : new TextEncoder().encode(told.body);
  }

  text() {
    return new TextDecoder().decode(this.bytes);
  }

  json() {
    return JSON.parse(this.text());
  }

  finish(options) {
    return this.#client.finish(this.#topic, this.#channel, this.receipt, options);
  }

  requeue(options) {
    return this.#client.requeue(this.#topic, this.#channel, this.receipt, options);
  }

  touch(options) {
    return this.#client.touch(this.#topic, this.#channel, this.receipt, options);
  }
}

function kept(headers = {}) {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [`shelf-meta-${name}`, value]));
}

function bytesOf(body) {
  if (typeof body === 'string') return new TextEncoder().encode(body);
  if (body instanceof ArrayBuffer) return new Uint8Array(body);
  return new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
}

function fromBase64(text) {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}
