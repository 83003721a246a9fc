// @ts-check
/**
 * Writes docs/configuration.md from the table that checks the settings (src/config.ts): run after `npm run build`.
 * With `--print` it goes to standard output; a test compares that with the file.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describeSettings } from '../dist/config.js';

/** By the beginning of the variable, the first that fits. A setting that fits none stops the script. @type {readonly (readonly [RegExp, string])[]} */
const GROUPS = [
  [/^(DATA_DIR|HOST|PORT|ROLES|DEPLOYMENT|ADMIN_TOKEN|LOG_LEVEL)$/, 'The process'],
  [/^(STORE$|S3_|SINGLE_WRITER)/, 'The write-once store'],
  [/^(RETENTION_|ACKNOWLEDGE_)/, 'Retention'],
  [/^(SIGNER|KMS_)/, 'The signer'],
  [/^KAFKA_/, 'The Kafka mirror'],
  [/^ELASTICSEARCH_/, 'The Elasticsearch index'],
  [/^(MAX_|STORE_TIMEOUT|ANSWER_|SHUTDOWN|VERIFY_)/, 'Limits and times'],
];

const HEAD = `# Configuration

This page is made from the table that checks the settings at start (\`npm run docs:configuration\`).

Sources, the later one wins: default, \`indelible.config.json\` in the working folder (the keys below), environment
variables, options of \`serve\` (\`--data-dir\` for \`dataDir\`; secrets have none, since other users of a machine can read
command lines). An empty variable counts as not set. Lists are separated by commas; in the file they may be arrays. A
wrong setting stops the start with one line for each, which names it and the rule; an unknown key in the file does, too.
A misspelt variable can't be told from one of somebody else: \`serve --help\` lists those there are.
`;

const AWS = `## AWS

For S3 and KMS the usual variables of AWS hold as well; the settings above win.

| variable | for |
|---|---|
| \`AWS_ACCESS_KEY_ID\`, \`AWS_SECRET_ACCESS_KEY\`, \`AWS_SESSION_TOKEN\` | credentials **(secret)**; better none of them and the role of the machine |
| \`AWS_PROFILE\`, \`AWS_CONFIG_FILE\`, \`AWS_SHARED_CREDENTIALS_FILE\` | credentials from files |
| \`AWS_ROLE_ARN\`, \`AWS_WEB_IDENTITY_TOKEN_FILE\` | the role of a Kubernetes service account |
| \`AWS_CONTAINER_CREDENTIALS_FULL_URI\`, \`AWS_CONTAINER_CREDENTIALS_RELATIVE_URI\` | the role of a container (ECS, EKS Pod Identity) |
| \`AWS_EC2_METADATA_DISABLED\` | \`true\`: never ask the machine for its role |
| \`AWS_USE_FIPS_ENDPOINT\`, \`AWS_USE_DUALSTACK_ENDPOINT\` | which addresses of AWS are used |
| \`NODE_EXTRA_CA_CERTS\` | PEM file of a further authority, for endpoints of one's own |

The region is \`INDELIBLE_S3_REGION\` and \`INDELIBLE_KMS_REGION\`; \`AWS_REGION\` does not stand in for them.

## Traces

The standard variables of OpenTelemetry, see [operations](operations.md#traces): \`OTEL_EXPORTER_OTLP_ENDPOINT\` switches
traces on.
`;

/** @param {string} text for a cell of a table */
const cell = (text) => text.replaceAll('|', '\\|');

const settings = describeSettings().map((setting) => {
  const name = setting.variable.replace(/^INDELIBLE_/, '');
  const group = GROUPS.find(([pattern]) => pattern.test(name))?.[1];
  if (group === undefined) throw new Error(`${setting.variable}: no group of scripts/configuration-doc.mjs fits it`);
  return { ...setting, group };
});

let page = HEAD;
for (const [, title] of GROUPS) {
  page += `\n## ${title}\n\n| variable | key in the file | default | rule | meaning |\n|---|---|---|---|---|\n`;
  for (const { variable, name, default: fallback, rule, description, secret, group } of settings) {
    if (group !== title) continue;
    const value = fallback === undefined ? '' : `\`${fallback}\``;
    page += `| \`${variable}\` | \`${name}\` | ${cell(value)} | ${cell(rule)} | ${cell(description)}${secret ? ' **(secret)**' : ''} |\n`;
  }
}
page += `\n${AWS}`;

if (process.argv.includes('--print')) process.stdout.write(page);
else {
  const file = fileURLToPath(new URL('../docs/configuration.md', import.meta.url));
  if ((await readFile(file, 'utf8').catch(() => '')) !== page) await writeFile(file, page);
}
