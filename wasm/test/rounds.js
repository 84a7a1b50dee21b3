// Publish, lease, finish: a thousand at a time, through the one fetch function.

export const BATCH = 1000;

/** What is published by one request: messages of 100 bytes in binary frames. */
export function batch() {
  const body = new Uint8Array(4 + BATCH * 104).fill(120);
  const view = new DataView(body.buffer);
  view.setUint32(0, BATCH);
  for (let at = 4; at < body.length; at += 104) view.setUint32(at, 100);
  return body;
}

/** One round on a broker; the receipts are cut out of the answer. */
export async function round(broker, body) {
  const published = await broker.fetch('/mpub?topic=t&binary=true', { method: 'POST', body });
  if (published.status !== 200) throw new Error(await published.text());
  const leased = await (await broker.fetch(`/sub?topic=t&channel=c&max=${BATCH}&format=json`)).text();
  const receipts = [...leased.matchAll(/"receipt":"([^"]*)"/g)].map(([, receipt]) => receipt).join('\n');
  const finished = await broker.fetch('/fin?topic=t&channel=c', { method: 'POST', body: receipts });
  const { finished: count } = await finished.json();
  if (count !== BATCH) throw new Error(`${count} finished`);
}
