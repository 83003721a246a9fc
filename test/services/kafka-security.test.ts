/** TLS and passwords against brokers that demand them; a wrong one is named, and appends do not notice. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { ConfigInput } from '#indelible/config.js';
import * as kafka from '../../scripts/services/kafka.mjs';
import { run } from '../../scripts/services/process.mjs';
import { scratchFolders } from '../support/scratch.js';
import { until } from '../support/until.js';
import { expectMirrored, openWorld } from './support/kafka-world.js';

const scratch = scratchFolders();

/** An authority, and a key store with a certificate of it for 127.0.0.1. */
async function certificates(): Promise<{ ca: string; keystore: string; password: string }> {
  const folder = await scratch();
  const file = (name: string): string => join(folder, name);
  const password = 'changeit';
  const openssl = (...args: string[]): Promise<string> => run('openssl', args, { cwd: folder });
  await openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=Test CA', '-keyout', 'ca.key', '-out', 'ca.pem');
  await openssl('req', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', 'broker.key', '-out', 'broker.csr');
  await openssl('x509', '-req', '-in', 'broker.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-copy_extensions', 'copy', '-out', 'broker.pem');
  await openssl('pkcs12', '-export', '-in', 'broker.pem', '-inkey', 'broker.key', '-certfile', 'ca.pem', '-passout', `pass:${password}`, '-out', 'broker.p12');
  return { ca: file('ca.pem'), keystore: file('broker.p12'), password };
}

async function expectRefused(settings: ConfigInput, named: RegExp): Promise<void> {
  const on = await openWorld(settings);
  const mirror = on.mirror();
  await until(() => named.test(mirror.check.detail ?? '')).catch(() => expect(mirror.check.detail).toMatch(named));
  expect(mirror.check.status).toBe('degraded');
  // Appends wait for no broker.
  for (let i = 0; i < 20; i++) await on.append('a', 5);
  expect(JSON.stringify(on.said)).not.toContain('wrong-secret');
  await on.close();
}

test.each(['plain', 'scram-sha-512'] as const)('TLS and SASL %s: with the right settings it mirrors, wrong ones are named', async (mechanism) => {
  const tls = await certificates();
  const server = await kafka.start({ sasl: mechanism, tls });
  try {
    const { username, password } = server.user;
    const settings = {
      kafkaBrokers: server.broker, kafkaTls: true, kafkaTlsCaFile: tls.ca, kafkaSaslMechanism: mechanism, kafkaUsername: username, kafkaPassword: password,
    };
    const on = await openWorld(settings);
    const mirror = on.mirror();
    await on.append('a', 300);
    await until(() => mirror.check.status === 'ok');
    await expectMirrored(on, server.kafka, ['a']);
    await on.close();

    await expectRefused({ ...settings, kafkaPassword: 'wrong-secret' }, /INDELIBLE_KAFKA_PASSWORD/);
    await expectRefused({ ...settings, kafkaTlsCaFile: (await certificates()).ca }, /INDELIBLE_KAFKA_TLS_CA_FILE/);
    await expectRefused({ ...settings, kafkaTls: false }, /INDELIBLE_KAFKA_TLS/);
    await expectRefused({ ...settings, kafkaSaslMechanism: mechanism === 'plain' ? 'scram-sha-256' : 'plain' }, /INDELIBLE_KAFKA_SASL_MECHANISM/);
  } finally {
    await server.dispose();
  }
});

test('a file of the authority that is not there is named at start', async () => {
  const opening = openWorld({ kafkaBrokers: '127.0.0.1:1', kafkaTls: true, kafkaTlsCaFile: '/nowhere/ca.pem' });
  await expect(opening).rejects.toThrow(/INDELIBLE_KAFKA_TLS_CA_FILE.*nowhere/);
});
