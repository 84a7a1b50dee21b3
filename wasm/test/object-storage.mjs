// What a Durable Object has as its storage, in memory; it counts what is read at once.

export function objectStorage() {
  const kept = new Map();
  const counted = { most: 0, all: 0, lists: 0 };
  const ctx = {
    list: async ({ prefix = '', start = prefix, end = '\uffff', limit = Infinity, reverse = false } = {}) => {
      const keys = [...kept.keys()].filter((key) => key.startsWith(prefix) && key >= start && key < end).sort();
      if (reverse) keys.reverse();
      const found = new Map(keys.slice(0, limit).map((key) => [key, kept.get(key)]));
      const bytes = [...found.values()].reduce((sum, value) => sum + value.length, 0);
      counted.most = Math.max(counted.most, bytes);
      counted.all += bytes;
      counted.lists += 1;
      return found;
    },
    put: async (key, value) => {
      if (value.length > 128 * 1024) throw new RangeError('a value has at most 128 KiB');
      kept.set(key, value);
    },
    delete: async (given) => {
      const keys = [given].flat();
      if (keys.length > 128) throw new RangeError('a call names at most 128 keys');
      for (const key of keys) kept.delete(key);
    },
  };
  return { ctx, kept, counted };
}
