// A broker at the edge: a Durable Object that has one, with its logs in the object's own storage. A plain worker would
// not do: there, a request may not answer another.
import { Broker } from 'shelfmq';
import module from 'shelfmq/shelfmq.wasm';
import { DurableObjectStorage } from 'shelfmq/storage/durable-object';

export class Shelf {
  #broker;

  constructor(state) {
    state.blockConcurrencyWhile(async () => {
      this.#broker = await Broker.open({ module, storage: new DurableObjectStorage(state.storage) });
    });
  }

  fetch(request) {
    return this.#broker.fetch(request);
  }
}

export default {
  fetch: (request, env) => env.SHELF.get(env.SHELF.idFromName('shelf')).fetch(request),
};
