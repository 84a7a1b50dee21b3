import { brokerOn } from './broker.js';
import { load } from './load.js';

export { VirtualClock } from './clock.js';
export { Client } from './client.js';
export { MemoryStorage } from './storage/memory.js';
export const Broker = brokerOn(load);
