// Calls over a message port, and news in the other direction. Errors come over as their message.
import { reason } from '../broker/fetch.js';

type Call = { call: number; name: string; args: unknown[] };
type Answer = { answer: number; value: unknown } | { failed: number; why: string } | { news: unknown };

/** What stands at the other end, seen from here: everything takes a while. */
export type Remote<T> = {
  [K in keyof T]: T[K] extends (...args: infer A) => infer R ? (...args: A) => Promise<Awaited<R>> : never;
};

/** Buffers that an answer's bytes are in: they are handed over where nobody needs them here any more. */
function buffers(value: unknown): ArrayBuffer[] {
  const parts = Array.isArray(value) ? value : [value];
  const found = parts.filter((part) => part instanceof Uint8Array).map((part) => part.buffer as ArrayBuffer);
  return [...new Set(found)];
}

/** Answers calls that come over this port by methods of these names. */
export function answerCalls<T extends object>(port: MessagePort, methods: T): void {
  const table = methods as Record<string, (...args: unknown[]) => unknown>;
  port.addEventListener('message', async ({ data }: MessageEvent<Call>) => {
    if (data.call === undefined) return;
    try {
      const value = await table[data.name]!(...data.args);
      port.postMessage({ answer: data.call, value }, buffers(value));
    } catch (why) {
      port.postMessage({ failed: data.call, why: reason(why) });
    }
  });
  port.start();
}

/** Sends news to the other end. */
export function sendNews(port: MessagePort, news: unknown): void {
  port.postMessage({ news });
}

/** Methods at the other end of this port; `onNews` hears what comes unasked, `gone` says that there is no other end. */
export function remote<T extends object>(port: MessagePort, onNews?: (news: unknown) => void, gone?: AbortSignal): Remote<T> {
  const open = new Map<number, { resolve(value: unknown): void; reject(why: Error): void }>();
  let last = 0;
  port.addEventListener('message', ({ data }: MessageEvent<Answer>) => {
    if ('news' in data) return onNews?.(data.news);
    const id = 'answer' in data ? data.answer : data.failed;
    const waiting = open.get(id);
    open.delete(id);
    if ('answer' in data) waiting?.resolve(data.value);
    else waiting?.reject(new Error(data.why));
  });
  port.start();
  gone?.addEventListener('abort', () => {
    for (const { reject } of open.values()) reject(gone.reason as Error);
    open.clear();
  });
  const call = (name: string, args: unknown[]) =>
    new Promise((resolve, reject) => {
      gone?.throwIfAborted();
      last += 1;
      open.set(last, { resolve, reject });
      port.postMessage({ call: last, name, args } satisfies Call);
    });
  return new Proxy({} as Remote<T>, {
    // It may be awaited itself, without being taken for a promise.
    get: (_, name) => (name === 'then' ? undefined : (...args: unknown[]) => call(String(name), args)),
  });
}
