/** The ledger that the options name. */
import type { LedgerClient } from './ledger-client.js';
import type { LedgerOptions } from './options.js';

/** @param intent `append` makes a ledger where there is none; to read one it must exist */
export async function openClient(options: LedgerOptions, intent: 'append' | 'read'): Promise<LedgerClient> {
  if (options.url !== undefined && options.dataDir === undefined) {
    const { HttpClient } = await import('./http-client.js');
    return new HttpClient(options.url, options.token);
  }
  const { EmbeddedClient } = await import('./embedded-client.js');
  return EmbeddedClient.open(options.dataDir, intent);
}
