// Makes names in a folder without pause or with pauses, and says of each one that it is there.
import { linkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [folder, count] = process.argv.slice(2);
const source = join(folder, '..', 'linker-source');
writeFileSync(source, 'x');
for (let i = 0; i < Number(count); i++) {
  const name = `late-${String(i).padStart(6, '0')}`;
  linkSync(source, join(folder, name));
  process.send(name);
  // From none at all to longer than the safe age in the test, so that names come at every point of a reading.
  await new Promise((resolve) => setTimeout(resolve, i % 10 === 0 ? 60 : (i * 7) % 13));
}
process.disconnect();
