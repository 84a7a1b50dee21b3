// Which broker this app is about.
import { signal } from '@preact/signals';

import { Api } from './api.js';
import { ORIGIN, type Fetch } from './fetch.js';
import type { Play } from './play.js';
import { keepReceipts } from './receipts.js';

export interface Session {
  life: 'playground' | 'console';
  fetch: Fetch;
  api: Api;
  /** What goes before a path in commands that are shown: `http://localhost:4151`. */
  base: string;
  /** The broker's time, ms since 1970. */
  now(): number;
  /** Only the broker in the page has it. */
  play?: Play;
}

const TOKEN = 'shelfmq.token';

/** The token that goes with each request to a server; kept for this tab only. */
export const token = signal(sessionStorage.getItem(TOKEN) ?? '');
/** A server wants a token, or another one. */
export const wantsToken = signal(false);

export function signIn(given: string): void {
  token.value = given;
  sessionStorage.setItem(TOKEN, given);
  wantsToken.value = false;
}

/** A session with the server that this page came from: its API stands beside the page. */
export function serverSession(base = new URL('.', location.href).href.replace(/\/$/, '')): Session {
  const ask: Fetch = async (at, init) => {
    const headers = new Headers(init?.headers);
    const given = token.value;
    if (given !== '') headers.set('authorization', `Bearer ${given}`);
    const response = await fetch(base + at, { ...init, headers });
    // What was on its way with the token before says nothing about this one.
    if (response.status === 401 && given === token.value) wantsToken.value = true;
    return response;
  };
  return { life: 'console', fetch: ask, api: new Api(ask), base, now: () => Date.now() };
}

/** A session with the broker in this page. */
export function playSession(play: Play): Session {
  const fetch = keepReceipts(play.fetch);
  return {
    life: 'playground',
    fetch,
    api: new Api(fetch),
    base: ORIGIN,
    now: () => play.frame.value?.now ?? Date.now(),
    play,
  };
}
