/** Who measures commits (metrics, traces) sees this much of them. It must not throw. */

/** A caller that waits for a commit. */
export interface WaitingCaller {
  readonly receivedMicros: number;
  /** What `queued` gave when it came. */
  readonly mark: unknown;
  /** It was told that it is not known, or not to be known, whether its entries were stored. */
  readonly answered: boolean;
}

export interface CommitObserver {
  /** A caller joins the queue. Called in the caller's own context. */
  queued(): unknown;
  /** Does `commit` (plan to settlement) for these callers; false: another writer was first, it is planned anew. */
  commit(chainId: string, callers: readonly WaitingCaller[], commit: () => Promise<boolean>): Promise<boolean>;
}
