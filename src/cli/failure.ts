/** How a command ends when it can't do what was asked. */

/** 0 intact or done, 1 usage or I/O, 2 tampered, 3 incomplete or indeterminate. */
export type ExitCode = 0 | 1 | 2 | 3;

/** Told to the person as it stands: one message, no stack. `code` is stable and part of `--json`. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly code: string;
  readonly exitCode: ExitCode;
  /** Further members of the JSON form, such as `line`. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: string,
    message: string,
    options: { readonly exitCode?: ExitCode; readonly details?: Readonly<Record<string, unknown>>; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.exitCode = options.exitCode ?? 1;
    this.details = options.details ?? {};
  }
}

/** Stable codes of the errors that come from below; anything else is `failed`. */
export function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return 'failed';
  const { code, name } = error as { readonly code?: unknown; readonly name?: unknown };
  switch (name) {
    case 'ConfigError':
      return 'setting_invalid';
    case 'DeploymentError':
      return 'deployment_mismatch';
    case 'SelfTestFailed':
    case 'StoreSetupError':
      return 'store_unfit';
    case 'SignerError':
      return 'signer_unavailable';
    case 'StoreError':
      return 'store_unavailable';
    case 'NoteFormatError':
      return 'note_malformed';
    default:
      return typeof code === 'string' ? code : 'failed';
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
