// How a tab sees the broker in the worker.
import { computed, signal } from '@preact/signals';
import { fetchOver } from 'shelfmq/port';

import { ORIGIN, type Fetch } from '../broker/fetch.js';
import type { Frame, Play } from '../broker/play.js';
import type { Past } from './past.js';
import { remote } from './rpc.js';
import type { About, HostCalls, Join, News } from './wire.js';

type Post = (join: Join, ports: MessagePort[]) => void;

/** Starts the worker, or finds the one that other tabs have already. */
function worker(onError: (why: Error) => void): Post {
  if (typeof SharedWorker === 'undefined') {
    const own = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module', name: 'shelfmq' });
    own.addEventListener('error', (event) => onError(new Error(event.message || 'the worker does not start')));
    return (join, ports) => own.postMessage(join, ports);
  }
  const shared = new SharedWorker(new URL('./worker.ts', import.meta.url), { type: 'module', name: 'shelfmq' });
  shared.addEventListener('error', () => onError(new Error('the worker does not start')));
  return (join, ports) => shared.port.postMessage(join, ports);
}

/** A lock that is held for as long as this tab lives; its name. */
async function life(): Promise<string> {
  const name = `shelfmq-tab-${crypto.getRandomValues(new Uint32Array(3)).join('-')}`;
  if (!navigator.locks) return name;
  await new Promise<void>((held) => {
    void navigator.locks.request(name, () => {
      held();
      return new Promise(() => {});
    });
  });
  return name;
}

export async function openPlay(): Promise<Play> {
  const live = signal<Frame | undefined>(undefined);
  const about = signal<About>({ speed: 1, tabs: 1, from: Date.now(), run: 0, kept: true });
  const [api, control] = [new MessageChannel(), new MessageChannel()];
  const onNews = (news: unknown) => {
    const told = news as News;
    if ('frame' in told) live.value = told.frame;
    else if ('about' in told) about.value = told.about;
    else if (live.value) live.value = { ...live.value, now: told.now, flows: [] };
  };
  const host = remote<HostCalls>(control.port1, onNews);
  const ask = fetchOver(api.port1);
  await new Promise<void>((resolve, reject) => {
    const post = worker(reject);
    void life().then((join) => post({ join }, [api.port2, control.port2]));
    host.ready().then((told) => ((about.value = told), resolve()), reject);
  });
  document.addEventListener('visibilitychange', () => void host.show(document.visibilityState === 'visible'));
  addEventListener('pagehide', (event) => {
    void host.keep().catch(() => {});
    if (!(event as PageTransitionEvent).persisted && !navigator.locks) void host.leave().catch(() => {});
  });
  const now: Fetch = (at, init) => ask(ORIGIN + at, init);

  // What is past is gone through in a worker of this tab's own, which is only there once somebody looks back.
  const past = signal<Past | undefined>(undefined);
  const looksBack = async () => {
    const { Past } = await import('./past.js');
    past.value ??= new Past(host, about, () => live.value?.now ?? 0, now);
    return past.value;
  };
  const looking = computed(() => past.value?.moment.value);
  // Whoever has the broker opened anew wants to see what came of it, not what was.
  const anew = <T>(act: () => Promise<T>): Promise<T> => {
    past.value?.close();
    return act();
  };

  return {
    fetch: (at, init) => (looking.value && past.value ? past.value.fetch(at, init) : now(at, init)),
    frame: computed(() => (looking.value ? past.value?.frame.value : live.value)),
    speed: computed(() => about.value.speed),
    tabs: computed(() => about.value.tabs),
    kept: computed(() => about.value.kept),
    reading: computed(() => past.value?.reading.value),
    history: computed(() => {
      const known = past.value?.history.value;
      if (known && (looking.value || known.file !== undefined)) return known;
      return live.value && { from: about.value.from, to: live.value.now, steps: 0 };
    }),
    past: looking,
    setSpeed: (speed) => host.setSpeed(speed),
    step: () => host.step(),
    nextDeadline: () => host.nextDeadline(),
    advance: (ms) => host.advance(ms),
    travel: async (to) => (to || past.value ? (await looksBack()).travel(to) : undefined),
    catchUp: async () => (await looksBack()).catchUp(),
    told: async (from, count) => (await looksBack()).told(from, count),
    story: async (topic, id) => (await looksBack()).story(topic, id),
    addConsumer: (spec) => host.addConsumer(spec),
    removeConsumer: (id) => host.removeConsumer(id),
    addProducer: (spec) => host.addProducer(spec),
    removeProducer: (id) => host.removeProducer(id),
    openRecording: async (name, parts) => (await looksBack()).open(name, parts),
    closeRecording: async () => past.value?.close(),
    importLog: (bytes) => anew(() => host.importLog(bytes)),
    exportLog: (topic) => host.exportLog(topic),
    recording: () => host.recording(),
    exportState: () => host.exportState(),
    importState: (bytes) => anew(() => host.importState(bytes)),
    reset: () => anew(() => host.reset()),
  };
}
