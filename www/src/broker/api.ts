// The calls of the API that the app makes, with their shapes. http-api is the contract; names are its own.
import { type Fetch, ok, path } from './fetch.js';

export interface ChannelOptions {
  timeout_ms: number;
  max_attempts: number;
  max_in_flight: number;
  ordered: boolean;
  dead_letter: string | null;
}

export interface TopicOptions {
  retain_ms: number;
  retain_bytes: number;
  max_bytes: number;
  max_messages: number;
  overflow: 'reject' | 'drop_oldest';
}

export interface ClientStats {
  client_id: string;
  hostname: string;
  remote_address: string;
  user_agent: string;
  /** 3: waits for messages or has some. */
  state: number;
  in_flight_count: number;
  message_count: number;
  finish_count: number;
  requeue_count: number;
  /** Seconds since 1970. */
  connect_ts: number;
}

export interface Latency {
  count: number;
  /** `quantile` from 0 to 1, `value` in nanoseconds. */
  percentiles: { quantile: number; value: number }[] | null;
}

export interface ChannelStats {
  channel_name: string;
  /** Ready and not yet handed out. */
  depth: number;
  in_flight_count: number;
  deferred_count: number;
  message_count: number;
  requeue_count: number;
  timeout_count: number;
  client_count: number;
  clients: ClientStats[] | null;
  paused: boolean;
  e2e_processing_latency: Latency;
  dead_count: number;
  finish_count: number;
  expired_count: number;
  dropped_count: number;
  waiting_count: number;
  position: string;
  options: ChannelOptions;
}

export interface TopicStats {
  topic_name: string;
  channels: ChannelStats[];
  /** Messages that no channel has taken over yet. */
  depth: number;
  message_count: number;
  message_bytes: number;
  paused: boolean;
  e2e_processing_latency: Latency;
  memory_bytes: number;
  disk_bytes: number;
  options: TopicOptions;
}

export interface Stats {
  version: string;
  health: string;
  /** Seconds since 1970. */
  start_time: number;
  topics: TopicStats[];
}

/** What all topics that match come to, whichever of them are on the page. */
export interface Total {
  topics: number;
  channels: number;
  /** Ready, in topics and channels. */
  depth: number;
  in_flight_count: number;
  deferred_count: number;
  dead_count: number;
  message_count: number;
  requeue_count: number;
  timeout_count: number;
  finish_count: number;
  client_count: number;
}

export type SortBy = 'name' | 'depth' | 'in_flight' | 'deferred' | 'dead' | 'messages';

/** Which topics are told, and in which order. */
export interface StatsQuery {
  /** A part of the name. */
  search: string;
  sort: SortBy;
  order: 'asc' | 'desc';
  /** How many are passed over. */
  offset: number;
  max: number;
}

/** Where a message is, for a channel. */
export type State = 'ready' | 'in_flight' | 'deferred' | 'dead';

export interface Message {
  /** 16 hex digits. */
  id: string;
  state?: State;
  attempts: number;
  /** Nanoseconds since 1970: when a lease or a delay ends. */
  until?: number;
  /** The same as RFC 3339 has it: a number of nanoseconds is rounded here. */
  ready_at?: string;
  /** Nanoseconds since 1970: when it was published. Not told of what is absent. */
  timestamp: number;
  /** The same as RFC 3339 has it, which no number rounds. */
  published?: string;
  key?: string;
  headers?: Record<string, string>;
  body?: string;
  body_base64?: string;
  /** Nothing more is known of it here: it is in the storage alone. */
  absent?: boolean;
}

/** As many messages as an answer has room for. */
export interface Messages {
  messages: Message[];
  /** The id of the one after them. */
  next?: string;
}

export class Api {
  constructor(
    readonly fetch: Fetch,
    /** Hears what the broker says of itself whenever it says it: `OK`, or `NOK` and why. */
    private onHealth: (health: string) => void = () => {},
  ) {}

  async #json<T>(at: string, init?: RequestInit): Promise<T> {
    return (await (await ok(this.fetch(at, init))).json()) as T;
  }

  async #post(at: string, params: Record<string, string | number | boolean | undefined>, body?: BodyInit): Promise<Response> {
    return ok(this.fetch(path(at, params), { method: 'POST', ...(body === undefined ? {} : { body }) }));
  }

  async #stats<T extends Stats>(params: Record<string, string | number | boolean>): Promise<T> {
    const told = await this.#json<T>(path('/stats', { format: 'json', include_mem: false, ...params }));
    this.onHealth(told.health);
    // `null`, as nsqd's, where there is no such topic.
    return { ...told, topics: told.topics ?? [] };
  }

  stats(only: { topic?: string; channel?: string; include_clients?: boolean } = {}): Promise<Stats> {
    return this.#stats(only);
  }

  /** A page of topics. */
  statsPage({ search, ...page }: StatsQuery): Promise<Stats & { total: Total }> {
    return this.#stats({ include_clients: false, ...(search === '' ? {} : { search }), ...page });
  }

  async peek(topic: string, channel?: string, state?: State, max = 100, from?: string): Promise<Messages> {
    return JSON.parse(await this.peeked(topic, channel, state, max, from)) as Messages;
  }

  /** The same as it is written. */
  async peeked(topic: string, channel?: string, state?: State, max = 100, from?: string): Promise<string> {
    const at = state === 'dead' ? path('/dead', { topic, channel, max, from }) : path('/peek', { topic, channel, state, max, from });
    return (await ok(this.fetch(at))).text();
  }

  /** Publishes a message; answers its id, and whether it was published before under the same key. */
  async publish(
    topic: string,
    body: BodyInit,
    { headers, ...options }: { defer?: string; key?: string; ttl?: string; dedup?: string; headers?: Record<string, string> } = {},
  ): Promise<{ id: string; isDuplicate: boolean }> {
    const init = { method: 'POST', body, ...(headers ? { headers } : {}) };
    const answer = (await ok(this.fetch(path('/pub', { topic, ...options }), init))).headers;
    return { id: answer.get('shelf-id') ?? '', isDuplicate: answer.get('shelf-duplicate') === 'true' };
  }

  async topic(act: 'create' | 'delete' | 'empty' | 'pause' | 'unpause' | 'config', topic: string, options: Record<string, string | number | boolean> = {}): Promise<void> {
    await this.#post(`/topic/${act}`, { topic, ...options });
  }

  async channel(
    act: 'create' | 'delete' | 'empty' | 'pause' | 'unpause' | 'config' | 'seek',
    topic: string,
    channel: string,
    options: Record<string, string | number | boolean> = {},
  ): Promise<void> {
    await this.#post(`/channel/${act}`, { topic, channel, ...options });
  }

  /** Puts dead letters back, all or by id; answers how many. */
  async redrive(topic: string, channel: string, id?: string): Promise<number> {
    const answer = await this.#post('/channel/redrive', { topic, channel, id });
    return ((await answer.json()) as { redriven: number }).redriven;
  }

  async emptyDead(topic: string, channel: string): Promise<void> {
    await this.#post('/dead/empty', { topic, channel });
  }
}
