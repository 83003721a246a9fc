/** The mirror's topics and their brokers: what keeps a message there, and who could take it away. Creates nothing. */
import kafkajs from 'kafkajs';
import type { Admin, DescribeAclResource } from 'kafkajs';
import type { Logger } from 'pino';
import { kafkaClient, kafkaErrorType, kafkaTrouble, topicNames } from '../mirror/kafka.js';
import type { KafkaSettings } from '../mirror/kafka.js';
import { lookAtTopic } from '../mirror/topics.js';
import { judgeOf } from './report.js';
import type { GuardrailCheck, Judge } from './report.js';

const { AclOperationTypes: Operation, AclPermissionTypes: Permission, AclResourceTypes: Resource, ConfigResourceTypes, ResourcePatternTypes: Pattern } = kafkajs;

export async function* topicChecks(settings: KafkaSettings, log: Pick<Logger, 'debug'>, signal?: AbortSignal): AsyncGenerator<GuardrailCheck> {
  const judge = judgeOf(`topic ${settings.kafkaTopic}`);
  const client = kafkaClient(settings, 'indelible-guardrails', log);
  const end = (): void => client.close();
  signal?.addEventListener('abort', end);
  const admin = client.kafka.admin();
  try {
    await admin.connect();
    for (const topic of [topicNames(settings.kafkaTopic).entries, topicNames(settings.kafkaTopic).cursors]) {
      yield await attempted(judge, 'topic-settings', `Describe and DescribeConfigs on the topic ${topic}`, () => topicSettings(judge, admin, topic, settings));
    }
    const rights = await access(admin, settings.kafkaTopic).catch((error: unknown): Access => ({ authorizer: 'unknown', error }));
    for (const check of [() => brokerChecks(judge, admin, rights), () => Promise.resolve(accessChecks(judge, rights, settings))]) {
      yield* await check().catch((error: unknown) => [asUnknown(judge, 'broker-settings', 'DescribeConfigs on the cluster', error)]);
    }
  } catch (error) {
    yield judge.unknown('brokers', kafkaTrouble(error, settings), 'mend that, then check again');
  } finally {
    signal?.removeEventListener('abort', end);
    await admin.disconnect().catch(() => undefined);
    client.close();
  }
}

async function attempted(judge: Judge, name: string, right: string, work: () => Promise<GuardrailCheck>): Promise<GuardrailCheck> {
  return work().catch((error: unknown) => asUnknown(judge, name, right, error));
}

function asUnknown(judge: Judge, name: string, right: string, error: unknown): GuardrailCheck {
  const type = kafkaErrorType(error);
  const advice = type?.endsWith('AUTHORIZATION_FAILED') === true ? `give INDELIBLE_KAFKA_USERNAME the right ${right}` : 'see why the brokers do not answer it, then check again';
  return judge.unknown(name, `the brokers do not tell it (${type ?? (error as Error).message})`, advice);
}

async function topicSettings(judge: Judge, admin: Admin, topic: string, settings: KafkaSettings): Promise<GuardrailCheck> {
  const name = topic === settings.kafkaTopic ? 'topic-settings' : 'cursor-settings';
  const found = await lookAtTopic(admin, topicNames(settings.kafkaTopic), topic, settings);
  if (found === undefined) return judge.unknown(name, `there is no topic ${topic} yet, or these credentials may not see it`, 'check again once the mirror has made it, and see that it has the right Describe on it');
  if (found.weak.length === 0) return judge.protects(name, `topic ${topic}: ${found.replicas} copies of each of ${found.partitions} partitions, settings as the mirror asks`);
  return judge.weak(name, `${found.weak.join('; ')}${found.forgets ? '; what it has forgotten is not filled in again' : ''}`, 'set them as expected (kafka-configs --alter, or policies/kafka/topics.json)');
}

async function brokerChecks(judge: Judge, admin: Admin, rights: Access): Promise<GuardrailCheck[]> {
  const { brokers } = await admin.describeCluster();
  const configNames = ['delete.topic.enable', 'auto.create.topics.enable'];
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: brokers.map(({ nodeId }) => ({ type: ConfigResourceTypes.BROKER, name: String(nodeId), configNames })),
  });
  const values = (name: string): readonly string[] => resources.flatMap(({ configEntries }) => configEntries.filter(({ configName }) => configName === name).map(({ configValue }) => configValue));
  const isOff = (name: string): boolean | undefined => (values(name).length < brokers.length ? undefined : values(name).every((value) => value === 'false'));
  return [removal(judge, isOff('delete.topic.enable'), rights), creation(judge, isOff('auto.create.topics.enable'))];
}

function removal(judge: Judge, isOff: boolean | undefined, { authorizer }: Access): GuardrailCheck {
  const name = 'topic-removal';
  const advice = 'set delete.topic.enable=false on every broker (policies/kafka/broker.json)';
  if (isOff === undefined) return judge.unknown(name, 'the brokers do not show delete.topic.enable', 'give INDELIBLE_KAFKA_USERNAME the right DescribeConfigs on the cluster');
  if (isOff) return judge.protects(name, 'no broker deletes topics (delete.topic.enable=false); records can still be purged by who has the right Delete');
  const detail = 'the topic can be deleted, at once and for good (delete.topic.enable is not false)';
  return authorizer === 'off' ? judge.unprotected(name, detail, advice) : judge.weak(name, `${detail}; the mirror fills another one from the log`, advice);
}

function creation(judge: Judge, isOff: boolean | undefined): GuardrailCheck {
  const name = 'topic-creation';
  if (isOff === undefined) return judge.unknown(name, 'the brokers do not show auto.create.topics.enable', 'give INDELIBLE_KAFKA_USERNAME the right DescribeConfigs on the cluster');
  if (isOff) return judge.protects(name, 'no broker makes a topic by itself, so one that was deleted does not come back with other settings');
  return judge.weak(name, 'a topic that was deleted comes back by itself, with other settings (auto.create.topics.enable is not false)', 'set auto.create.topics.enable=false on every broker (policies/kafka/broker.json)');
}

interface Access {
  /** Whether the brokers ask who may do what. */
  readonly authorizer: 'on' | 'off' | 'unknown';
  readonly resources?: readonly DescribeAclResource[];
  readonly error?: unknown;
}

async function access(admin: Admin, topic: string): Promise<Access> {
  try {
    const any = { operation: Operation.ANY, permissionType: Permission.ALLOW };
    const ofTopic = await admin.describeAcls({ ...any, resourceType: Resource.TOPIC, resourceName: topic, resourcePatternType: Pattern.MATCH });
    const ofCluster = await admin.describeAcls({ ...any, resourceType: Resource.CLUSTER, resourcePatternType: Pattern.ANY });
    return { authorizer: 'on', resources: [...ofTopic.resources, ...ofCluster.resources] };
  } catch (error) {
    if (kafkaErrorType(error) === 'SECURITY_DISABLED') return { authorizer: 'off' };
    throw error;
  }
}

const ON_TOPIC = [
  { operation: Operation.DELETE, what: 'Delete (the topic, and records)' },
  { operation: Operation.ALTER, what: 'Alter' },
  { operation: Operation.ALTER_CONFIGS, what: 'AlterConfigs' },
];
const ON_CLUSTER = [
  { operation: Operation.ALTER, what: 'Alter on the cluster (and with it any right)' },
  { operation: Operation.ALTER_CONFIGS, what: 'AlterConfigs on the cluster' },
];

function accessChecks(judge: Judge, { authorizer, resources = [], error }: Access, settings: KafkaSettings): GuardrailCheck[] {
  const name = 'topic-access';
  if (authorizer === 'unknown') return [asUnknown(judge, name, 'Describe on the cluster', error)];
  const acls = 'turn on an authorizer, and give each role the rights of policies/kafka/acls.json, none of them Delete or Alter';
  if (authorizer === 'off') return [judge.unprotected(name, 'the brokers ask nobody for a right: whoever reaches them can purge records, change the topic and write to it', acls)];
  const holders = resources.flatMap(({ resourceType, acls: entries }) =>
    entries.flatMap(({ principal, operation }) =>
      (resourceType === Resource.TOPIC ? ON_TOPIC : ON_CLUSTER).filter((one) => one.operation === operation || operation === Operation.ALL).map(({ what }) => ({ principal, what })),
    ),
  );
  const said = (of: readonly { readonly principal: string; readonly what: string }[]): string => [...new Set(of.map(({ principal, what }) => `${principal} has ${what}`))].join('; ');
  const everybody = holders.filter(({ principal }) => principal === 'User:*');
  if (everybody.length > 0) return [judge.unprotected(name, said(everybody), `take that from everybody; ${acls}`)];
  const writers = resources.flatMap(({ resourceType, acls: entries }) => (resourceType === Resource.TOPIC ? entries : [])).filter(({ principal, operation }) => principal === 'User:*' && (operation === Operation.WRITE || operation === Operation.ALL));
  if (writers.length > 0) return [judge.unprotected(name, 'everybody may write to the topic', `take that from everybody; ${acls}`)];
  if (holders.length > 0) return [judge.weak(name, said(holders), `take that from who is no operator of the brokers${settings.kafkaUsername === undefined ? '' : `, above all from ${settings.kafkaUsername}`}`)];
  return [judge.protects(name, 'nobody has the right to delete or to alter the topic, but the super users of the brokers, who are not shown')];
}
