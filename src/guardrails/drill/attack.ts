/** What an attack of the drill is, what it has to work with, and what it says of itself. */
import type { StoreReader } from '../../storage/worm-store.js';
import type { Answer } from './answer.js';
import type { ScratchBucket } from './scratch-bucket.js';
import type { ScratchChain } from './scratch-chain.js';
import type { ScratchIndex } from './scratch-index.js';
import type { ScratchKey } from './scratch-key.js';
import type { ScratchLedger } from './scratch-ledger.js';
import type { ScratchMarks } from './scratch-marks.js';
import type { ScratchTopic } from './scratch-topic.js';

/**
 * `writer`: the credentials the service itself writes with. `administrator`: those of somebody who runs the account
 * or the servers, and holds no signing key either.
 */
export type Rights = 'writer' | 'administrator';

/** In the order in which they are tried: what leaves traces for good comes late. */
export const FAMILIES = ['topic', 'search', 'verifier', 'versions', 'retention', 'segments', 'configuration', 'keys'] as const;
export type Family = (typeof FAMILIES)[number];

/** Where an attack is done: what a drill does not have is not attacked, and the report says so. */
export interface ScratchParts {
  readonly bucket: ScratchBucket;
  readonly ledger: ScratchLedger;
  readonly marks: ScratchMarks;
  readonly topic?: ScratchTopic | undefined;
  readonly index?: ScratchIndex | undefined;
  readonly signingKey?: ScratchKey | undefined;
}

/** What one attack with one of the rights has: a chain of its own beside what all share. */
export interface Ground<P = ScratchParts> {
  readonly rights: Rights;
  readonly chain: ScratchChain;
  readonly parts: P;
}

export interface Attempt {
  /** What was done, in one sentence. */
  readonly tried: string;
  /** As the server answered, in order. Never the ground of a verdict alone. */
  readonly answers: readonly Answer[];
  /** What was really there afterwards and should not be, in one sentence; `undefined`: nothing had changed. */
  readonly effect: string | undefined;
  /** What kept it from having one, where no answer tells. */
  readonly stoppedBy?: string;
  /** There was nothing it could have been done to: why. */
  readonly pointless?: string;
  /** What the chain looks like to everybody, if the attack puts something else before their eyes. */
  readonly presented?: Presented;
  /** Time that has to pass until it shows, in milliseconds: it is reckoned and not waited for. */
  readonly laterMs?: number;
  /** Puts back what the next attack needs. */
  readonly undo?: () => Promise<void>;
}

/** A store that is shown in place of the log. */
export interface Presented {
  readonly store: StoreReader;
  readonly close: () => Promise<void>;
}

export interface Attack {
  /** Stable, in kebab case. */
  readonly id: string;
  readonly family: Family;
  readonly title: string;
  /** For who reads the report: what it would do to the log, and what stands against it. */
  readonly means: string;
  readonly rights: readonly Rights[];
  readonly needs: readonly (keyof ScratchParts)[];
  /** It is about what a lock does: without one there is nothing to attack. */
  readonly needsLock?: boolean;
  /** Its chain is written in COMPLIANCE mode, for a minute, where the bucket takes that. */
  readonly compliance?: boolean;
  /** What has to be there for it. What monitoring tells then is not of the attack. */
  readonly prepare?: (ground: Ground) => Promise<void>;
  readonly attempt: (ground: Ground) => Promise<Attempt>;
}

export const BOTH: readonly Rights[] = ['writer', 'administrator'];
