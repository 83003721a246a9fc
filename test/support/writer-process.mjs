// One writer of many: opens the ledger on a shared folder and appends. Plain JavaScript, because Node runs it
// as a process of its own. Arguments: data folder, chain, name, number of appends, ids shared with others.
import { appendFileSync } from 'node:fs';
import { pino } from 'pino';
import { receiptOf } from '#indelible/core/receipt.js';
import { loadConfig } from '#indelible/config.js';
import { openLedger } from '#indelible/service.js';

const [dataDir, chainId, name, appends, sharedIds, receiptsFile] = process.argv.slice(2);
const { ledger, close } = await openLedger(loadConfig({}, { dataDir }), pino({ level: 'silent' }));

const shared = Number(sharedIds);
let next = 0;
const worker = async () => {
  for (;;) {
    const i = next++;
    if (i >= Number(appends)) return;
    // Some ids are used by every process: each must end up in the chain once.
    const entryId = i < shared ? `shared-${i}` : `${name}-${i}`;
    const event = `{"action":"test.append","actor":{"id":"${entryId}","type":"service"}}`;
    for (;;) {
      try {
        const [entry] = await ledger.append(chainId, [{ entryId, event }]);
        appendFileSync(receiptsFile, `${JSON.stringify(receiptOf(entry.segment, entry.at))}\n`);
        break;
      } catch (error) {
        // What a client does with 503 and Retry-After.
        if (error.code !== 'view_behind' && error.code !== 'store_unavailable') throw error;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }
};
await Promise.all(Array.from({ length: 16 }, worker));
await close();
