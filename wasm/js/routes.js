// What can be asked of the API, for whoever has to know it before the module is there, or without it: a service worker, a
// page, whoever stands before a broker. The rows are those of the core's own table, core/src/api/routes.rs.

/** In the order in which the core searches them. */
export const ROUTES = [
  // <routes> A test says what stands here: cargo test -p shelfmq-tests --test exported
  { methods: ['POST'], path: '/pub', looks: false, right: 'publish', of: 'topic' },
  { methods: ['POST'], path: '/mpub', looks: false, right: 'publish', of: 'topic' },
  { methods: ['GET', 'POST'], path: '/sub', looks: false, right: 'consume', of: 'topic' },
  { methods: ['POST'], path: '/fin', looks: false, right: 'consume', of: 'topic' },
  { methods: ['POST'], path: '/req', looks: false, right: 'consume', of: 'topic' },
  { methods: ['POST'], path: '/touch', looks: false, right: 'consume', of: 'topic' },
  { methods: ['POST'], path: '/settle', looks: false, right: 'consume', of: 'topic' },
  { methods: ['POST'], path: '/topic/create', looks: false, right: 'admin', of: 'topic' },
  { methods: ['POST'], path: '/topic/config', looks: false, right: 'admin', of: 'topic' },
  { methods: ['POST'], path: '/topic/delete', looks: false, right: 'admin', of: 'topic' },
  { methods: ['POST'], path: '/topic/empty', looks: false, right: 'admin', of: 'topic' },
  { methods: ['POST'], path: '/topic/pause', looks: false, right: 'admin', of: 'topic' },
  { methods: ['POST'], path: '/topic/unpause', looks: false, right: 'admin', of: 'topic' },
  { methods: ['POST'], path: '/topic/tombstone', looks: false, right: 'admin', of: 'all' },
  { methods: ['POST'], path: '/channel/create', looks: false, right: 'admin', of: 'topic' },
  { methods: ['POST'], path: '/channel/config', looks: false, right: 'admin', of: 'topic' },
  { methods: ['POST'], path: '/channel/delete', looks: false, right: 'admin', of: 'topic' },
  { methods: ['POST'], path: '/channel/empty', looks: false, right: 'admin', of: 'topic' },
  { methods: ['POST'], path: '/channel/pause', looks: false, right: 'admin', of: 'topic' },
  { methods: ['POST'], path: '/channel/unpause', looks: false, right: 'admin', of: 'topic' },
  { methods: ['POST'], path: '/channel/seek', looks: false, right: 'admin', of: 'topic' },
  { methods: ['POST'], path: '/channel/redrive', looks: false, right: 'admin', of: 'topic' },
  { methods: ['GET'], path: '/dead', looks: true, right: 'consume', of: 'topic' },
  { methods: ['POST'], path: '/dead/empty', looks: false, right: 'admin', of: 'topic' },
  { methods: ['GET'], path: '/peek', looks: true, right: 'consume', of: 'topic' },
  { methods: ['GET'], path: '/export', looks: true, right: 'admin', of: 'topic' },
  { methods: ['POST'], path: '/import', looks: false, right: 'admin', of: 'topic' },
  { methods: ['GET'], path: '/ping', looks: true, right: '', of: 'node' },
  { methods: ['GET'], path: '/info', looks: true, right: 'watch', of: 'node' },
  { methods: ['GET'], path: '/stats', looks: true, right: 'watch', of: 'all' },
  { methods: ['GET'], path: '/metrics', looks: true, right: 'watch', of: 'all' },
  { methods: ['GET'], path: '/config/:opt', looks: true, right: 'watch', of: 'node' },
  { methods: ['PUT'], path: '/config/:opt', looks: false, right: 'admin', of: 'node' },
  { methods: ['GET'], path: '/topics', looks: true, right: 'watch', of: 'all' },
  { methods: ['GET'], path: '/channels', looks: true, right: 'watch', of: 'all' },
  { methods: ['GET'], path: '/lookup', looks: true, right: 'watch', of: 'all' },
  { methods: ['GET'], path: '/nodes', looks: true, right: 'watch', of: 'all' },
  { methods: ['POST'], path: '/nodes/register', looks: false, right: 'admin', of: 'node' },
  { methods: ['GET'], path: '/openapi.json', looks: true, right: '', of: 'node' },
  { methods: ['GET'], path: '/', looks: true, right: '', of: 'node' },
  // </routes>
];

/** By path; what has a parameter of its own there is in the other, by what comes before that. */
const paths = new Map();
const folders = new Map();
for (const route of ROUTES) {
  const at = route.path.indexOf(':');
  const [where, key] = at < 0 ? [paths, route.path] : [folders, route.path.slice(0, at)];
  where.set(key, [...(where.get(key) ?? []), route]);
}

function at(path) {
  const end = path.lastIndexOf('/') + 1;
  return paths.get(path) ?? (end < path.length ? folders.get(path.slice(0, end)) : undefined) ?? [];
}

/** Whether there is anything at a path, by any method. */
export const isPath = (path) => at(path).length > 0;

/** What a method and a path lead to, if anything. */
export const routeOf = (method, path) => at(path).find(({ methods }) => methods.includes(method));

/** Whether a request changes nothing, however often it is asked: it only looks, or it leads to nothing. */
export const looks = (method, path) => routeOf(method, path)?.looks ?? true;
