// A server with something going on in it, for pictures.

const TOPICS = ['orders', 'emails', 'thumbnails', 'page-views', 'audit.log', 'invoices', 'search-index', 'webhooks'];

/** Fills a server and keeps it busy, until the answered function is called. */
export async function fill(url) {
  const post = (path, body = '', headers = {}) => fetch(url + path, { method: 'POST', body, headers }).then((r) => r.text());
  const take = (topic, channel, client, max) => fetch(`${url}/sub?topic=${topic}&channel=${channel}&client=${client}&format=json&wait=0&max=${max}`).then(async (r) => (r.status === 200 ? (await r.json()).messages : []));
  const settle = (topic, channel, what) => post(`/settle?topic=${topic}&channel=${channel}`, JSON.stringify(what));
  for (const topic of TOPICS) await post(`/topic/create?topic=${topic}&retain=1h`);
  for (const [topic, channel, options] of [
    ['orders', 'billing', '&max_attempts=2&timeout=30s'],
    ['orders', 'shipping', '&ordered=true'],
    ['orders', 'analytics', ''],
    ['emails', 'smtp', ''],
    ['thumbnails', 'resize', '&max_in_flight=50'],
    ['page-views', 'counter', ''],
    ['webhooks', 'deliver', ''],
  ]) {
    await post(`/channel/create?topic=${topic}&channel=${channel}${options}`);
  }
  const order = (n) => JSON.stringify({ order: n, customer: `c-${n % 17}`, total: (n * 37) % 500, items: ['book', 'lamp'].slice(0, 1 + (n % 2)) });
  for (let n = 1; n <= 120; n += 1) await post(`/pub?topic=orders&key=c-${n % 17}`, order(n), { 'content-type': 'application/json', 'shelf-meta-source': 'shop' });
  for (let n = 0; n < 12; n += 1) await post('/pub?topic=orders&defer=10m', order(200 + n), { 'content-type': 'application/json' });
  for (let round = 0; round < 2; round += 1) {
    const bad = await take('orders', 'billing', 'billing-1', 6);
    await settle('orders', 'billing', { req: bad.map(({ receipt }) => ({ receipt, defer: 0 })) });
  }
  await post('/channel/pause?topic=webhooks&channel=deliver');
  await post('/topic/pause?topic=invoices');
  for (let n = 0; n < 340; n += 1) void post('/pub?topic=webhooks', `event ${n}`);

  let on = true;
  const work = async () => {
    for (let n = 300; on; n += 1) {
      await post(`/mpub?topic=orders`, [order(n), order(n + 1), order(n + 2)].slice(0, 1 + (n % 3)).join('\n'));
      await post(`/mpub?topic=page-views`, Array.from({ length: 5 + (n % 9) }, (_, i) => `GET /p/${i}`).join('\n'));
      if (n % 4 === 0) await post('/pub?topic=emails', `mail ${n}`);
      for (const [topic, channel, client, max, left] of [
        ['orders', 'billing', `billing-${1 + (n % 3)}`, 3, n % 5 === 0 ? 1 : 0],
        ['orders', 'shipping', 'shipping-eu', 2, 0],
        ['orders', 'analytics', 'spark', 4, 0],
        ['page-views', 'counter', 'counter-1', 20, 0],
        ['emails', 'smtp', 'mailer', 1, 0],
      ]) {
        const got = await take(topic, channel, client, max);
        const done = got.slice(left).map(({ receipt }) => receipt);
        if (done.length > 0) await settle(topic, channel, { fin: done });
      }
      await new Promise((next) => setTimeout(next, 60));
    }
  };
  const working = work();
  return async () => {
    on = false;
    await working;
  };
}
