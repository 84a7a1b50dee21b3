// A module whose memory ends early: what has no room there breaks off, as it would at the 4 GiB that WebAssembly has.
import { readFileSync } from 'node:fs';

const PAGE_BYTES = 65_536;
const MEMORY_SECTION = 5;

/** The broker's module, with so much memory at most, in bytes. */
export const smallModule = (most) =>
  WebAssembly.compile(small(readFileSync(new URL('../pkg/shelfmq_wasm_bg.wasm', import.meta.url)), most));

/** The same, of the bytes of a module. */
export function small(bytes, most) {
  const parts = [bytes.subarray(0, 8)];
  for (let at = 8; at < bytes.length; ) {
    const [size, body] = number(bytes, at + 1);
    let section = bytes.subarray(at, body + size);
    if (bytes[at] === MEMORY_SECTION) {
      // One memory, its limits: whether there is a most, the least, the most.
      const [least] = number(bytes, body + 2);
      const limits = Uint8Array.of(1, 1, ...written(least), ...written(Math.ceil(most / PAGE_BYTES)));
      section = Uint8Array.of(MEMORY_SECTION, ...written(limits.length), ...limits);
    }
    parts.push(section);
    at = body + size;
  }
  return Buffer.concat(parts);
}

/** A number in LEB128, and where it ends. */
function number(bytes, at) {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    value |= (bytes[at] & 0x7f) << shift;
    at += 1;
    if (bytes[at - 1] < 0x80) return [value, at];
  }
}

function written(value) {
  const bytes = [];
  for (; value > 0x7f; value >>>= 7) bytes.push((value & 0x7f) | 0x80);
  return [...bytes, value];
}
