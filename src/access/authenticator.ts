/** Who may do what. The HTTP interface asks; `tokens.ts` answers. */

/**
 * `append`: add entries. `read`: see entries, search, verify, export. One does not imply the other: a
 * producer that is broken into must not become a reader of everybody's log.
 */
export const SCOPES = ['append', 'read'] as const;
export type Scope = (typeof SCOPES)[number];

export interface Principal {
  /** Of the token; safe to log. */
  readonly id: string;
  readonly name: string;
  readonly scopes: ReadonlySet<Scope>;
}

export interface Authenticator {
  /** Whose token this is; `undefined` for one that is not known. Takes the same time for each. */
  authenticate(token: string): Principal | undefined;
}
