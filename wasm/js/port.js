// A fetch function on one side of a message port, and what answers it on the other. Bodies of answers go over in
// chunks, each when the reader has room for it, so that a stream stays a stream and a hang-up is seen.

/** Answers what comes over this port by a fetch function. */
export function serve(fetch, port) {
  /** Answers that are not at their end, by number. */
  const open = new Map();

  async function answer(id, { url, method, headers, body }) {
    const abort = new AbortController();
    const state = { abort };
    const pull = () => new Promise((pulled) => (state.pulled = pulled));
    let pulled = pull();
    open.set(id, state);
    try {
      const response = await fetch(new Request(url, { method, headers, body, signal: abort.signal }));
      const { status } = response;
      port.postMessage({ id, head: { status, headers: [...response.headers], empty: response.body === null } });
      const reader = response.body?.getReader();
      for (;;) {
        // One chunk ahead, so that the end is told also to who does not read.
        const { done, value } = (await reader?.read()) ?? { done: true };
        if (done) break;
        await pulled;
        abort.signal.throwIfAborted();
        pulled = pull();
        port.postMessage({ id, chunk: value });
      }
      port.postMessage({ id, end: true });
    } catch (why) {
      port.postMessage({ id, failed: String(why?.message ?? why) });
    } finally {
      open.delete(id);
    }
  }

  port.addEventListener('message', ({ data: { id, ask, pull, abort } }) => {
    if (ask) answer(id, ask);
    const state = open.get(id);
    if (abort) state?.abort.abort();
    // Who waits for a pull is woken by an abort, too.
    if (pull || abort) state?.pulled();
  });
  port.start?.();
}

/** A fetch function that is answered at the other end of this port. */
export function fetchOver(port) {
  const open = new Map();
  let last = 0;

  port.addEventListener('message', ({ data }) => open.get(data.id)?.(data));
  /** The other end is gone: what waits for it is told so. */
  fetch.end = () => {
    for (const tell of [...open.values()]) tell({ failed: 'the broker went with its tab' });
  };
  // Browsers that know it say so.
  port.addEventListener('close', fetch.end);
  port.start?.();
  return fetch;

  async function fetch(input, init) {
    const request = input instanceof Request && init === undefined ? input : new Request(input, init);
    const { url, method, signal } = request;
    const body = ['GET', 'HEAD'].includes(method) ? undefined : await request.arrayBuffer();
    signal.throwIfAborted();
    last += 1;
    const id = last;
    return new Promise((resolve, reject) => {
      let stream;
      const end = () => {
        open.delete(id);
        signal.removeEventListener('abort', hangUp);
      };
      const hangUp = () => {
        end();
        port.postMessage({ id, abort: true });
        stream?.error(signal.reason);
        reject(signal.reason);
      };
      signal.addEventListener('abort', hangUp);
      open.set(id, ({ head, chunk, failed }) => {
        if (head) {
          resolve(new Response(head.empty ? null : bodyOf(head), { status: head.status, headers: head.headers }));
        } else if (chunk) {
          stream?.enqueue(chunk);
        } else {
          end();
          const why = failed === undefined ? undefined : new TypeError(failed);
          if (why) {
            stream?.error(why);
            reject(why);
          } else {
            stream?.close();
          }
        }
      });
      const bodyOf = () =>
        new ReadableStream({
          start: (controller) => (stream = controller),
          pull: () => port.postMessage({ id, pull: true }),
          cancel: () => {
            end();
            port.postMessage({ id, abort: true });
          },
        });
      port.postMessage({ id, ask: { url, method, headers: [...request.headers], body } });
    });
  }
}
