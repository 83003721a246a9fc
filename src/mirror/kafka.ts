/** The client of the mirror's brokers, made from the settings; and their errors, put as what an operator can do. */
import { readFileSync } from 'node:fs';
import { connect, isIP, Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ConnectionOptions } from 'node:tls';
import kafkajs from 'kafkajs';
import type { ISocketFactory, Kafka, KafkaConfig, PartitionMetadata } from 'kafkajs';
import type { Logger } from 'pino';
import type { Config } from '../config.js';

export type KafkaSettings = Pick<
  Config,
  | 'kafkaBrokers'
  | 'kafkaTopic'
  | 'kafkaPartitions'
  | 'kafkaReplicationFactor'
  | 'kafkaTls'
  | 'kafkaTlsCaFile'
  | 'kafkaSaslMechanism'
  | 'kafkaUsername'
  | 'kafkaPassword'
>;

/** The mirror's topics. */
export interface TopicNames {
  /** One message an entry. */
  readonly entries: string;
  /** How far each chain is mirrored; compacted. */
  readonly cursors: string;
  /** "This chain has grown": wakes the process that mirrors it. May lose messages. */
  readonly hints: string;
}

export function topicNames(topic: string): TopicNames {
  return { entries: topic, cursors: `${topic}.cursors`, hints: `${topic}.hints` };
}

export interface KafkaClient {
  readonly kafka: Kafka;
  /** Ends whatever connection is left, and lets none be made again. */
  close(): void;
}

/** @throws Error naming the setting, if the file of the authority can not be read */
export function kafkaClient(settings: KafkaSettings, clientId: string, log: Pick<Logger, 'debug'>): KafkaClient {
  const { kafkaBrokers = [], kafkaSaslMechanism: mechanism, kafkaUsername: username = '', kafkaPassword: password = '' } = settings;
  const sockets = new Sockets();
  const config: KafkaConfig = {
    brokers: kafkaBrokers,
    clientId,
    ssl: tlsOf(settings),
    socketFactory: sockets.open,
    connectionTimeout: 3_000,
    requestTimeout: 15_000,
    // What lasts longer is begun anew by whoever called: with a new producer, after reading the cursor again.
    retry: { initialRetryTime: 100, maxRetryTime: 2_000, retries: 5 },
    logLevel: kafkajs.logLevel.WARN,
    // The library calls every failed try an error; what counts is said by the mirror itself.
    logCreator: () => ({ namespace, log: { message } }) => log.debug({ kafka: namespace }, message),
  };
  if (mechanism !== undefined) config.sasl = { mechanism, username, password } as NonNullable<KafkaConfig['sasl']>;
  return { kafka: new kafkajs.Kafka(config), close: () => sockets.close() };
}

const KEEP_ALIVE_MS = 60_000;

/**
 * All connections of one client. The library forgets one that it makes while it disconnects, and such a connection
 * keeps the process from ending: a service told to stop would hang until it is killed.
 */
class Sockets {
  readonly #open = new Set<Socket>();
  #closed = false;

  readonly open: ISocketFactory = ({ host, port, ssl, onConnect }) => {
    // With an error, since only that makes the library end what it holds for the connection.
    if (this.#closed) return new Socket().destroy(new Error('the client is closed'));
    // `false` for none, which the library's types leave out.
    const tls = ssl as ConnectionOptions | false;
    const socket = tls === false ? connect({ host, port }, onConnect) : connectTls({ host, port, ...(isIP(host) === 0 ? { servername: host } : {}), ...tls }, onConnect);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    this.#open.add(socket);
    socket.once('close', () => this.#open.delete(socket));
    return socket;
  };

  close(): void {
    this.#closed = true;
    for (const socket of this.#open) socket.destroy(new Error('the client is closed'));
  }
}

function tlsOf({ kafkaTls, kafkaTlsCaFile }: KafkaSettings): NonNullable<KafkaConfig['ssl']> {
  if (!kafkaTls) return false;
  if (kafkaTlsCaFile === undefined) return { minVersion: 'TLSv1.3' };
  try {
    return { minVersion: 'TLSv1.3', ca: [readFileSync(kafkaTlsCaFile)] };
  } catch (error) {
    throw new Error(`INDELIBLE_KAFKA_TLS_CA_FILE (kafkaTlsCaFile): ${(error as Error).message}`, { cause: error });
  }
}

const partition = kafkajs.Partitioners.DefaultPartitioner();

/** Where the messages of a chain are: what every Kafka client with the usual partitioner (murmur2) computes from the key. */
export function partitionOf(chainId: string, partitions: number): number {
  return partition({ topic: '', partitionMetadata: new Array<PartitionMetadata>(partitions), message: { key: chainId, value: null } });
}

/** The code the broker gave, such as `PRODUCER_FENCED`; `undefined` if the failure was on the way. */
export function kafkaErrorType(error: unknown): string | undefined {
  for (const one of causes(error)) {
    const { type } = one as { type?: unknown };
    if (typeof type === 'string') return type;
  }
  return undefined;
}

/** One sentence that names the setting that is likely wrong. Holds no secret. */
export function kafkaTrouble(error: unknown, settings: Pick<KafkaSettings, 'kafkaBrokers' | 'kafkaTls'>): string {
  const all = causes(error);
  const said = all.map((one) => one.message).find((message) => message !== '') ?? String(error);
  const brokers = (settings.kafkaBrokers ?? []).join(', ');
  const type = kafkaErrorType(error);
  if (all.some((one) => one.name === 'KafkaJSSASLAuthenticationError') || type === 'SASL_AUTHENTICATION_FAILED' || type === 'UNSUPPORTED_SASL_MECHANISM') {
    return `the brokers refuse INDELIBLE_KAFKA_USERNAME with INDELIBLE_KAFKA_PASSWORD, or INDELIBLE_KAFKA_SASL_MECHANISM: ${said}`;
  }
  if (type?.endsWith('AUTHORIZATION_FAILED') === true) return `INDELIBLE_KAFKA_USERNAME lacks a right on the brokers: ${said}`;
  if (type === 'INVALID_REPLICATION_FACTOR') return `INDELIBLE_KAFKA_REPLICATION_FACTOR: the cluster has too few brokers: ${said}`;
  if (all.some((one) => /protocol.version|unsupported protocol/i.test(one.message))) {
    return `the brokers ${brokers} do not speak TLS 1.3, the least that INDELIBLE_KAFKA_TLS accepts: ${said}`;
  }
  if (all.some((one) => /certificate|self.signed|altnames|wrong version number|SSL routines/i.test(one.message))) {
    return `INDELIBLE_KAFKA_TLS or INDELIBLE_KAFKA_TLS_CA_FILE does not fit the brokers ${brokers}: ${said}`;
  }
  if (all.some((one) => /^KafkaJS(Connection|NoBroker|BrokerNotFound|GroupCoordinatorNotFound|RequestTimeout|LockTimeout)/.test(one.name))) {
    const tls = settings.kafkaTls ? '' : ' (if they expect TLS or a password: INDELIBLE_KAFKA_TLS, INDELIBLE_KAFKA_SASL_MECHANISM)';
    return `no broker of INDELIBLE_KAFKA_BROKERS (${brokers}) answers${tls}: ${said}`;
  }
  return said;
}

function causes(error: unknown): Error[] {
  const found: Error[] = [];
  for (let one = error; one instanceof Error && found.length < 10; one = one.cause) found.push(one);
  return found;
}
