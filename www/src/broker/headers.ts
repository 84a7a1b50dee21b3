// Values of headers: on the wire they are bytes, UTF-8 by this API's rule; for fetch each byte is the character of that number.

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Bytes as the characters of these numbers. */
export function binary(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/** A text as a value that fetch takes. */
export const toHeader = (text: string): string => binary(encoder.encode(text));

/** The text of a value that fetch tells; one that is no UTF-8 stays as it is. */
export function fromHeader(value: string): string {
  try {
    return decoder.decode(Uint8Array.from(value, (c) => c.charCodeAt(0)));
  } catch {
    return value;
  }
}
