// @ts-check
/** Apache Kafka: one broker in KRaft mode, which is its own controller, from Maven's jars. */
import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { cacheFolder, freePort, notOurs, run, runningServer, scratchFolder, Server } from './process.mjs';

const VERSION = '4.1.0';
const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>indelible</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${VERSION}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-nop</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
`;
const CLUSTER_ID = 'aW5kZWxpYmxlLXRlc3RzMQ';

/** Fetches the jars where they are not there yet. @returns {Promise<string>} their folder */
export async function install() {
  const folder = await cacheFolder(`kafka-${VERSION}`);
  const jars = join(folder, 'lib');
  if (existsSync(jars)) return jars;
  const fetching = join(folder, `fetching-${process.pid}`);
  await mkdir(fetching, { recursive: true });
  await writeFile(join(fetching, 'pom.xml'), POM);
  await run('mvn', ['-B', '-q', 'dependency:copy-dependencies', '-DoutputDirectory=lib'], { cwd: fetching });
  // At once or not at all, also beside another process that does the same.
  await rename(join(fetching, 'lib'), jars).catch((/** @type {NodeJS.ErrnoException} */ error) => {
    if (!existsSync(jars)) throw error;
  });
  await rm(fetching, { recursive: true, force: true });
  return jars;
}

/**
 * @typedef {object} KafkaOptions
 * @property {'plain' | 'scram-sha-512'} [sasl] clients prove who they are: `user` by its password
 * @property {{ keystore: string, password: string }} [tls] PKCS #12 file with the broker's key and certificate
 * @property {Readonly<Record<string, string>>} [settings] further lines of server.properties
 * @property {boolean} [own] a broker of its own in any case, for who kills or pauses it
 */

const USER = { username: 'indelible', password: 'indelible-secret' };

/**
 * Starts a broker; its data outlives `server.stop()` and `server.kill()`, not `dispose()`. Or, where
 * INDELIBLE_TEST_KAFKA_BROKERS names one that runs, that one, which is left running. @param {KafkaOptions} [options]
 */
export async function start(options = {}) {
  const running = runningServer('INDELIBLE_TEST_KAFKA_BROKERS', options);
  if (running !== undefined) return clientOf(running, running, undefined);
  const { sasl, tls, settings = {} } = options;
  const jars = await install();
  const folder = scratchFolder('kafka');
  const [port, controllerPort, adminPort] = [await freePort(), await freePort(), await freePort()];
  const user = USER;
  const protocol = `${sasl === undefined ? '' : 'SASL_'}${tls === undefined ? 'PLAINTEXT' : 'SSL'}`;
  const mechanism = sasl === 'plain' ? 'PLAIN' : 'SCRAM-SHA-512';
  const loginModule =
    sasl === 'plain'
      ? `org.apache.kafka.common.security.plain.PlainLoginModule required user_${user.username}="${user.password}";`
      : 'org.apache.kafka.common.security.scram.ScramLoginModule required;';
  /** @type {Record<string, string>} */
  const properties = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    'controller.listener.names': 'CONTROLLER',
    // The second, open listener is for the broker itself and for tests that look at what is there.
    listeners: `CLIENTS://127.0.0.1:${port},ADMIN://127.0.0.1:${adminPort},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `CLIENTS://127.0.0.1:${port},ADMIN://127.0.0.1:${adminPort}`,
    'listener.security.protocol.map': `CLIENTS:${protocol},ADMIN:PLAINTEXT,CONTROLLER:PLAINTEXT`,
    'inter.broker.listener.name': 'ADMIN',
    'log.dirs': join(folder, 'data'),
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '4',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    'group.initial.rebalance.delay.ms': '0',
    // So that tests need not wait until a member that was killed counts as gone.
    'group.min.session.timeout.ms': '1000',
    'auto.create.topics.enable': 'false',
    ...(sasl !== undefined && {
      'sasl.enabled.mechanisms': mechanism,
      [`listener.name.clients.${mechanism.toLowerCase()}.sasl.jaas.config`]: loginModule,
    }),
    ...(tls !== undefined && {
      'listener.name.clients.ssl.keystore.location': tls.keystore,
      'listener.name.clients.ssl.keystore.type': 'PKCS12',
      'listener.name.clients.ssl.keystore.password': tls.password,
      'listener.name.clients.ssl.key.password': tls.password,
    }),
    ...settings,
  };
  const file = join(folder, 'server.properties');
  await writeFile(file, Object.entries(properties).map(([name, value]) => `${name}=${value}\n`).join(''));
  const java = ['-cp', join(jars, '*')];
  const scram = sasl === 'scram-sha-512' ? ['--add-scram', `SCRAM-SHA-512=[name=${user.username},password=${user.password}]`] : [];
  await run('java', [...java, 'kafka.tools.StorageTool', 'format', '-t', CLUSTER_ID, '-c', file, ...scram]);
  const kafka = clientFor(`127.0.0.1:${adminPort}`);
  const server = new Server({
    name: 'kafka',
    command: 'java',
    args: ['-Xms256m', '-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', ...java, 'kafka.Kafka', file],
    folder,
    ready: async () => {
      const admin = kafka.admin();
      try {
        await admin.connect();
        return (await admin.describeCluster()).controller !== null;
      } finally {
        await admin.disconnect();
      }
    },
  });
  await server.start();
  return clientOf(`127.0.0.1:${port}`, `127.0.0.1:${adminPort}`, server);
}

/** @param {string} broker */
function clientFor(broker) {
  return new Kafka({ brokers: [broker], clientId: 'tests', logLevel: logLevel.NOTHING, retry: { retries: 0 } });
}

/** @param {string} broker @param {string} adminBroker @param {Server | undefined} own */
function clientOf(broker, adminBroker, own) {
  return {
    /** Of the listener for clients. */
    broker,
    port: Number(broker.slice(broker.lastIndexOf(':') + 1)),
    /** Open to anyone, whatever the clients must prove. */
    adminBroker,
    user: USER,
    /** The process. @returns {Server} */
    get server() {
      return own ?? notOurs();
    },
    /** A client without any right withheld. */
    kafka: clientFor(adminBroker),
    dispose: () => own?.dispose() ?? Promise.resolve(),
  };
}
