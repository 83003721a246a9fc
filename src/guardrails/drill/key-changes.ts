/** What an attack really did to objects: their versions before it against those after it. */
import { equalBytes } from '../../core/merkle.js';
import type { StoredVersion } from '../../storage/worm-store.js';
import type { Answer } from './answer.js';
import type { ScratchBucket } from './scratch-bucket.js';

type State = readonly (StoredVersion & { readonly bytes: Uint8Array | undefined })[];

/** Does `work` and says what changed at these keys; no effect if nothing did. */
export async function changesAt(bucket: ScratchBucket, keys: readonly string[], work: () => Promise<readonly Answer[]>): Promise<{ readonly answers: readonly Answer[]; readonly effect: string | undefined }> {
  const before = new Map<string, State>();
  for (const key of keys) before.set(key, await stateOf(bucket, key));
  const answers = await work();
  const changes: string[] = [];
  for (const key of keys) changes.push(...differences(key, before.get(key) ?? [], await stateOf(bucket, key)));
  return { answers, effect: changes.length === 0 ? undefined : changes.join('; ') };
}

async function stateOf(bucket: ScratchBucket, key: string): Promise<State> {
  const state: (StoredVersion & { bytes: Uint8Array | undefined })[] = [];
  for (const version of await bucket.versions(key)) {
    // Where a key keeps no versions, what is written over it has the same id.
    state.push({ ...version, bytes: version.deleteMarker ? undefined : await bucket.eyes.read(key, version.versionId) });
  }
  return state;
}

function* differences(key: string, before: State, after: State): Generator<string> {
  for (const old of before) {
    const now = after.find(({ versionId, deleteMarker }) => versionId === old.versionId && deleteMarker === old.deleteMarker);
    if (now === undefined) yield `version ${old.versionId} of ${key} is gone`;
    else if (!sameBytes(old.bytes, now.bytes)) yield `version ${old.versionId} of ${key} has other bytes`;
  }
  for (const now of after) {
    if (before.some(({ versionId, deleteMarker }) => versionId === now.versionId && deleteMarker === now.deleteMarker)) continue;
    yield now.deleteMarker ? `a delete marker hides ${key}` : `version ${now.versionId} was written at ${key}`;
  }
}

function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a, b);
}
