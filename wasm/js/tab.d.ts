import type { BrokerOptions } from './index.js';

/**
 * Starts a worker that has a broker with its logs in the origin's private file system, and offers it to the service
 * worker (`shelfmq/service-worker`) where one is registered. Of all tabs that call this with the same name, one has the
 * broker: the others wait, and one takes over when that tab goes.
 */
export declare function hostBroker(options?: {
  /** The directory, and the lock; `shelfmq` where it is not said. */
  name?: string;
  options?: Pick<BrokerOptions, 'limits' | 'segmentBytes' | 'cacheBytes' | 'module'>;
  /** Made of `shelfmq/worker`, where a bundler wants to see how. */
  worker?: Worker;
  /** Asks the browser not to clear the origin's data when it wants room (`navigator.storage.persist()`). */
  persist?: boolean;
}): {
  /** Kept once this tab has all it needs to take over, also without a network. */
  standby: Promise<void>;
  /** Kept once this tab has the broker. */
  opened: Promise<void>;
  /** A port to it, for `fetchOver` of `shelfmq/port`; what is asked over it waits until this tab has the broker. */
  port(): MessagePort;
  worker: Worker;
};
