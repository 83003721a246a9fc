// Feeds a view under a limit on the size of files, and says what happened.
import { readFileSync } from 'node:fs';
import { ViewWriter } from '#indelible/view/writer.js';

const [file, segmentsFile] = process.argv.slice(2);
const segments = JSON.parse(readFileSync(segmentsFile, 'utf8')).map((segment) => ({
  ...segment,
  leafHashes: Buffer.from(segment.leafHashes, 'hex'),
}));
const notes = [];
const writer = await ViewWriter.open(file, { onNote: (note) => notes.push(note.kind), maxBacklog: 5_000 });
const posted = { accepted: 0, behind: 0 };
let size = 0;
for (const segment of segments) {
  await writer.whenBelow(2_000);
  posted[writer.post(segment)]++;
  size += segment.payloads.length;
}
const drained = await writer.drained('orders', size).then(
  () => 'all',
  (error) => error.code,
);
const result = { notes, posted, drained, failure: writer.failure?.code, backlog: writer.backlog, through: writer.view.through('orders').size };
await writer.close();
process.stdout.write(JSON.stringify(result));
