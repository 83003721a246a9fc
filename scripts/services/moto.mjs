// @ts-check
/** moto: a stand-in for AWS KMS (and others) that keeps keys in memory: they are gone once it ends. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import { cacheFolder, freePort, run, scratchFolder, Server } from './process.mjs';

const VERSION = '5';

/** Installs it where it is not there yet, in a Python environment of its own. @returns {Promise<string>} its path */
export async function install() {
  const folder = await cacheFolder(`moto-${VERSION}`);
  const command = join(folder, 'bin/moto_server');
  if (!existsSync(command)) {
    await run('python3', ['-m', 'venv', folder]);
    await run(join(folder, 'bin/pip'), ['install', '--quiet', `moto[server,kms]==${VERSION}.*`, 'setuptools<80']);
  }
  return command;
}

/** @param {{ port?: number }} [options] */
export async function start(options = {}) {
  const command = await install();
  const port = options.port ?? (await freePort());
  const endpoint = `http://127.0.0.1:${port}`;
  const credentials = { accessKeyId: 'indelible', secretAccessKey: 'indelible-secret' };
  const region = 'us-east-1';
  const server = new Server({
    name: 'moto',
    command,
    args: ['-p', String(port), '-H', '127.0.0.1'],
    folder: scratchFolder('moto'),
    ready: async () => (await fetch(`${endpoint}/moto-api/`)).ok,
  });
  await server.start();
  const admin = new KMSClient({ endpoint, region, credentials });
  return {
    endpoint,
    port,
    region,
    credentials,
    server,
    admin,
    /** A new key; its ARN. @param {{ spec?: import('@aws-sdk/client-kms').KeySpec, usage?: import('@aws-sdk/client-kms').KeyUsageType }} [options] */
    async createKey({ spec = 'ECC_NIST_P256', usage = 'SIGN_VERIFY' } = {}) {
      const { KeyMetadata: made } = await admin.send(new CreateKeyCommand({ KeySpec: spec, KeyUsage: usage }));
      if (made?.Arn === undefined) throw new Error('no key');
      return made.Arn;
    },
    async dispose() {
      admin.destroy();
      await server.dispose();
    },
  };
}
