// What a broker itself tells of, beside what it answers.

/** Something that a broker in this place cannot do. `code` is for programs: it means the same for ever. */
export class BrokerError extends Error {
  constructor(code, message, options) {
    super(`shelfmq: ${message}`, options);
    this.name = 'BrokerError';
    this.code = code;
  }
}

export const inUse = (what, options) =>
  new BrokerError('STORAGE_IN_USE', `${what} is in use by another broker: close that one, or wait until it is gone`, options);
