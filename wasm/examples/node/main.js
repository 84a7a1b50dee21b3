import { Broker, Client } from 'shelfmq';
import { FileStorage } from 'shelfmq/storage/node';

const broker = await Broker.open({ storage: new FileStorage('shelfmq-data') });
const client = new Client({ fetch: broker.fetch });
await client.publish('books', 'The Dispossessed');
for await (const message of client.subscribe('books', 'readers')) {
  console.log(message.text());
  await message.finish();
  break;
}
await broker.close();
