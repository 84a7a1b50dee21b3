// Loads the broker's module.
import init from '../pkg/shelfmq_wasm.js';
import { loader } from './loader.js';

export const load = loader(init, () => new URL('../pkg/shelfmq_wasm_bg.wasm', import.meta.url));
