/** What a reconciliation compares with the log: copies of it, in whatever form each keeps its entries. */

export const COPIES = ['index', 'mirror'] as const;
export type CopyName = (typeof COPIES)[number];

/** What makes a copy false (reconcile.ts says what each is). To be behind does not: it comes nearer by itself. */
export const COPY_FINDINGS = ['missing', 'different', 'extra', 'doubled'] as const;
export type CopyFinding = (typeof COPY_FINDINGS)[number];

/** One thing that a copy holds of a chain. */
export interface CopyItem {
  /** Of which entry it claims to be; `undefined` if it does not say. */
  readonly sequence: number | undefined;
  /** Where it lies, for a person who looks for it, and for `remove`. */
  readonly id: string;
  /** The sequence of the entry whose copy has to lie there; `undefined` if none has. */
  readonly place: number | undefined;
  /** Whether it says what the entry says. */
  agrees(payload: string): boolean;
}

export interface EntryToPut {
  readonly sequence: number;
  readonly payload: string;
}

export interface CopyRepair {
  /** Puts entries where they belong, whatever is there. Gives how many the copy took. */
  put(chainId: string, entries: readonly EntryToPut[]): Promise<number>;
  /** Takes away what should not be there. */
  remove(chainId: string | undefined, ids: readonly string[]): Promise<void>;
  /** All repairs of the chain are done; it has `size` entries. */
  settle(chainId: string, size: number): Promise<void>;
}

export interface ReconciledCopy {
  readonly name: CopyName;
  /** Leading entries of the chain that the copy says it holds; what comes later is behind, not missing. */
  through?(chainId: string): Promise<number>;
  /** All it holds of the chain, each sequence not before those that it follows. */
  items(chainId: string): AsyncIterable<CopyItem>;
  /** What it holds of none of the chains. */
  strays?(known: readonly string[]): AsyncIterable<CopyItem>;
  /** Without it, differences are reported and stay. */
  readonly repair?: CopyRepair;
}
