/** What a path alone is taken to be a path of. */
const ORIGIN = 'http://localhost:4151';

/** What a fetch function was given, as a request. */
export function requestOf(input, init) {
  if (input instanceof Request && init === undefined) return input;
  // A path is taken as it is: resolved, "//ping" would be a host.
  if (typeof input === 'string' && input.startsWith('/')) input = ORIGIN + input;
  return new Request(input, init);
}
