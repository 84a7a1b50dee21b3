/** Paths of requests that change nothing. */
const LOOKS = /^\/(stats|peek|dead|ping|info|metrics|openapi\.json|topics|channels|lookup|nodes|config\/.*|)$/;

/** Whether a request only looks. */
export function looks(method: string, path: string): boolean {
  return method !== 'POST' && method !== 'PUT' && LOOKS.test(path);
}
