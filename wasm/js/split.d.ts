/**
 * A broker whose module comes in two parts: what a visit begins with, and the rest, which is loaded by itself at the first
 * call of any of it. That call waits for it, which is possible in workers (dedicated and shared ones) and in Node. Where
 * it cannot be loaded then, the call breaks, and the broker with it; what it answered `OK` to is in its storage.
 */
export * from './index.js';

/** Loads the rest now, so that nothing has to wait for it later. */
export declare function loadRest(): Promise<void>;
