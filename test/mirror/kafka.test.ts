/** A service told to stop must end: no connection to a broker may hold its process. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { pino } from 'pino';
import { afterEach, expect, test } from 'vitest';
import { loadConfig } from '#indelible/config.js';
import { kafkaClient } from '#indelible/mirror/kafka.js';
import type { KafkaClient } from '#indelible/mirror/kafka.js';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** Takes connections and never says a word. */
async function silentBroker(): Promise<{ readonly accepted: Socket[]; client(): KafkaClient }> {
  const accepted: Socket[] = [];
  const server = createServer((socket) => {
    accepted.push(socket.on('error', () => undefined).resume());
  }).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  const config = loadConfig({}, { kafkaBrokers: `127.0.0.1:${(server.address() as AddressInfo).port}` });
  return { accepted, client: () => kafkaClient(config, 'test', pino({ level: 'silent' })) };
}

test('a connection under way ends with its client, and none is made after', async () => {
  const broker = await silentBroker();
  const client = broker.client();
  const connecting = client.kafka.admin().connect();
  await expect.poll(() => broker.accepted.length).toBe(1);
  const [socket] = broker.accepted as [Socket];
  const ended = once(socket, 'close');
  client.close();
  await ended;
  await expect(connecting).rejects.toThrow('the client is closed');
  await expect(client.kafka.producer().connect()).rejects.toThrow('the client is closed');
  expect(broker.accepted).toHaveLength(1);
});
