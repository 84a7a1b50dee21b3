/** Something that a broker in this place cannot do. */
export declare class BrokerError extends Error {
  /** For programs: it means the same for ever. */
  readonly code:
    /** The broker broke off: by a trap of its module, or for want of memory. `cause` has what it was. */
    | 'BROKER_FAILED'
    /** It was closed before. */
    | 'BROKER_CLOSED'
    /** Not all that was done could be stored before it closed. What got its OK is stored. */
    | 'NOT_WRITTEN'
    /** Another broker has the storage, in this place or elsewhere. */
    | 'STORAGE_IN_USE'
    /** The storage was taken away or deleted while a broker had it. */
    | 'STORAGE_LOST'
    /** There is no storage where one is needed. */
    | 'INVALID_STORAGE'
    /** A limit that makes no sense. */
    | 'INVALID_LIMIT'
    /** The WebAssembly module is not where it is looked for. */
    | 'MODULE_NOT_FOUND'
    /** Nothing here can lock a data directory. */
    | 'NO_LOCK'
    /** A directory is something else than a data directory, or of another version. */
    | 'NO_DATA_DIRECTORY';
}
