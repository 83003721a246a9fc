/** Endpoints to which everything goes in the open, over a network. */
import { describeSettings } from '../config.js';
import type { Config } from '../config.js';

const OPEN: Partial<Record<keyof Config, string>> = {
  s3Endpoint: 'whoever is on the way can read every entry, and answer in place of the store, also that something was stored which was not',
  s3ReplicaEndpoint: 'whoever is on the way can read every entry, and answer in place of the second bucket',
  kmsEndpoint: 'whoever is on the way can read what is signed and a session token of the credentials, and keep signatures back (a false one is found out)',
  elasticsearchUrl: 'whoever is on the way can read the metadata of every entry and INDELIBLE_ELASTICSEARCH_API_KEY, and change what a search finds',
};

/** A sentence for each `http://` address of another machine than this one, and for brokers that are talked to without TLS. */
export function plainEndpoints(config: Config): string[] {
  const found: string[] = [];
  for (const { name, variable } of describeSettings()) {
    const risk = OPEN[name];
    const value = config[name];
    if (risk === undefined || typeof value !== 'string') continue;
    const { protocol, hostname } = new URL(value);
    // The host alone: an address may hold a password.
    if (protocol === 'http:' && !isLoopback(hostname)) found.push(`${variable} is not encrypted (http://${hostname}): ${risk}; use https://`);
  }
  const away = (config.kafkaBrokers ?? []).filter((broker) => !isLoopback(broker.slice(0, broker.lastIndexOf(':'))));
  if (!config.kafkaTls && away.length > 0) {
    const password = config.kafkaSaslMechanism === 'plain' ? ' and INDELIBLE_KAFKA_PASSWORD' : '';
    found.push(`INDELIBLE_KAFKA_BROKERS are talked to without encryption (${away.join(', ')}): whoever is on the way can read every entry${password}, and change what consumers are sent that check no signature; set INDELIBLE_KAFKA_TLS=true`);
  }
  return found;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost') || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host);
}
