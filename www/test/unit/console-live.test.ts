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
  let asked = 0;
  const live = new Live(() => {
    asked += 1;
    return asked === 1 ? new Promise<number>(() => {}) : Promise.resolve(asked);
  });
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
