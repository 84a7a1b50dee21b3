// Segments that are kept as pieces, each where it begins.

/** A part of a segment, of all its pieces: `[offset, bytes]`. */
export function joined(pieces, offset, length) {
  const size = pieces.reduce((size, [at, bytes]) => Math.max(size, at + bytes.length), 0);
  const end = Math.min(size, offset + length);
  const part = new Uint8Array(Math.max(0, end - offset));
  for (const [at, bytes] of pieces) {
    const [from, to] = [Math.max(at, offset), Math.min(at + bytes.length, end)];
    if (from < to) part.set(bytes.subarray(from - at, to - at), from - offset);
  }
  return part;
}
