// Where in the app we are: `#/topics/books/channels/reader` is ['topics', 'books', 'channels', 'reader'].
import { computed, signal } from '@preact/signals';

const hash = signal(location.hash);
addEventListener('hashchange', () => (hash.value = location.hash));

/** The parts of the place, decoded; empty at the start. */
export const route = computed<readonly string[]>(() => {
  const path = hash.value.startsWith('#/') ? hash.value.slice(2) : '';
  return path.split('/').filter(Boolean).map(decoded);
});

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    // Typed by hand: it is taken as it is.
    return part;
  }
}

/** The `href` of a place. */
export function to(...parts: string[]): string {
  return `#/${parts.map(encodeURIComponent).join('/')}`;
}

/** Goes there from a place, unless somebody has gone elsewhere meanwhile. */
export function goFrom(place: readonly string[], ...parts: string[]): void {
  if (route.peek() === place) go(...parts);
}

export function go(...parts: string[]): void {
  location.hash = to(...parts);
}
