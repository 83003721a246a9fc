/** The search index: what keeps others from changing or dropping it. It can be made anew from the log whatever happens. */
import { errors } from '@elastic/elasticsearch';
import type { Client, estypes } from '@elastic/elasticsearch';
import { connect, errorTypeOf, statusOf } from '../search/elasticsearch-client.js';
import type { ElasticsearchConnection } from '../search/elasticsearch-client.js';
import { MAPPING_VERSION, PROPERTIES } from '../search/elasticsearch-documents.js';
import { judgeOf } from './report.js';
import type { GuardrailCheck, Judge } from './report.js';

export interface IndexOptions extends ElasticsearchConnection {
  readonly alias: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

type Ask = <T>(call: (options: { readonly signal: AbortSignal }) => Promise<T>) => Promise<T>;

export async function* searchIndexChecks(options: IndexOptions): AsyncGenerator<GuardrailCheck> {
  const { alias, timeoutMs, signal } = options;
  const judge = judgeOf(`search index ${alias}`);
  const ask: Ask = (call) => {
    const timeout = AbortSignal.timeout(timeoutMs);
    return call({ signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]) });
  };
  const clients: Client[] = [];
  const opened = (connection: ElasticsearchConnection): Client => {
    const client = connect(connection);
    clients.push(client);
    return client;
  };
  try {
    const own = opened(options);
    const anonymous = opened({ url: withoutUser(options.url), tlsCaFile: options.tlsCaFile });
    const steps: readonly (readonly [name: string, right: string, work: () => Promise<readonly GuardrailCheck[]>])[] = [
      ['index-mapping', 'view_index_metadata on the index', () => mapping(judge, own, alias, ask)],
      ['index-generations', 'view_index_metadata on the index', () => generations(judge, own, alias, ask)],
      ['index-removal', 'monitor on the cluster', () => destructive(judge, own, ask)],
      ['index-access', 'none', () => access(judge, anonymous, own, alias, ask)],
    ];
    for (const [name, right, work] of steps) yield* await work().catch((error: unknown) => [asUnknown(judge, name, right, error)]);
  } catch (error) {
    yield judge.unknown('index', `Elasticsearch can not be asked: ${(error as Error).message}`, 'mend that, then check again');
  } finally {
    await Promise.all(clients.map((client) => client.close()));
  }
}

function asUnknown(judge: Judge, name: string, right: string, error: unknown): GuardrailCheck {
  const status = statusOf(error);
  const said = status === undefined ? (error instanceof errors.ElasticsearchClientError ? error.name : (error as Error).message) : `${status} ${errorTypeOf(error) ?? ''}`.trimEnd();
  const advice = status === 401 || status === 403 ? `give the API key of this process the privilege ${right}` : 'see why Elasticsearch does not answer, then check again';
  return judge.unknown(name, `Elasticsearch does not tell it (${said})`, advice);
}

function withoutUser(url: string): string {
  const plain = new URL(url);
  plain.username = '';
  plain.password = '';
  return plain.toString();
}

async function mapping(judge: Judge, client: Client, alias: string, ask: Ask): Promise<GuardrailCheck[]> {
  const name = 'index-mapping';
  const rebuild = 'run indelible rebuild-index, which makes the index anew from the log';
  const found = await ask((options) => client.indices.get({ index: alias, features: ['aliases', 'mappings'] }, options)).catch((error: unknown) => {
    if (statusOf(error) === 404) return {};
    throw error;
  });
  const entries = Object.entries(found);
  const [entry] = entries;
  if (entry === undefined) return [judge.unknown(name, `there is no index behind the alias ${alias} yet`, 'check again once the first entries are indexed')];
  const [index, { mappings }] = entry;
  if (index === alias) return [judge.weak(name, `${alias} is an index and not an alias: it was not made by the service`, rebuild)];
  if (entries.length > 1) return [judge.weak(name, `the alias ${alias} names ${entries.length} indexes: searches mix them`, rebuild)];
  if (mappings?.dynamic !== 'strict' || mappings._meta?.['version'] !== MAPPING_VERSION) return [judge.weak(name, `the mapping of ${index} is not the strict one of this version: anything can be put into it`, rebuild)];
  const added = addedFields(mappings.properties ?? {}, PROPERTIES);
  if (added.length > 0) return [judge.weak(name, `the mapping of ${index} has fields that the service did not make: ${added.slice(0, 5).join(', ')}`, rebuild)];
  return [judge.protects(name, `${index} stands behind the alias, with the strict mapping of this version`)];
}

function addedFields(found: Record<string, estypes.MappingProperty>, known: object, prefix = ''): string[] {
  const own = new Map<string, unknown>(Object.entries(known));
  return Object.entries(found).flatMap(([name, field]) => {
    const meant = own.get(name);
    if (typeof meant !== 'object' || meant === null) return [`${prefix}${name}`];
    const inner = 'properties' in meant ? (meant.properties as object) : {};
    return 'properties' in field ? addedFields(field.properties, inner, `${prefix}${name}.`) : [];
  });
}

async function generations(judge: Judge, client: Client, alias: string, ask: Ask): Promise<GuardrailCheck[]> {
  const name = 'index-generations';
  const found = await ask((options) => client.indices.get({ index: `${alias}-*`, features: ['aliases', 'settings'], allow_no_indices: true }, options));
  const isOld = new RegExp(`^${alias.replaceAll('.', '\\.')}-(first|[0-9a-f]{12})$`);
  const open = Object.entries(found).flatMap(([index, { aliases, settings }]) => {
    const blocked = String(settings?.index?.blocks?.write ?? 'false') === 'true';
    return isOld.test(index) && aliases?.[alias] === undefined && !blocked ? [index] : [];
  });
  if (open.length === 0) return [judge.protects(name, 'there is no older index that could be written to')];
  return [judge.weak(name, `${open.join(', ')} stands behind no alias and can be written to: it is left over, or a rebuild is under way`, 'if no rebuild is under way, delete it, or block writes to it (index.blocks.write)')];
}

async function destructive(judge: Judge, client: Client, ask: Ask): Promise<GuardrailCheck[]> {
  const name = 'index-removal';
  const key = 'action.destructive_requires_name';
  const found = await ask((options) => client.cluster.getSettings({ include_defaults: true, flat_settings: true, filter_path: '*.action*' }, options));
  // Those that hold nothing are left out of the answer.
  const { transient, persistent, defaults } = found as { readonly [level in 'transient' | 'persistent' | 'defaults']?: Readonly<Record<string, string | undefined>> };
  const value = transient?.[key] ?? persistent?.[key] ?? defaults?.[key];
  if (value === undefined) return [judge.unknown(name, `Elasticsearch does not show ${key}`, `set it to true (policies/elasticsearch/cluster.json)`)];
  if (value === 'true') return [judge.protects(name, 'indexes can be deleted by their whole name only, not by a wildcard')];
  return [judge.weak(name, `one request with a wildcard can delete every index (${key} is ${value})`, `set ${key} to true (policies/elasticsearch/cluster.json)`)];
}

/** Asked for with the credentials of nobody, and with our own. */
async function access(judge: Judge, anonymous: Client, own: Client, alias: string, ask: Ask): Promise<GuardrailCheck[]> {
  const name = 'index-access';
  const advice = 'turn on the security of Elasticsearch, and give each process the role of policies/elasticsearch/roles.json';
  const privileges = (client: Client, wanted: readonly estypes.SecurityIndexPrivilege[]): Promise<estypes.SecurityHasPrivilegesResponse> =>
    ask((options) => client.security.hasPrivileges({ index: [{ names: [alias, `${alias}-first`], privileges: [...wanted] }] }, options));
  const held = ({ index }: estypes.SecurityHasPrivilegesResponse): readonly string[] => [...new Set(Object.values(index).flatMap((of) => Object.entries(of).filter(([, has]) => has).map(([privilege]) => privilege)))];
  try {
    const rights = held(await privileges(anonymous, ['write', 'delete', 'delete_index', 'manage']));
    if (rights.length > 0) return [judge.unprotected(name, `anybody who reaches Elasticsearch may, without credentials: ${rights.join(', ')}`, advice)];
  } catch (error) {
    const status = statusOf(error);
    if (status === undefined) throw error;
    if (status !== 401 && status !== 403) {
      // It knows no such question, so it asks nobody; unless something before it does.
      const answer = await ask((options) => anonymous.cluster.health({ filter_path: 'status' }, options)).then(() => 200, statusOf);
      if (answer === 200) return [judge.unprotected(name, 'Elasticsearch asks nobody for credentials: whoever reaches it can write, change and delete the index', advice)];
      if (answer !== 401 && answer !== 403) throw error;
    }
  }
  const first = judge.protects(name, 'who has no credentials can not write to the index');
  try {
    const rights = held(await privileges(own, ['delete_index', 'manage']));
    if (rights.length > 0) return [first, judge.weak('index-rights', `the credentials of this process may do more to the index than indexing needs: ${rights.join(', ')}`, 'give it the role audit-indexer of policies/elasticsearch/roles.json, and keep audit-index-keeper for rebuilds')];
    return [first, judge.protects('index-rights', 'the credentials of this process can neither delete nor manage the index')];
  } catch (error) {
    return [first, asUnknown(judge, 'index-rights', 'to ask for its own privileges', error)];
  }
}
