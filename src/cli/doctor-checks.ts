/** What `indelible doctor` looks at. Each check answers by itself: one that fails must not hide the others. */
import { access, constants, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256Hex } from '#platform';
import { describeSettings } from '../config.js';
import type { Config } from '../config.js';
import { segmentKey } from '../core/chain.js';
import { dataPaths } from '../data-paths.js';
import { findHead } from '../ledger/head.js';
import type { FoundHead } from '../ledger/head.js';
import { chainIds } from '../ledger/reader.js';
import { DEPLOYMENT_KEY, readTrust } from '../ledger/trust.js';
import type { ChainTrust } from '../ledger/trust.js';
import { LocalKeySigner } from '../signing/local-key.js';
import { selfTest } from '../storage/self-test.js';
import type { SelfTestOptions } from '../storage/self-test.js';
import type { StorePromise, WormStore } from '../storage/worm-store.js';
import { plainEndpoints } from '../compose/plain-endpoints.js';
import { openWriteStore } from '../compose/store.js';
import type { WriteStore } from '../compose/store.js';
import type { View as OpenView } from '../view/view.js';
import { messageOf } from './failure.js';
import { bytesText, counted } from './terminal.js';

export interface DoctorCheck {
  readonly name: string;
  /** `warning`: works, but somebody should know. `failed`: appends or verification will not work. */
  readonly status: 'ok' | 'warning' | 'failed';
  readonly detail: string;
  /** Of the store alone: what it does for an audit log, and what it can't. */
  readonly promises?: readonly StorePromise[];
}

const LOW_SPACE_BYTES = 1024 ** 3;
const NO_SPACE_BYTES = 64 * 1024 ** 2;
const CLOCK_SLACK_MS = 2_000;
const OPEN_TO_OTHERS = 0o077;

export async function* doctorChecks(config: Config): AsyncGenerator<DoctorCheck> {
  const paths = dataPaths(config.dataDir);
  let opened: WriteStore;
  try {
    opened = await openWriteStore(config);
  } catch (error) {
    // The rest is found out from the store.
    yield { name: 'store', ...failed(messageOf(error)) };
    yield await check('settings', () => settingsCheck(config));
    return;
  }
  const { store, trial } = opened;
  try {
    yield await check('store', () => storeCheck(store, trial));
    let trust: ChainTrust | undefined;
    yield await check('deployment', async () => {
      trust = await readTrust(store);
      // A folder without it is no ledger, and doctor is not run on it; a bucket is looked at before its first use, too.
      if (trust === undefined) return store.kind === 's3' ? warning('the bucket holds no ledger yet; the first start makes it') : failed('deployment.json is missing');
      const refused = trust.refused.length === 0 ? '' : `; not believed: ${trust.refused.slice(0, 5).map(({ key, reason }) => `${key} (${reason})`).join(', ')}`;
      return (refused === '' ? ok : warning)(`${trust.deployment}, ${counted(trust.publicKeys.length, 'public key')}${refused}`);
    });
    if (trust === undefined && store.kind === 's3') {
      yield await check('settings', () => settingsCheck(config));
      return;
    }
    yield await check('signing key', () => (config.signer === 'kms' ? kmsCheck(config, trust) : keyCheck(paths.keys, trust)));
    yield await check('tokens', () => privateFile(join(paths.access, 'tokens.json'), 'no token yet: the service makes one at its first start'));
    const heads = new Map<string, FoundHead>();
    yield await check('chains', () => chainsCheck(store, trust, heads));
    yield await check('retention', () => retentionCheck(store, heads));
    yield await check('clock', () => clockCheck(heads));
    yield await check('view', () => viewCheck(paths.view, heads));
    yield await check('disk', () => diskCheck(config.dataDir));
    yield await check('settings', () => settingsCheck(config));
  } finally {
    await store.close();
  }
}

type Answer = Omit<DoctorCheck, 'name'>;

async function check(name: string, work: () => Promise<Answer> | Answer): Promise<DoctorCheck> {
  try {
    return { name, ...(await work()) };
  } catch (error) {
    return { name, ...failed(messageOf(error)) };
  }
}

const ok = (detail: string): Answer => ({ status: 'ok', detail });
const warning = (detail: string): Answer => ({ status: 'warning', detail });
const failed = (detail: string): Answer => ({ status: 'failed', detail });

async function storeCheck(store: WormStore, trial: SelfTestOptions | undefined): Promise<Answer> {
  const { kind, location, promises } = await selfTest(store, trial);
  const notKept = promises.filter(({ kept }) => kept !== 'yes').length;
  const detail = `${kind} at ${location}: self-test passed`;
  if (notKept === 0) return { ...ok(detail), promises };
  return { ...warning(`${detail}; ${notKept} of ${promises.length} promises of an audit store are not kept`), promises };
}

async function keyCheck(dir: string, trust: ChainTrust | undefined): Promise<Answer> {
  // Refuses a key that others can read, and says so.
  const { publicKey } = await LocalKeySigner.openExisting(dir);
  const fingerprint = sha256Hex(publicKey.spki);
  const known = trust === undefined || trust.publicKeys.some(({ spki }) => sha256Hex(spki) === fingerprint);
  if (!known) return failed(`${fingerprint} is not a key of this ledger`);
  const { mode } = await stat(dir);
  if ((mode & OPEN_TO_OTHERS) !== 0) return warning(`${publicKey.algorithm} ${fingerprint}; the folder ${dir} is open to others (mode 0${(mode & 0o777).toString(8)})`);
  return ok(`${publicKey.algorithm}, SHA-256 ${fingerprint}, readable by its owner alone`);
}

async function kmsCheck(config: Config, trust: ChainTrust | undefined): Promise<Answer> {
  const { openSigner } = await import('../compose/signer.js');
  // It signs once: rights and state of the key show only then.
  const signer = await openSigner(config);
  signer.close?.();
  const fingerprint = sha256Hex(signer.publicKey.spki);
  if (trust !== undefined && trust.find(signer.publicKey) === undefined) return failed(`${fingerprint} is not a key of this ledger; its present key certifies another: indelible keys rotate --to`);
  return ok(`KMS, ${signer.publicKey.algorithm}, SHA-256 ${fingerprint}: it signs, and the signature verifies`);
}

async function privateFile(file: string, absent: string): Promise<Answer> {
  try {
    const { mode } = await stat(file);
    if ((mode & OPEN_TO_OTHERS) !== 0) return warning(`${file} is open to others (mode 0${(mode & 0o777).toString(8)}); run: chmod 600 ${file}`);
    return ok(`${file}: hashes only, readable by its owner alone`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ok(absent);
    throw error;
  }
}

async function chainsCheck(store: WormStore, trust: ChainTrust | undefined, heads: Map<string, FoundHead>): Promise<Answer> {
  if (trust === undefined) return failed('without deployment.json no chain can be judged');
  const halted: string[] = [];
  let entries = 0;
  for await (const chainId of chainIds(store)) {
    try {
      const found = await findHead(store, chainId, trust);
      heads.set(chainId, found);
      entries += found.head.size;
    } catch (error) {
      halted.push(messageOf(error));
    }
  }
  if (halted.length > 0) return failed(`${counted(halted.length, 'chain')} can not be continued: ${halted.join('; ')}`);
  return ok(`${counted(heads.size, 'chain')}, ${counted(entries, 'entry', 'entries')}; the newest segment of each is sound (verify reads all)`);
}

/** Of what was written first and last: in between it can't be told without reading everything. */
async function retentionCheck(store: WormStore, heads: ReadonlyMap<string, FoundHead>): Promise<Answer> {
  const keys = [DEPLOYMENT_KEY, ...[...heads].flatMap(([chainId, { last }]) => (last === undefined ? [] : [segmentKey(chainId, last.firstSequence)]))];
  const weak: string[] = [];
  let earliest: string | undefined;
  for (const key of keys) {
    const retention = (await store.versions(key))[0]?.retention ?? 'none';
    if (typeof retention === 'string') weak.push(`${key}: ${retention}`);
    else if (earliest === undefined || retention.retainUntil < earliest) earliest = retention.retainUntil;
  }
  const recorded = earliest === undefined ? '' : `recorded, the earliest until ${earliest}`;
  if (weak.length === 0) return ok(`${recorded} (${counted(keys.length, 'object')} looked at)`);
  return warning(`${recorded === '' ? '' : `${recorded}; `}not recorded or not to be seen: ${weak.slice(0, 5).join(', ')}`);
}

function clockCheck(heads: ReadonlyMap<string, FoundHead>): Answer {
  const now = new Date();
  const newest = [...heads.values()].map(({ head }) => head.lastReceivedAt).sort().at(-1);
  const ahead = newest === undefined ? 0 : Date.parse(newest) - now.getTime();
  if (ahead > CLOCK_SLACK_MS) return warning(`${now.toISOString()}; the newest entry was received ${Math.round(ahead / 1000)} s later than that, so new ones get its time until the clock has caught up`);
  return ok(`${now.toISOString()}${newest === undefined ? '' : `, behind no entry (the newest is of ${newest})`}`);
}

async function viewCheck(file: string, heads: ReadonlyMap<string, FoundHead>): Promise<Answer> {
  try {
    await access(file, constants.R_OK);
  } catch {
    return warning('there is none; it is rebuilt at the next start, which costs a reading of the store');
  }
  const { View } = await import('../view/view.js');
  let view: OpenView;
  try {
    view = View.open(file, { readonly: true });
    view.chains();
  } catch (error) {
    return warning(`it can not be read (${messageOf(error)}); it is rebuilt at the next start, which costs a reading of the store`);
  }
  try {
    const behind = [...heads].filter(([chainId, { head }]) => view.through(chainId).size < head.size).map(([chainId]) => chainId);
    const ahead = [...heads].filter(([chainId, { head }]) => view.through(chainId).size > head.size).map(([chainId]) => chainId);
    const lost = view.chains().filter((chainId) => !heads.has(chainId) && view.through(chainId).size > 0);
    if (ahead.length + lost.length > 0) return failed(`it has seen entries that the store no longer has, of ${[...ahead, ...lost].join(', ')}: verify against what was kept elsewhere`);
    if (behind.length > 0) return warning(`behind the store for ${behind.join(', ')}; it catches up when the chain is used`);
    return ok(`up to date for ${counted(heads.size, 'chain')}`);
  } finally {
    view.close();
  }
}

async function diskCheck(dir: string): Promise<Answer> {
  const { bavail, bsize, ffree, files } = await statfs(dir);
  const free = bavail * bsize;
  const detail = `${bytesText(free)} free${files > 0 ? `, ${counted(ffree, 'file')} more` : ''}`;
  if (free < NO_SPACE_BYTES) return failed(detail);
  return free < LOW_SPACE_BYTES ? warning(detail) : ok(detail);
}

function settingsCheck(config: Config): Answer {
  const changed = describeSettings().flatMap(({ name, variable, default: fallback, secret }) => {
    const value = config[name];
    if (value === undefined || String(value) === fallback) return [];
    return [`${variable}=${secret ? '(set)' : String(value)}`];
  });
  const detail = changed.length === 0 ? 'all at their defaults' : `${changed.join(' ')}; the rest at their defaults`;
  const open = plainEndpoints(config);
  return open.length === 0 ? ok(detail) : warning(`${open.join('. ')}. ${detail}`);
}
