// What messages say that a recording does not have, for only the storage had it then: the broker may still have them.
import { Api, type Message } from '../broker/api.js';
import type { Fetch } from '../broker/fetch.js';
import type { Snapshot } from '../broker/snapshot.js';

/** How many messages are asked for at once, and how often for a moment. */
const PAGE = 100;
const ASKS = 4;

type Said = Pick<Message, 'timestamp' | 'key' | 'headers' | 'body' | 'body_base64'>;

export class Absent {
  readonly #api: Api;
  /** By topic and id; undefined: nobody has it any more. */
  readonly #known = new Map<string, Said | undefined>();

  constructor(fetch: Fetch) {
    this.#api = new Api(fetch);
  }

  /** Fills in what is not there at a moment (ms since 1970), as far as it is known or can be asked for. */
  async fill({ topics }: Snapshot, moment: number): Promise<void> {
    await Promise.all(
      topics.map(async ({ name, backlog, channels }) => {
        const all = [backlog, ...channels.flatMap(({ piles }) => Object.values(piles))].flatMap(({ first }) => first);
        const absent = all.filter((message) => message.absent);
        await this.#ask(name, new Set(absent.map(({ id }) => id)));
        for (const message of absent) {
          const said = this.#known.get(`${name} ${message.id}`);
          // What was published later is a message of another topic that had the name then.
          if (said && said.timestamp / 1e6 < moment + 1) Object.assign(message, said, { absent: false });
        }
      }),
    );
  }

  async #ask(topic: string, ids: Set<string>): Promise<void> {
    const missing = [...ids].filter((id) => !this.#known.has(`${topic} ${id}`)).sort();
    for (let asks = 0; missing.length > 0 && asks < ASKS; asks += 1) {
      const peeked = this.#api.peek(topic, undefined, undefined, PAGE, missing[0]);
      const { messages, next } = await peeked.catch(() => ({ messages: [], next: undefined }));
      for (const { id, timestamp, key, headers, body, body_base64 } of messages) {
        const said = { timestamp, ...(key === undefined ? {} : { key }), ...(headers ? { headers } : {}) };
        this.#known.set(`${topic} ${id}`, { ...said, ...(body === undefined ? {} : { body }), ...(body_base64 === undefined ? {} : { body_base64 }) });
      }
      while (missing[0] !== undefined && (next === undefined || missing[0] < next)) {
        const at = `${topic} ${missing.shift()}`;
        if (!this.#known.has(at)) this.#known.set(at, undefined);
      }
    }
  }
}
