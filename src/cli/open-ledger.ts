/** The ledger in a folder as a service has it, for commands that work on what was derived from it. */
import { loadConfig } from '../config.js';
import type { OpenLedger } from '../service.js';
import { requireLedger } from './embedded-client.js';

/** @throws CliError where there is no ledger; what `openLedger` throws */
export async function openExisting(dataDir: string | undefined): Promise<OpenLedger> {
  const config = loadConfig(process.env, dataDir === undefined ? {} : { dataDir });
  requireLedger(config);
  const [{ openLedger }, { pino }] = await Promise.all([import('../service.js'), import('pino')]);
  // What goes wrong reaches the person as the command's error; the log is for who asks for it.
  const level = process.env['INDELIBLE_LOG_LEVEL'] === undefined ? 'silent' : config.logLevel;
  return openLedger(config, pino({ level }, pino.destination({ fd: 2, sync: true })), undefined, 'read');
}
