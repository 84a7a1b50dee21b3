// Segments that are kept as pieces, each where it begins.

/** What a storage lists, of the places where pieces stand: `[topic, segment, offset, bytes]`. */
export function listed(places) {
  const topics = new Map();
  for (const [topic, segment, offset, bytes] of places) {
    const segments = topics.get(topic) ?? topics.set(topic, new Map()).get(topic);
    segments.set(segment, Math.max(segments.get(segment) ?? 0, offset + bytes.length));
  }
  return [...topics].map(([topic, segments]) => ({
    topic,
    segments: [...segments].map(([number, size]) => ({ number, size })),
  }));
}

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
