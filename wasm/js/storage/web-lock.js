// A lock of the browser, for all tabs and workers of an origin.
import { BrokerError, inUse } from '../errors.js';

/** One who is just going is waited for so long, in milliseconds: a page that is loaded again, a tab that is closed. */
const PATIENCE_MS = 2_000;

/** Whether there are such locks: a page that did not come over HTTPS, nor from this machine, has none. */
export const hasLocks = () => globalThis.navigator?.locks !== undefined;

/**
 * Takes the lock of this name. `release` lets it go; `lost` is kept, with an error, once somebody took it away.
 *
 * @param what has the lock, for who does not get it
 */
export function takeLock(name, what) {
  return new Promise((resolve, reject) => {
    let release;
    const held = new Promise((done) => (release = done));
    let lose;
    const lost = new Promise((done) => (lose = done));
    const patience = new AbortController();
    const timer = setTimeout(() => patience.abort(), PATIENCE_MS);
    const request = navigator.locks.request(name, { signal: patience.signal }, () => {
      clearTimeout(timer);
      resolve({ release, lost });
      return held;
    });
    request.catch((why) => {
      clearTimeout(timer);
      if (patience.signal.aborted) reject(inUse(what));
      else reject(why);
      lose(new BrokerError('STORAGE_LOST', `somebody else took ${what}`, { cause: why }));
    });
  });
}
