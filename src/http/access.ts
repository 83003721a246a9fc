/**
 * Who may call what. Whatever shows entries, or does work on them, needs a token: an audit log is full of
 * personal data. Public are the routes that show none (`access: 'public'` in the route):
 *
 * - `/healthz`, `/readyz`, `/openapi.json`: needed before there is a token.
 * - `/metrics`: numbers only, no chain or entry is named. A scraper with a token could read everything.
 * - `/v1/keys`, `…/checkpoint`, `…/consistency`: hashes and signatures. Whoever watches that history is never
 *   rewritten must be able to do it without being let in.
 */
import type { Authenticator, Principal, Scope } from '../access/authenticator.js';
import { Problem } from './problem.js';

const SCHEME = /^bearer +([\x21-\x7e]+)$/i;
const PREFIX = 'Bearer ';

/** @throws Problem token_missing, token_invalid, scope_missing */
export function authorize(access: Authenticator, authorization: string | undefined, scope: Scope): Principal {
  if (authorization === undefined) {
    throw new Problem('token_missing', 'send the header "Authorization: Bearer <token>"', { field: 'authorization' });
  }
  const token = authorization.startsWith(PREFIX) ? authorization.slice(PREFIX.length) : SCHEME.exec(authorization)?.[1];
  const principal = token === undefined ? undefined : access.authenticate(token);
  if (principal === undefined) {
    throw new Problem('token_invalid', 'the token is not one of this service, or is not sent as "Bearer <token>"', { field: 'authorization' });
  }
  if (!principal.scopes.has(scope)) {
    throw new Problem('scope_missing', `the token ${JSON.stringify(principal.name)} lacks the scope "${scope}"`, { field: 'authorization' });
  }
  return principal;
}
