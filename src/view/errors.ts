import Database from 'better-sqlite3';

/**
 * Why the view could not do something. None of these may fail an append: the view is derived.
 *
 * - `busy`: another process held the file longer than the busy timeout; try again.
 * - `corrupt`: the file is damaged or not ours; it must be made anew.
 * - `full`: the disk is full. - `io`: it could not be read or written.
 * - `behind`: the entries asked for are not in the view and nothing under way will bring them.
 * - `closed`: the view or its writer has been closed.
 */
export type ViewErrorCode = 'busy' | 'corrupt' | 'full' | 'io' | 'behind' | 'closed';

export class ViewError extends Error {
  override readonly name = 'ViewError';
  readonly code: ViewErrorCode;

  constructor(code: ViewErrorCode, message: string, cause?: unknown) {
    // A message that came from the writer's thread has its prefix.
    super(message.startsWith('view: ') ? message : `view: ${message}`, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/** What SQLite said, as a ViewError; anything that did not come from SQLite is handed back as it is. */
export function asViewError(cause: unknown): unknown {
  if (cause instanceof ViewError) return cause;
  if (cause instanceof TypeError && cause.message.includes('database connection is not open')) {
    return new ViewError('closed', cause.message, cause);
  }
  if (!(cause instanceof Database.SqliteError)) return cause;
  return new ViewError(codeOf(cause.code), cause.message, cause);
}

function codeOf(sqlite: string): ViewErrorCode {
  if (sqlite.startsWith('SQLITE_BUSY') || sqlite.startsWith('SQLITE_LOCKED')) return 'busy';
  if (sqlite.startsWith('SQLITE_FULL')) return 'full';
  if (/^SQLITE_(CORRUPT|NOTADB|FORMAT|IOERR_SHORT_READ|IOERR_CORRUPTFS)/.test(sqlite)) return 'corrupt';
  return 'io';
}

/** Runs `work`; what SQLite throws comes out as a ViewError. */
export function attempt<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw asViewError(cause);
  }
}
