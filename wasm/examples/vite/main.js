import { Broker, Client } from 'shelfmq';

const broker = await Broker.open();
const client = new Client({ fetch: broker.fetch });
await client.publish('books', 'The Dispossessed');
for await (const message of client.subscribe('books', 'readers')) {
  document.querySelector('#said').textContent = message.text();
  await message.finish();
  break;
}
