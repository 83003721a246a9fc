// @ts-check
/**
 * The set of docker-compose.yml without containers: starts real servers on loopback, prints the settings with which the
 * service uses them, and ends them all on Ctrl-C.
 *
 *   node scripts/services/up.mjs [--parts minio,moto,kafka,elasticsearch] [--replicas 2] [--port 8080]
 *
 * `--replicas N` starts as many replicas of the service, too (`npm run build` first), from `--port` on.
 */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { scratchFolder, Server } from './process.mjs';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const BUCKET = 'audit-log';

/**
 * What a server's module gives, as far as it is needed here.
 * @typedef {{ dispose(): Promise<void>, credentials: { accessKeyId: string, secretAccessKey: string }, endpoint: string, broker: string,
 *   createBucket(name: string): Promise<string>, createKey(): Promise<string> }} Started
 */

/** By part: the settings that lead to it, once it runs. @type {Readonly<Record<string, (started: Started) => Record<string, string> | Promise<Record<string, string>>>>} */
const PARTS = {
  minio: async (started) => ({
    AWS_ACCESS_KEY_ID: started.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: started.credentials.secretAccessKey,
    INDELIBLE_STORE: 's3',
    INDELIBLE_S3_BUCKET: await started.createBucket(BUCKET),
    INDELIBLE_S3_ENDPOINT: started.endpoint,
    INDELIBLE_S3_FORCE_PATH_STYLE: 'true',
    INDELIBLE_TEST_S3_ENDPOINT: started.endpoint,
    INDELIBLE_TEST_S3_ACCESS_KEY_ID: started.credentials.accessKeyId,
    INDELIBLE_TEST_S3_SECRET_ACCESS_KEY: started.credentials.secretAccessKey,
  }),
  moto: async (started) => ({
    AWS_ACCESS_KEY_ID: started.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: started.credentials.secretAccessKey,
    INDELIBLE_SIGNER: 'kms',
    INDELIBLE_KMS_KEY_ID: await started.createKey(),
    INDELIBLE_KMS_ENDPOINT: started.endpoint,
    INDELIBLE_TEST_KMS_ENDPOINT: started.endpoint,
  }),
  kafka: (started) => ({ INDELIBLE_KAFKA_BROKERS: started.broker, INDELIBLE_KAFKA_REPLICATION_FACTOR: '1', INDELIBLE_TEST_KAFKA_BROKERS: started.broker }),
  elasticsearch: (started) => ({ INDELIBLE_ELASTICSEARCH_URL: started.endpoint, INDELIBLE_TEST_ELASTICSEARCH_URL: started.endpoint }),
};

const { values } = parseArgs({
  options: {
    parts: { type: 'string', default: Object.keys(PARTS).join(',') },
    replicas: { type: 'string', default: '0' },
    port: { type: 'string', default: '8080' },
  },
});
const parts = values.parts.split(',');
for (const part of parts) if (PARTS[part] === undefined) throw new Error(`--parts: expected some of ${Object.keys(PARTS).join(', ')}, got ${part}`);
const replicas = Number(values.replicas);
if (!Number.isInteger(replicas) || replicas < 0 || replicas > 8) throw new Error(`--replicas: expected 0 to 8, got ${values.replicas}`);
if (replicas > 0 && !existsSync(MAIN)) throw new Error('--replicas: npm run build first');

/** @param {string} text */
const say = (text) => void process.stderr.write(`services: ${text}\n`);

/** What runs, in the order of its start. @type {{ readonly name: string, readonly end: () => Promise<void> }[]} */
const running = [];
let ending = false;

/** Ends what was started, the last first; each by its own process id. */
async function end() {
  if (ending) return;
  ending = true;
  for (const { name, end: stop } of running.reverse()) {
    say(`ending ${name}`);
    await stop().catch((/** @type {unknown} */ error) => say(`${name}: ${String(error)}`));
  }
}

const asked = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);

async function start() {
  /** @type {Record<string, string>} */
  const settings = {};
  for (const part of parts) {
    say(`starting ${part} (the first time it is installed, which takes minutes)`);
    const module = /** @type {{ start(options?: object): Promise<Started> }} */ (await import(`./${part}.mjs`));
    const started = await module.start({ own: true });
    running.push({ name: part, end: () => started.dispose() });
    if (ending) return settings;
    Object.assign(settings, await PARTS[part]?.(started));
  }
  if (replicas > 0) settings['INDELIBLE_ADMIN_TOKEN'] = 'local-development-only';
  for (let n = 1; n <= replicas && !ending; n++) {
    const port = String(Number(values.port) + n - 1);
    const folder = scratchFolder(`log-api-${n}`);
    const server = new Server({
      name: `log-api-${n}`,
      command: process.execPath,
      args: ['--max-semi-space-size=32', MAIN, 'serve'],
      folder,
      env: { ...settings, INDELIBLE_PORT: port, INDELIBLE_DATA_DIR: join(folder, 'data') },
      ready: async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok,
    });
    await server.start();
    running.push({ name: `log-api-${n}`, end: () => server.stop().then(() => server.dispose()) });
    say(`log-api-${n} on http://127.0.0.1:${port}, log in ${server.logFile}`);
  }
  return settings;
}

try {
  const settings = await Promise.race([start(), asked.then(() => undefined)]);
  if (settings !== undefined) {
    for (const [name, value] of Object.entries(settings)) process.stdout.write(`export ${name}='${value}'\n`);
    say('up; Ctrl-C ends them');
    await asked;
  }
} finally {
  await end();
}
process.exit();
