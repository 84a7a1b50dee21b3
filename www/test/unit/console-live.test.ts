import { afterEach, beforeEach, expect, test, vi } from 'vitest';

const page = Object.assign(new EventTarget(), { visibilityState: 'visible', documentElement: { lang: '' } });

beforeEach(() => {
  vi.useFakeTimers();
  vi.resetModules();
  vi.stubGlobal('document', page);
  vi.stubGlobal('sessionStorage', { getItem: () => null, setItem: () => {} });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('what is never answered is told of as no answer, and asked again', async () => {
  const { Live } = await import('../../src/console/live.js');
  const { serverSession } = await import('../../src/broker/session.js');
  let asked = 0;
  vi.stubGlobal('fetch', (_: string, { signal }: RequestInit) => {
    asked += 1;
    // As a browser: nothing comes until it is given up.
    if (asked === 1) return new Promise((_, reject) => signal!.addEventListener('abort', () => reject(signal!.reason)));
    return Promise.resolve(Response.json({ health: 'OK', topics: [] }));
  });
  const { api } = serverSession('http://x');
  const live = new Live(async () => (await api.stats(), asked));
  live.start();
  live.refresh();
  await vi.advanceTimersByTimeAsync(14_000);
  expect([asked, live.error.value]).toEqual([1, undefined]);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(live.error.value).toBeInstanceOf(TypeError);
  await vi.advanceTimersByTimeAsync(61_000);
  expect(live.error.value).toBeUndefined();
  expect(live.value.value).toBeGreaterThan(1);
  live.stop();
});

test('a refusal of the token before asks for no other one', async () => {
  const { serverSession, signIn, wantsToken } = await import('../../src/broker/session.js');
  const answers: ((response: Response) => void)[] = [];
  vi.stubGlobal('fetch', () => new Promise<Response>((answer) => answers.push(answer)));
  const session = serverSession('http://x');
  const refused = () => new Response('', { status: 401 });
  signIn('old');
  const first = session.fetch('/stats');
  signIn('new');
  answers[0]!(refused());
  await first;
  expect(wantsToken.value).toBe(false);
  const second = session.fetch('/stats');
  answers[1]!(refused());
  await second;
  expect(wantsToken.value).toBe(true);
});

test('a command that brings its own authorization keeps it, and what it is answered is not about the token', async () => {
  const { serverSession, signIn, wantsToken } = await import('../../src/broker/session.js');
  const given: (string | null)[] = [];
  vi.stubGlobal('fetch', (_: string, { headers }: RequestInit) => {
    given.push(new Headers(headers).get('authorization'));
    return Promise.resolve(new Response('', { status: 401 }));
  });
  const session = serverSession('http://x');
  signIn('mine');
  await session.fetch('/stats', { headers: { authorization: 'Bearer other' } });
  expect([given, wantsToken.value]).toEqual([['Bearer other'], false]);
  await session.fetch('/stats');
  expect([given[1], wantsToken.value]).toEqual(['Bearer mine', true]);
});
