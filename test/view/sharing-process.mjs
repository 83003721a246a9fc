// One of several processes that share a view: adds every segment of the history it is given, in its own way.
import { readFileSync } from 'node:fs';
import { View } from '#indelible/view/view.js';

const [file, segmentsFile, seed] = process.argv.slice(2);
const segments = JSON.parse(readFileSync(segmentsFile, 'utf8')).map((segment) => ({
  ...segment,
  leafHashes: Buffer.from(segment.leafHashes, 'hex'),
}));
const view = View.open(file);
let state = Number(seed);
const random = () => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) / 2 ** 32;
const outcomes = { added: 0, already: 0, gap: 0 };
for (let at = 0; at < segments.length; ) {
  const take = 1 + Math.floor(random() * 5);
  const batch = segments.slice(at, at + take);
  for (const outcome of view.addSegments(batch, random() < 0.5 ? 'now' : 'later')) outcomes[outcome]++;
  if (random() < 0.5) view.maintain(50);
  at += take;
}
while (view.maintain(100));
view.close();
process.stdout.write(JSON.stringify(outcomes));
