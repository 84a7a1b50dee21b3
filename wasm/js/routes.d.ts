/** A row of the core's table of all that can be asked. */
export interface Route {
  readonly methods: readonly string[];
  /** Where it has a parameter of its own, that is its last part, and begins with a colon: `/config/:opt`. */
  readonly path: string;
  /** It changes nothing, however often it is asked. */
  readonly looks: boolean;
  /** What whoever asks must be allowed to do; nothing for what is open to all. */
  readonly right: '' | 'publish' | 'consume' | 'admin' | 'watch';
  /** What it is about: the topic that its query names, the broker as a whole, or all topics. */
  readonly of: 'topic' | 'node' | 'all';
}

/** All that can be asked. `/openapi.json` tells more, of a broker that is there. */
export declare const ROUTES: readonly Route[];
/** Whether there is anything at a path, by any method. */
export declare function isPath(path: string): boolean;
/** What a method and a path lead to, if anything. A method is in capitals, a path without its query. */
export declare function routeOf(method: string, path: string): Route | undefined;
/** Whether a request changes nothing, however often it is asked: it only looks, or it leads to nothing. */
export declare function looks(method: string, path: string): boolean;
