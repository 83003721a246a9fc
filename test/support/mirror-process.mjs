// One mirror process of many: opens the ledger on a shared folder and mirrors until it is ended. Plain JavaScript,
// because Node runs it as a process of its own. Arguments: settings as JSON, timings as JSON.
import { pino } from 'pino';
import { loadConfig } from '#indelible/config.js';
import { systemHost } from '#indelible/ledger/host.js';
import { openMirror } from '#indelible/mirror/open.js';
import { openLedger } from '#indelible/service.js';

const [settings, timings] = process.argv.slice(2).map((text) => JSON.parse(text));
const log = pino({ level: 'warn' }, pino.destination({ fd: 2, sync: true }));
const { ledger, trust, writerId, close } = await openLedger(loadConfig({}, settings), log);
const mirror = openMirror(loadConfig({}, settings), { ledger, trust, writerId, host: systemHost, log, timings });
let said = '';
const timer = setInterval(() => {
  const state = JSON.stringify({ partitions: mirror.partitions, status: mirror.check.status });
  if (state !== said) console.log((said = state));
}, 20);
process.once('SIGTERM', async () => {
  clearInterval(timer);
  await mirror.close();
  await close();
});
