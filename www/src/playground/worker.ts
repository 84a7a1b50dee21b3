// The worker that has the broker: one for all tabs of this origin where the browser has shared workers, one for each
// tab where it has none. A lock sees to it that only one of them has the storage; another is without one.
import { serve } from 'shelfmq/port';

import { Host } from './host/host.js';
import { answerCalls, sendNews } from './rpc.js';
import type { HostCalls, Join, News } from './wire.js';

const LOCK = 'shelfmq-playground';
/** How long a worker that is about to end may take for it, in milliseconds. */
const PATIENCE_MS = 3_000;

interface Tab {
  port: MessagePort;
  wanted: boolean;
}

const tabs = new Set<Tab>();
let host: Promise<Host> | undefined;

/** One for all tabs, rather than one for each. */
const isShared = 'onconnect' in self;

/** Whether the storage is ours; then it is for as long as this worker lives. */
function lock(): Promise<boolean> {
  // A page that came without TLS has no locks: then only a worker that all tabs share can know that it is alone.
  if (!navigator.locks) return Promise.resolve(isShared);
  return new Promise((resolve) => {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const held = navigator.locks.request(LOCK, { signal }, () => {
      resolve(true);
      return new Promise(() => {});
    });
    held.catch(() => resolve(false));
  });
}

function news(news: News): void {
  for (const { port, wanted } of tabs) if (wanted || 'about' in news) sendNews(port, news);
}

async function open(): Promise<Host> {
  const host = new Host(await lock(), () => tabs.size, news);
  await host.opened();
  return host;
}

/** What a tab may call, on this host. */
function callsOf(host: Host, tab: Tab): Omit<HostCalls, 'ready' | 'leave'> {
  return {
    setSpeed: async (speed) => host.setSpeed(speed),
    step: () => host.andShow(() => host.step()),
    nextDeadline: () => host.andShow(() => host.nextDeadline()),
    advance: (ms) => host.andShow(() => host.advance(ms)),
    addConsumer: (spec) => host.andShow(() => host.actors.addConsumer(spec)),
    removeConsumer: (id) => host.andShow(() => host.actors.remove(id)),
    addProducer: (spec) => host.andShow(() => host.actors.addProducer(spec)),
    removeProducer: (id) => host.andShow(() => host.actors.remove(id)),
    importLog: (bytes) => host.andShow(() => host.importLog(bytes)),
    exportLog: (topic) => host.exportLog(topic),
    recording: (own) => host.recording(own),
    exportState: () => host.exportState(),
    importState: (bytes) => host.andShow(() => host.importState(bytes)),
    reset: () => host.andShow(() => host.reset()),
    keep: () => host.keep(),
    show: async (wanted) => {
      tab.wanted = wanted;
      if (wanted && host.shown) sendNews(tab.port, { frame: host.shown } satisfies News);
    },
  };
}

/** A tab comes. */
function join({ join: name }: Join, api: MessagePort, port: MessagePort): void {
  const tab: Tab = { port, wanted: true };
  tabs.add(tab);
  const gone = new AbortController();
  const left = async () => {
    if (!tabs.delete(tab)) return;
    gone.abort();
    news({ about: (await opened).about });
  };
  host ??= open();
  const opened = host;
  // Who goes hangs up: its polls are not to wait for messages that nobody takes.
  serve(async (request) => {
    const host = await opened;
    // Older browsers cannot join signals.
    if (!AbortSignal.any) return host.fetch(request);
    return host.fetch(new Request(request, { signal: AbortSignal.any([request.signal, gone.signal]) }));
  }, api);
  const late = new Proxy({} as HostCalls, {
    get: (_, method: keyof HostCalls) => async (...args: never[]) => {
      if (method === 'leave') return left();
      const host = await opened;
      if (method === 'ready') {
        if (host.shown) sendNews(port, { frame: host.shown } satisfies News);
        news({ about: host.about });
        return host.about;
      }
      const call = callsOf(host, tab)[method] as (...args: never[]) => unknown;
      return call(...args);
    },
  });
  answerCalls(port, late);
  // The tab has this lock for as long as it lives.
  void navigator.locks?.request(name, left);
}

const listen = (to: MessagePort | Window) =>
  to.addEventListener('message', (event) => {
    const { data, ports } = event as MessageEvent<Join>;
    const [api, port] = ports;
    if (data.join !== undefined && api && port) join(data, api, port);
  });

if (isShared) {
  self.addEventListener('connect', (event) => {
    const [port] = (event as MessageEvent).ports;
    listen(port!);
    port!.start();
  });
} else {
  listen(self);
}
