// States and scripts in links: `#s=` and `#run=`, packed, in the URL's own alphabet. The part behind `#` is sent to no
// server.

/** Longer links are cut or refused on their way through mail and chats, in characters. */
export const LONGEST = 30_000;
/** What a link unpacks to at most, in bytes. */
const MOST_BYTES = 16 * 1024 * 1024;

export type Bytes = Uint8Array<ArrayBuffer>;
export type Shared = { state: Bytes } | { script: string };

/** More than a link has room for. */
export class TooLong extends Error {}

async function through(bytes: Bytes, stream: CompressionStream | DecompressionStream): Promise<Bytes> {
  const reader = new Blob([bytes]).stream().pipeThrough(stream).getReader();
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > MOST_BYTES) {
      await reader.cancel();
      throw new TooLong('this is more than a link is to have');
    }
    chunks.push(value as Bytes);
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

export function toBase64url(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

export function fromBase64url(text: string): Bytes {
  const bytes = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(bytes, (char) => char.charCodeAt(0));
}

/** What goes behind a page's address. */
export async function fragmentOf(shared: Shared): Promise<string> {
  const bytes: Bytes = 'state' in shared ? shared.state : new TextEncoder().encode(shared.script);
  if (bytes.length > MOST_BYTES) throw new TooLong('this is more than a link has room for');
  const packed = toBase64url(await through(bytes, new CompressionStream('deflate-raw')));
  if (packed.length > LONGEST) throw new TooLong('this is more than a link has room for');
  return `#${'state' in shared ? 's' : 'run'}=${packed}`;
}

/** What a fragment brings, if it brings something; throws where that is damaged. */
export async function sharedIn(fragment: string): Promise<Shared | undefined> {
  const found = /^#(s|run)=([\w-]+)$/.exec(fragment);
  if (!found) return undefined;
  let bytes: Bytes;
  try {
    bytes = await through(fromBase64url(found[2]!), new DecompressionStream('deflate-raw'));
  } catch (why) {
    throw why instanceof TooLong ? why : new Error('this link is damaged: copy it once more');
  }
  return found[1] === 's' ? { state: bytes } : { script: new TextDecoder().decode(bytes) };
}
