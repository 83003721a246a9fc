/** Why the ledger refuses or fails. `code` is stable and reaches clients as the problem code. */
export type LedgerErrorCode =
  /** Nothing was appended; try again later. */
  | 'queue_full'
  | 'shutting_down'
  | 'signer_unavailable'
  /** The replica's index of ids is still being built: an append with its own id can't be judged yet. */
  | 'view_behind'
  /** It is not known, or not to be known, whether the entry was stored: try again with the same id. */
  | 'store_unavailable'
  /** Something is wrong with the chain in the store; an operator must look. Nothing was appended. */
  | 'chain_halted'
  /** The id is in the chain already, with other content. */
  | 'entry_id_conflict'
  | 'entry_too_large'
  | 'batch_too_large'
  | 'chain_not_found'
  | 'entry_not_found'
  | 'range_invalid';

export class LedgerError extends Error {
  override readonly name = 'LedgerError';
  readonly code: LedgerErrorCode;
  /** Position within the batch, where one item is to blame. */
  readonly item: number | undefined;

  constructor(code: LedgerErrorCode, message: string, options: { readonly cause?: unknown; readonly item?: number } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.item = options.item;
  }
}

/** The chain's objects contradict each other; names the object and says what is wrong. */
export class ChainHaltedError extends LedgerError {
  readonly key: string;

  constructor(chainId: string, key: string, detail: string) {
    super('chain_halted', `chain ${chainId}: ${key}: ${detail}`);
    this.key = key;
  }
}
