// Sees the API's requests go by, for what they move. Answers go on as they are.
import { routeOf } from 'shelfmq/routes';

import type { Seen } from '../flows.js';
import { idsFrom } from './producer.js';

/** How many receipts are remembered, to know whose messages are settled. */
const RECEIPTS = 10_000;

/** Requests all of whose effects the counters tell. */
const COUNTED = new Set(['/pub', '/mpub', '/sub', '/fin', '/req']);

interface Body {
  messages?: Leased[];
  redriven?: number;
}

interface Leased {
  id: string;
  receipt?: string;
}

export interface Listener {
  see(seen: Seen): void;
  /** A topic or a channel is about to go; the answer takes that back. */
  going(topic: string, channel?: string): () => void;
  /** Something may have changed. */
  changed(): void;
  /** Something may have changed that no counter tells. */
  reshaped(): void;
}

export class Tap {
  #receipts = new Map<string, string>();

  constructor(
    readonly fetch: (request: Request) => Promise<Response>,
    /** Answers what only looks. */
    readonly look: (request: Request) => Promise<Response>,
    readonly listener: Listener,
  ) {}

  readonly through = async (request: Request): Promise<Response> => {
    const { pathname, searchParams } = new URL(request.url);
    if (routeOf(request.method, pathname)?.looks) return this.look(request);
    const topic = searchParams.get('topic') ?? '';
    const channel = searchParams.get('channel') ?? undefined;
    const goes = request.method === 'POST' && (pathname === '/topic/delete' || pathname === '/channel/delete');
    const stays = goes ? this.listener.going(topic, pathname === '/channel/delete' ? channel : undefined) : undefined;
    const settled = channel === undefined ? undefined : await this.#settling(request, pathname, searchParams);
    const response = await this.fetch(request);
    if (COUNTED.has(pathname)) this.listener.changed();
    else this.listener.reshaped();
    if (!response.ok) {
      stays?.();
      return response;
    }
    if (pathname === '/pub' || pathname === '/mpub') {
      const count = Number(response.headers.get('shelf-count') ?? 1);
      this.listener.see({ kind: 'published', topic, count, ids: idsFrom(response.headers.get('shelf-id'), count) });
    } else if (channel !== undefined) {
      if (settled) {
        for (const kind of ['finished', 'requeued'] as const) this.#see(kind, topic, channel, settled[kind]);
      }
      const client = searchParams.get('client') ?? undefined;
      if (pathname === '/sub') return this.#delivered(response, topic, channel, client, searchParams.get('ack') === 'auto');
      if (pathname === '/channel/redrive') {
        const { redriven = 0 } = (await response.clone().json()) as Body;
        this.listener.see({ kind: 'redriven', topic, channel, count: redriven, ids: [] });
      }
    }
    return response;
  };

  #see(kind: 'delivered' | 'finished' | 'requeued', topic: string, channel: string, ids: string[], client?: string): void {
    if (ids.length > 0) this.listener.see({ kind, topic, channel, count: ids.length, ids, ...(client ? { client } : {}) });
  }

  /** Which messages a request settles, if it may. */
  async #settling(request: Request, path: string, params: URLSearchParams) {
    const out = { finished: [] as string[], requeued: [] as string[] };
    const add = (kind: 'finished' | 'requeued', receipts: Iterable<string>) => {
      for (const receipt of receipts) {
        const id = this.#receipts.get(receipt);
        if (id !== undefined) out[kind].push(id);
      }
    };
    const listed = (name: string) => params.getAll(name).flatMap((one) => one.split(','));
    if (path === '/sub') add('finished', listed('fin'));
    const kind = path === '/fin' ? 'finished' : path === '/req' ? 'requeued' : undefined;
    if (kind) add(kind, [...listed('receipt'), ...(await request.clone().text()).split(/\s+/)]);
    if (path === '/settle') {
      try {
        const { fin = [], req = [] } = (await request.clone().json()) as { fin?: string[]; req?: { receipt: string }[] };
        add('finished', fin);
        add('requeued', req.map(({ receipt }) => receipt));
      } catch {
        // The broker will say so.
      }
    }
    return out;
  }

  /** Reads what an answer hands out, as it goes by. */
  #delivered(response: Response, topic: string, channel: string, client: string | undefined, finished: boolean): Response {
    const hand = (messages: Leased[]) => {
      for (const { id, receipt } of messages) {
        if (receipt !== undefined) this.#receipts.set(receipt, id);
        if (this.#receipts.size > RECEIPTS) this.#receipts.delete(this.#receipts.keys().next().value!);
      }
      const ids = messages.map(({ id }) => id);
      this.#see('delivered', topic, channel, ids, client);
      if (finished) this.#see('finished', topic, channel, ids, client);
      this.listener.changed();
    };
    const type = response.headers.get('content-type') ?? '';
    const id = response.headers.get('shelf-id');
    if (id !== null) {
      const receipt = response.headers.get('shelf-receipt');
      hand([{ id, ...(receipt === null ? {} : { receipt }) }]);
      return response;
    }
    if (response.body === null) return response;
    if (/ndjson|event-stream/.test(type)) return this.#lines(response, hand);
    if (type.startsWith('application/json')) {
      void response.clone().json().then((body: Body) => hand(body.messages ?? []), () => {});
    }
    return response;
  }

  /** A stream of messages, a line each. */
  #lines(response: Response, hand: (messages: Leased[]) => void): Response {
    const decoder = new TextDecoder();
    let rest = '';
    const see = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        controller.enqueue(chunk);
        const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
        rest = lines.pop() ?? '';
        const messages = lines.flatMap((line) => {
          const json = line.startsWith('data:') ? line.slice(5) : line;
          return json.trimStart().startsWith('{') ? [JSON.parse(json) as Leased] : [];
        });
        if (messages.length > 0) hand(messages);
      },
    });
    const { status, headers } = response;
    return new Response(response.body!.pipeThrough(see), { status, headers });
  }
}
