// @ts-check
/**
 * moto: a stand-in for AWS KMS and others, that keeps what it is given in memory: it is gone once it ends. It is run by
 * moto-aws.py, which stands in for what moto lacks.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import { cacheFolder, freePort, notOurs, oneAtATime, run, runningServer, scratchFolder, Server } from './process.mjs';

const VERSION = '5';

/** Installs it where it is not there yet, in a Python environment of its own. @returns {Promise<string>} its path */
export async function install() {
  return oneAtATime('moto', async () => {
    const folder = await cacheFolder(`moto-${VERSION}`);
    const command = join(folder, 'bin/moto_server');
    if (!existsSync(command)) {
      await run('python3', ['-m', 'venv', folder]);
      await run(join(folder, 'bin/pip'), ['install', '--quiet', `moto[server,kms]==${VERSION}.*`, 'setuptools<80']);
    }
    return command;
  });
}

const CREDENTIALS = { accessKeyId: 'indelible', secretAccessKey: 'indelible-secret' };

/**
 * A server of its own; or, where INDELIBLE_TEST_KMS_ENDPOINT names one that runs, that one, which is left running.
 * @param {{ port?: number, own?: boolean }} [options] `own`: a server of its own in any case, for who kills or pauses it
 */
export async function start(options = {}) {
  const running = runningServer('INDELIBLE_TEST_KMS_ENDPOINT', options);
  if (running !== undefined) return clientOf(running, undefined);
  const command = await install();
  const port = options.port ?? (await freePort());
  const endpoint = `http://127.0.0.1:${port}`;
  const server = new Server({
    name: 'moto',
    command: join(dirname(command), 'python'),
    args: [fileURLToPath(new URL('moto-aws.py', import.meta.url)), '-p', String(port), '-H', '127.0.0.1'],
    folder: scratchFolder('moto'),
    ready: async () => (await fetch(`${endpoint}/moto-api/`)).ok,
  });
  await server.start();
  return clientOf(endpoint, server);
}

/** @param {string} endpoint @param {Server | undefined} own */
function clientOf(endpoint, own) {
  const region = 'us-east-1';
  const admin = new KMSClient({ endpoint, region, credentials: CREDENTIALS });
  return {
    endpoint,
    port: Number(new URL(endpoint).port),
    region,
    credentials: CREDENTIALS,
    /** The process. @returns {Server} */
    get server() {
      return own ?? notOurs();
    },
    admin,
    /** A new key; its ARN. @param {{ spec?: import('@aws-sdk/client-kms').KeySpec, usage?: import('@aws-sdk/client-kms').KeyUsageType }} [options] */
    async createKey({ spec = 'ECC_NIST_P256', usage = 'SIGN_VERIFY' } = {}) {
      const { KeyMetadata: made } = await admin.send(new CreateKeyCommand({ KeySpec: spec, KeyUsage: usage }));
      if (made?.Arn === undefined) throw new Error('no key');
      return made.Arn;
    },
    async dispose() {
      admin.destroy();
      await own?.dispose();
    },
  };
}
