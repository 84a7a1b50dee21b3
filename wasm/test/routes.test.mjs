// The table of routes says of each request what the broker itself does with it.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Broker } from '../js/index.js';
import { isPath, looks, routeOf, ROUTES } from '../js/routes.js';

const METHODS = ['GET', 'POST', 'PUT', 'DELETE'];
const PATHS = ROUTES.map(({ path }) => path.replace(':opt', 'log_level'));
const NOWHERE = ['/nothing', '/pub/', '/config', '/config/', '/config/a/b', '/topic', '/stats.css', '//'];

test('what only looks is what a broker answers to who may only look', async () => {
  const broker = await Broker.open();
  for (const path of [...PATHS, ...NOWHERE]) {
    for (const method of METHODS) {
      const answer = await broker.look(`${path}?topic=t&channel=c`, { method });
      assert.equal(looks(method, path), answer.status !== 403, `${method} ${path}: ${answer.status}`);
      // There may be no such topic: that is another way of not being found.
      const { message } = answer.ok || answer.status === 403 ? {} : await answer.json();
      assert.equal(isPath(path), message !== 'NOT_FOUND', `${path}: ${message}`);
      if (isPath(path)) assert.equal(routeOf(method, path) !== undefined, message !== 'METHOD_NOT_ALLOWED', `${method} ${path}`);
    }
  }
  await broker.close();
});

test('a path leads to the row of its method', () => {
  assert.deepEqual(routeOf('PUT', '/config/log_level'), { methods: ['PUT'], path: '/config/:opt', looks: false, right: 'admin', of: 'node' });
  assert.equal(routeOf('GET', '/peek').right, 'consume');
  assert.equal(routeOf('GET', '/pub'), undefined);
});
