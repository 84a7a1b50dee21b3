// An instance of a module, for one broker: what traps there is nothing to others, and its memory goes with it.
import { BrokerError } from './errors.js';

/**
 * Begins an instance.
 *
 * @param bind made by tools/instance.mjs
 * @param module compiled
 * @param told called once, with an error, where what runs in it broke off: by a trap, for want of memory or of stack, or by
 *   what JavaScript threw into it. Nothing in it can be relied on from then on, and every call of it throws that error.
 */
export async function instantiate(bind, module, told = () => {}) {
  let broken;
  const guard = {
    exports(exports, letsGo) {
      const safe = { __proto__: null };
      for (const [name, value] of Object.entries(exports)) {
        safe[name] = typeof value === 'function' ? guarded(value, letsGo.test(name)) : value;
      }
      return safe;
    },
    /** Calls what nobody waits for: a timer, a promise. Who has to know is told otherwise. */
    call(closure) {
      if (broken) return undefined;
      try {
        return closure();
      } catch (why) {
        if (!broken) throw why;
        return undefined;
      }
    },
  };
  const guarded = (value, letsGo) => (...given) => {
    if (broken) {
      if (letsGo) return undefined;
      throw broken;
    }
    try {
      return value(...given);
    } catch (why) {
      if (!broken) {
        const what = why instanceof Error ? why.message : String(why);
        broken = new BrokerError('BROKER_FAILED', `the broker broke off (${what}): close it, and open it again`, { cause: why });
        told(broken);
      }
      // Nobody called it who could be told: it is what goes when the garbage is collected.
      if (letsGo) return undefined;
      throw broken;
    }
  };
  const { imports, begin, ...classes } = bind(guard);
  const instance = await WebAssembly.instantiate(module, imports);
  begin(instance);
  return { ...classes, exports: instance.exports };
}
