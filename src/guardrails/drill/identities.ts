/**
 * Whose rights are tried. The writer's are those of the service. The administrator's come from the environment or from
 * a profile, never from the command line, where other users of the machine could read them.
 */
import { S3Client } from '@aws-sdk/client-s3';
import type { S3ClientConfig } from '@aws-sdk/client-s3';
import type { Config } from '../../config.js';
import type { Rights } from './attack.js';
import { ScratchError } from './scratch-bucket.js';
import type { Identity } from './scratch-bucket.js';

export const ADMIN_VARIABLES = {
  accessKeyId: 'INDELIBLE_DRILL_ADMIN_ACCESS_KEY_ID',
  secretAccessKey: 'INDELIBLE_DRILL_ADMIN_SECRET_ACCESS_KEY',
  sessionToken: 'INDELIBLE_DRILL_ADMIN_SESSION_TOKEN',
  kafkaUsername: 'INDELIBLE_DRILL_ADMIN_KAFKA_USERNAME',
  kafkaPassword: 'INDELIBLE_DRILL_ADMIN_KAFKA_PASSWORD',
  elasticsearchApiKey: 'INDELIBLE_DRILL_ADMIN_ELASTICSEARCH_API_KEY',
} as const;

type Environment = Readonly<Record<string, string | undefined>>;

/** @throws ScratchError if there are none for the administrator */
export function identitiesFrom(environment: Environment, profile: string | undefined): Readonly<Record<Rights, Identity>> {
  const { accessKeyId: id, secretAccessKey: secret, sessionToken: token } = ADMIN_VARIABLES;
  const [accessKeyId, secretAccessKey, sessionToken] = [id, secret, token].map((name) => (environment[name] === '' ? undefined : environment[name]));
  if (profile !== undefined) {
    if (accessKeyId !== undefined) throw new ScratchError(`--admin-profile and ${id} both name an administrator: leave one of them out`);
    return { writer: {}, administrator: { credentials: credentialsOf(profile) } };
  }
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    throw new ScratchError(`the drill needs an administrator's credentials, to make its scratch bucket and to try what an administrator could: set ${id} and ${secret}, or name a profile with --admin-profile`);
  }
  return { writer: {}, administrator: { credentials: { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) } } };
}

/** As the AWS SDK finds them for a profile: from its files, a role, single sign-on. */
function credentialsOf(profile: string): NonNullable<S3ClientConfig['credentials']> {
  const { config } = new S3Client({ profile });
  return () => config.credentials();
}

export interface AdminSettings {
  /** The configuration with which the administrator connects to the brokers; `undefined`: only the writer's rights can be tried. */
  readonly kafka: Config | undefined;
  readonly elasticsearch: Config | undefined;
}

/** A service that asks nobody who he is gives everybody the rights of an administrator. */
export function adminSettings(config: Config, environment: Environment): AdminSettings {
  const { kafkaUsername: name, kafkaPassword: password, elasticsearchApiKey: key } = ADMIN_VARIABLES;
  const [username, secret, apiKey] = [environment[name], environment[password], environment[key]];
  return {
    kafka: config.kafkaSaslMechanism === undefined ? config : username === undefined || secret === undefined ? undefined : { ...config, kafkaUsername: username, kafkaPassword: secret },
    elasticsearch: config.elasticsearchApiKey === undefined ? config : apiKey === undefined ? undefined : { ...config, elasticsearchApiKey: apiKey },
  };
}
