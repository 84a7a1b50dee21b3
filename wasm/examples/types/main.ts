// The same code on a broker in this very place and on a server's: what it is typed as.
import { Broker, Client, type Message, MemoryStorage, type Storage, VirtualClock } from 'shelfmq';
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
  const broker = await Broker.open({ storage, clock, limits: { maxMsgSize: 100 } });
  clock.advance(1000);
  await (await first(new Client({ fetch: broker.fetch })))?.finish();
  await (await first(new Client({ url: 'https://a-server', token: 't' })))?.requeue({ defer: 100 });
  // @ts-expect-error a limit that there is not
  await Broker.open({ limits: { nonsense: 1 } });
}
