export { Broker } from './broker.js';
export { VirtualClock } from './clock.js';
export { Client } from './client.js';
export { MemoryStorage } from './storage/memory.js';
