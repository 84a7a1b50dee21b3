// A broker for all tabs of an origin: it runs in a worker of one of them, and a service worker (js/service-worker.js)
// brings every tab's plain `fetch` to it, offline too.

/**
 * Starts the worker of this tab, and offers it to the service worker where there is one.
 *
 * @param {{ name?: string, options?: object, worker?: Worker, persist?: boolean }} [given] `options` are a broker's own, but for what
 *   cannot be sent to a worker
 */
export function hostBroker({ name, options, worker, persist = false } = {}) {
  if (persist) navigator.storage?.persist?.().catch(() => {});
  worker ??= new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
  /** Kept once the worker says this, broken where it fails first. */
  const told = (what) =>
    new Promise((resolve, reject) => {
      worker.addEventListener('message', ({ data }) => {
        if (data.shelfmq === 'failed') reject(new Error(data.why));
        if (data.shelfmq === what) resolve();
      });
      worker.addEventListener('error', (event) => reject(new Error(event.message)));
    });
  const standby = told('standby');
  const opened = told('open');
  // Whoever hands out ports only need not look at either.
  standby.catch(() => {});
  worker.postMessage({ shelfmq: 'open', name, options });

  /** A port to the broker; what is asked over it waits until this tab has the lock. */
  const port = () => {
    const { port1, port2 } = new MessageChannel();
    worker.postMessage({ shelfmq: 'port' }, [port2]);
    return port1;
  };
  const offer = (to) => to?.postMessage({ shelfmq: 'broker' }, [port()]);

  const services = navigator.serviceWorker;
  if (services) {
    opened.then(() => services.ready).then(({ active }) => offer(active));
    // One that was stopped has forgotten where the broker is, and asks.
    services.addEventListener('message', ({ data, source }) => {
      if (data?.shelfmq === 'wanted') opened.then(() => offer(source));
    });
  }
  return { standby, opened, port, worker };
}
