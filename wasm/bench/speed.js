// What is measured, wherever a broker is.
import { Broker } from '../js/index.js';
import { batch, round } from '../test/rounds.js';

export class Speed {
  #broker;
  #body = batch();

  static async start() {
    const speed = new Speed();
    speed.#broker = await Broker.open();
    await speed.rounds(300);
    return speed;
  }

  /** Publish, lease and finish, a thousand at a time: messages a second. */
  async rounds(ms) {
    return 1000 * (await this.#often(ms, () => round(this.#broker, this.#body)));
  }

  /** One publish by one fetch: calls a second. */
  async single(ms) {
    const body = new Uint8Array(100);
    const often = await this.#often(ms, async () => {
      const answer = await this.#broker.fetch('/pub?topic=single', { method: 'POST', body });
      if (answer.status !== 200) throw new Error(await answer.text());
    });
    await this.#broker.fetch('/topic/delete?topic=single', { method: 'POST' });
    return often;
  }

  async #often(ms, act) {
    const start = performance.now();
    let times = 0;
    while (performance.now() - start < ms) {
      await act();
      times += 1;
    }
    return (times * 1000) / (performance.now() - start);
  }
}
