import type { Fetch } from './client.js';

/** Answers what comes over this port by a fetch function. */
export declare function serve(fetch: (request: Request) => Promise<Response>, port: MessagePort): void;

/** A fetch function that is answered at the other end of this port. URLs are whole, not paths alone. */
export declare function fetchOver(port: MessagePort): Fetch;
