// The broker's module: each broker has an instance of it.
import { bind } from '../pkg/shelfmq_wasm.js';
import { instantiate } from './instance.js';
import { loader } from './loader.js';

/** Finds and compiles it, if only to have it. */
export const find = loader(() => new URL('../pkg/shelfmq_wasm_bg.wasm', import.meta.url), 'shelfmq/shelfmq.wasm');

export const load = async (module, told) => instantiate(bind, await find(module), told);
