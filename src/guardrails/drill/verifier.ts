/** Attacks on who looks: without a verifier nothing is found, so that it is missing must be found. */
import type { Attack, Ground } from './attack.js';
import { verifyChain } from '../../verification/verify-chain.js';
import { ForeignKey } from './foreign-key.js';
import { STALE_AFTER_SECONDS } from './scratch-marks.js';

/** Whoever runs the machines that verify; the writer's rights do not reach there. */
const common = { family: 'verifier', rights: ['administrator'], needs: ['bucket'], prepare: leaveMark } as const;

/** When the alert has been over its limit for a moment. */
const LATER_MS = (STALE_AFTER_SECONDS + 60) * 1_000;

export const VERIFIER_ATTACKS: readonly Attack[] = [
  {
    ...common,
    id: 'stop-verifier',
    title: 'Stop the verifier',
    means: 'Whoever stops the verification has nothing to fear from it. Its age is a metric, and too old a one an alert.',
    attempt: () => Promise.resolve({ tried: 'A verification had left its mark; then none was run any more.', answers: [], effect: 'the chain is not verified any more', laterMs: LATER_MS }),
  },
  {
    ...common,
    id: 'forge-mark',
    title: 'Stop the verifier and forge its mark',
    means: 'A mark that says "verified just now" would keep the alert silent. It counts only if a key of the log signed it.',
    attempt: async (ground) => {
      const { chain, parts: { marks } } = ground;
      const report = await markLeft(ground);
      // As if it had been made at the time at which somebody looks.
      await marks.leave(chain.chainId, { ...report, finishedAt: new Date(Date.now() + LATER_MS).toISOString() }, new ForeignKey());
      return { tried: 'A verification had left its mark; then none was run any more, and the mark was replaced by a newer one that another key signed.', answers: [], effect: 'the chain is not verified any more, and its mark says that it was', laterMs: LATER_MS };
    },
  },
];

async function leaveMark(ground: Ground): Promise<void> {
  await markLeft(ground);
}

async function markLeft({ chain, parts: { bucket, ledger, marks } }: Ground): Promise<Awaited<ReturnType<typeof verifyChain>>> {
  const { deployment } = ledger.trust;
  const report = await verifyChain({ store: bucket.eyes, chainId: chain.chainId, trust: { keys: [{ publicKey: ledger.signer.publicKey }], deployment }, against: chain.evidence, workers: 0 });
  await marks.leave(chain.chainId, report, ledger.signer);
  return report;
}

