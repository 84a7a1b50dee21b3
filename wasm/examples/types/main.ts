// The same code on a broker in this very place and on a server's: what it is typed as.
import { Broker, BrokerError, Client, type Message, MemoryStorage, ShelfmqError, type Storage, VirtualClock } from 'shelfmq';
import { Recording, type StepTold } from 'shelfmq/recording';
import { FileStorage } from 'shelfmq/storage/node';

async function first(client: Client): Promise<Message | undefined> {
  await client.publish('books', new Uint8Array([1, 2]), { key: 'k', defer: '1s', headers: { author: 'Le Guin' } });
  for await (const message of client.subscribe('books', 'readers', { max: 2, signal: AbortSignal.timeout(1) })) {
    return message;
  }
  return undefined;
}

export async function both(): Promise<void> {
  const storage: Storage = Math.random() < 0.5 ? new MemoryStorage() : new FileStorage('data');
  const clock = new VirtualClock();
  const broker = await Broker.open({ storage, clock, limits: { maxMsgSize: 100, memory: 2 ** 28 } });
  clock.advance(1000);
  await (await first(new Client({ fetch: broker.fetch })))?.finish();
  await (await first(new Client({ url: 'https://a-server', token: 't' })))?.requeue({ defer: 100 });
  void broker.failed.then((why) => console.log(why.code satisfies string));
  await broker.close().catch((why: unknown) => {
    if (!(why instanceof BrokerError && why.code === 'NOT_WRITTEN') && !(why instanceof ShelfmqError)) throw why;
  });
  // @ts-expect-error a limit that there is not
  await Broker.open({ limits: { nonsense: 1 } });
}

export async function later(): Promise<StepTold | undefined> {
  const broker = await Broker.open({ record: { bytes: 1e6 } });
  const recording = await Recording.open(broker.recording(), { onProgress: (done: number) => console.log(done) });
  const { step } = recording.seek({ at: broker.nextTimeout() ?? recording.to });
  await first(new Client({ fetch: recording.fetch }));
  console.log(recording.story('books', '0000000000000001').at(-1)?.because, recording.steps(1, step)[0]?.handed[0]?.to.client);
  return recording.previous();
}
