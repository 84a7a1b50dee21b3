// Which broker this app is about.
import { signal, type ReadonlySignal } from '@preact/signals';

import { Api } from './api.js';
import { ORIGIN, type Fetch } from './fetch.js';
import type { Play } from './play.js';
import { keepReceipts } from './receipts.js';

export interface Session {
  life: 'playground' | 'console';
  fetch: Fetch;
  api: Api;
  /** What the broker said of itself last: `OK`, or `NOK` and why. */
  health: ReadonlySignal<string>;
  /** What goes before a path in commands that are shown: `http://localhost:4151`. */
  base: string;
  /** The broker's time, ms since 1970. */
  now(): number;
  /** Only the broker in the page has it. */
  play?: Play;
}

const TOKEN = 'shelfmq.token';

/** The token that goes with each request to a server; kept for this tab only. */
export const token = signal(globalThis.sessionStorage?.getItem(TOKEN) ?? '');
/** A server wants a token, or another one. */
export const wantsToken = signal(false);

export function signIn(given: string): void {
  token.value = given;
  sessionStorage.setItem(TOKEN, given);
  wantsToken.value = false;
}

/** After so long, an answer is not waited for any more: where a network is gone without a word, there will be none. */
const PATIENCE = 15_000;

/** What only looks is given up in time, and its connection with it. */
function inTime(ask: Fetch): Fetch {
  return (at, init) => {
    if (init?.method !== undefined) return ask(at, init);
    const late = new AbortController();
    setTimeout(() => late.abort(new TypeError('network: no answer')), PATIENCE);
    return ask(at, { ...init, signal: late.signal });
  };
}

function apiOf(fetch: Fetch): Pick<Session, 'api' | 'health'> {
  const health = signal('OK');
  return { api: new Api(fetch, (said) => (health.value = said)), health };
}

/** A session with the server that this page came from: its API stands beside the page. */
export function serverSession(base = new URL('.', location.href).href.replace(/\/$/, '')): Session {
  const ask: Fetch = async (at, init) => {
    const headers = new Headers(init?.headers);
    const given = token.value;
    // Who gives another one, in a command, has that answered.
    const isOwn = !headers.has('authorization');
    if (given !== '' && isOwn) headers.set('authorization', `Bearer ${given}`);
    const response = await fetch(base + at, { ...init, headers });
    // What was on its way with the token before says nothing about this one.
    if (response.status === 401 && isOwn && given === token.value) wantsToken.value = true;
    return response;
  };
  return { life: 'console', fetch: ask, ...apiOf(inTime(ask)), base, now: () => Date.now() };
}

/** A session with the broker in this page. */
export function playSession(play: Play): Session {
  const fetch = keepReceipts(play.fetch);
  return {
    life: 'playground',
    fetch,
    ...apiOf(fetch),
    base: ORIGIN,
    now: () => play.frame.value?.now ?? Date.now(),
    play,
  };
}
