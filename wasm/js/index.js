import { brokerOn } from './broker.js';
import { load } from './load.js';

export { VirtualClock } from './clock.js';
export { Client, Message, ShelfmqError } from './client.js';
export { BrokerError } from './errors.js';
export { MemoryStorage } from './storage/memory.js';
export const Broker = brokerOn(load);
