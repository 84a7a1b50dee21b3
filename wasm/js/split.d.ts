/**
 * A broker whose module comes in two parts: what a visit begins with (opening a broker whose storage is empty, and looking at
 * its `/stats?format=json`), and the rest, which is loaded once something is asked of the broker. That call waits for it.
 * Where the rest cannot be loaded the call is rejected, nothing of it was done, and the next one tries again.
 */
export * from './index.js';

/** Loads the rest now, so that nothing has to wait for it later. */
export declare function loadRest(): Promise<void>;
