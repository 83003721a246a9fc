/** Whom a verification believes when keys change, and what it says of keys that somebody slipped in. */
import { describe, expect, test } from 'vitest';
import { receiptOf, verifyReceipt } from '#indelible/core/receipt.js';
import { noteKey } from '#indelible/core/note.js';
import { readTrust } from '#indelible/ledger/trust.js';
import { writeBundle } from '#indelible/evidence/write-bundle.js';
import { verifyBundle } from '#indelible/evidence/verify-bundle.js';
import { verifyChain } from '#indelible/verification/verify-chain.js';
import type { VerificationReport } from '#indelible/verification/report.js';
import { parsePublicKeys } from '#indelible/verification/trust.js';
import type { GivenKey } from '#indelible/verification/trust.js';
import { buildSegments, TEST_DEPLOYMENT, TestKey } from '../support/chain-builder.js';
import { delegated, keyName, rootedDeployment, rootObject, rotated } from '../support/certified-keys.js';
import type { MemoryStore } from '../support/memory-store.js';
import { storeOf } from '../support/stores.js';

const [root, second, session, forger] = [1, 2, 3, 9].map((seed) => new TestKey(seed)) as [TestKey, TestKey, TestKey, TestKey];
const chainId = 'orders';
// The builder's entries are received from 2026-01-01T00:00:00Z on, two a second.
const IN_TIME = ['2026-01-01T00:00:00.000000Z', '2026-01-01T01:00:00.000000Z'] as const;
const TOO_EARLY = ['2026-01-01T00:00:06.000000Z', '2026-01-01T01:00:00.000000Z'] as const;
const TOO_LATE = ['2025-01-01T00:00:00.000000Z', '2026-01-01T00:00:04.000000Z'] as const;

const first = buildSegments({ chainId, counts: [4, 2], key: root });
const head = first.at(-1)!.head;
const rest = (key: TestKey): ReturnType<typeof buildSegments> => buildSegments({ chainId, counts: [3, 1], key, after: head });

function storeWith(segments: ReturnType<typeof buildSegments>, ...keys: readonly (readonly [TestKey, string])[]): MemoryStore {
  const texts = new Map([['deployment.json', rootedDeployment(root)], [keyName(root), rootObject(root)], ...keys.map(([key, text]) => [keyName(key), text] as const)]);
  return storeOf(new Map([...[...texts].map(([key, text]) => [key, Buffer.from(text)] as const), ...segments.map(({ key, bytes }) => [key, bytes] as const)]));
}
const pin: readonly GivenKey[] = [{ publicKey: root.publicKey }];
const verify = (store: MemoryStore, keys: readonly GivenKey[] = pin): Promise<VerificationReport> =>
  verifyChain({ store, chainId, ...(keys.length > 0 && { trust: { keys } }) });
const codes = ({ findings }: VerificationReport): readonly string[] => findings.map(({ code }) => code);

describe('a verification that knows the root key alone', () => {
  test('follows a rotation and a delegation from it', async () => {
    for (const [key, texts] of [
      [second, [[second, rotated(root, second)]]],
      [session, [[session, delegated(root, session, ...IN_TIME)]]],
      [session, [[second, rotated(root, second)], [session, delegated(second, session, ...IN_TIME)]]],
    ] as const) {
      const store = storeWith([...first, ...rest(key)], ...texts);
      expect(await verify(store)).toMatchObject({ verdict: 'intact', entriesChecked: 10, findings: [], trust: { source: 'given' } });
      expect(await verify(store, [])).toMatchObject({ verdict: 'intact', findings: [], trust: { source: 'store' } });
      // Who pins the key that came later does not get the one before vouched for.
      expect((await verify(store, [{ publicKey: second.publicKey }])).verdict).toBe('tampered');
    }
  });

  test.each<[string, readonly (readonly [TestKey, string])[]]>([
    ['without a certificate', [[forger, rootObject(forger)]]],
    ['with one it made itself', [[forger, rotated(forger, forger)]]],
    ['certified by a delegated key', [[session, delegated(root, session, ...IN_TIME)], [forger, rotated(session, forger)]]],
    ['certified by a delegated key whose time is over', [[session, delegated(root, session, ...TOO_LATE)], [forger, rotated(session, forger)]]],
    ['certified for another deployment', [[forger, rotated(root, forger, { deployment: 'elsewhere' })]]],
  ])('believes no segment of a key %s, and names the key', async (_, keys) => {
    const store = storeWith([...first, ...rest(forger)], ...keys);
    for (const pins of [pin, []]) {
      const report = await verify(store, pins);
      expect(report).toMatchObject({ verdict: 'tampered', firstBadSequence: 6 });
      expect(codes(report)).toEqual(['signature_invalid', 'signature_invalid', 'foreign_object']);
      expect(report.findings.at(-1)).toMatchObject({ key: keyName(forger), detail: expect.stringMatching(/not a key of this log/) as string });
    }
  });

  test('reports a key slipped into an otherwise sound store', async () => {
    expect(await verify(storeWith(first, [forger, rootObject(forger)]))).toMatchObject({ verdict: 'tampered', entriesChecked: 6, findings: [{ code: 'foreign_object', key: keyName(forger) }] });
  });

  test.each([['before', TOO_EARLY], ['after', TOO_LATE]] as const)('believes no segment of a delegated key that ends %s its time', async (_, window) => {
    const report = await verify(storeWith([...first, ...rest(session)], [session, delegated(root, session, window[0], window[1])]));
    expect(report.verdict).toBe('tampered');
    expect(report.findings[0]).toMatchObject({ code: 'signature_invalid', sequence: 6, detail: expect.stringMatching(/was delegated from/) as string });
  });

  test('sees a key that was certified after it had begun', async () => {
    const store = storeWith([...first, ...rest(session)]);
    const read = store.read.bind(store);
    let late = true;
    store.read = async (key, version) => {
      if (late && key.includes('segments/00000000000000000006')) {
        late = false;
        store.tamper(keyName(session), Buffer.from(delegated(root, session, ...IN_TIME)));
      }
      return read(key, version);
    };
    expect(await verify(store)).toMatchObject({ verdict: 'intact', entriesChecked: 10 });
    expect(late).toBe(false);
  });

  test('may be given a key object: a delegated key for its time, no longer', async () => {
    const texts = [[session, delegated(root, session, ...TOO_LATE)]] as const;
    const store = storeWith([...first, ...rest(session)], ...texts);
    const given = [...pin, ...parsePublicKeys(texts[0][1])];
    expect(given[1]).toMatchObject({ publicKey: { validity: { notBefore: TOO_LATE[0], notAfter: TOO_LATE[1] } } });
    expect((await verify(store, given)).verdict).toBe('tampered');
  });
});

describe('evidence signed by a delegated key', () => {
  const segments = [...first, ...rest(session)];
  const store = storeWith(segments, [second, rotated(root, second)], [session, delegated(second, session, ...IN_TIME)], [forger, delegated(root, forger, ...IN_TIME)]);

  test('a bundle brings the certificates along, of those that signed it alone', async () => {
    const trust = (await readTrust(store))!;
    const chunks: Uint8Array[] = [];
    for await (const chunk of writeBundle({ store, trust, chainId, from: 3, to: 8, createdAt: IN_TIME[0] })) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    const header = JSON.parse(bytes.subarray(0, bytes.indexOf(0x0a)).toString()) as { publicKeys: { purpose?: string }[] };
    expect(header.publicKeys.map(({ purpose }) => purpose)).toEqual([undefined, 'rotation', 'delegated']);
    const stream = async function* (content: Buffer): AsyncGenerator<Uint8Array> { yield await Promise.resolve(content); };
    expect(await verifyBundle(stream(bytes), { trustedKeys: pin })).toMatchObject({ valid: true, trust: 'given' });
    expect(await verifyBundle(stream(bytes))).toMatchObject({ valid: true, trust: 'bundle' });
    expect(await verifyBundle(stream(bytes), { trustedKeys: [{ publicKey: forger.publicKey }] })).toMatchObject({ valid: false });
    const expired = bytes.toString().replaceAll('01:00:00.000000Z', '00:00:01.000000Z');
    expect(await verifyBundle(stream(Buffer.from(expired)), { trustedKeys: pin })).toMatchObject({ valid: false });
  });

  test('a receipt holds as long as its entry came in before the end of the key', () => {
    const origin = `${TEST_DEPLOYMENT}/${chainId}`;
    const receipt = receiptOf(segments.at(-1)!, 0);
    const check = (window: readonly [string, string]): ReturnType<typeof verifyReceipt> =>
      verifyReceipt(receipt, () => [noteKey(origin, { ...session.publicKey, validity: { notBefore: window[0], notAfter: window[1] } })]);
    expect(check(IN_TIME)).toMatchObject({ valid: true });
    expect(check(TOO_LATE)).toMatchObject({ valid: false, reason: expect.stringMatching(/delegated no longer/) as string });
  });
});
