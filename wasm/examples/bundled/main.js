// A broker in a program that a bundler made one file of. What does not copy the module is told how to: see the README.
import { Broker, Client } from 'shelfmq';

export async function said(options) {
  const broker = await Broker.open(options);
  const client = new Client({ fetch: broker.fetch });
  await client.publish('books', 'The Dispossessed');
  for await (const message of client.subscribe('books', 'readers')) {
    await message.finish();
    await broker.close();
    return message.text();
  }
}
