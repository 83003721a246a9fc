/** Everything that write access without a signing key allows, at any moment; Object Lock takes nothing away. */
import { parseSegmentKey, segmentKey, segmentPrefix } from '#indelible/core/chain.js';
import { CHAIN, signedSize } from './deployment.js';
import type { Disk, World } from './world.js';

/** `truth`: a bucket that the attacker can read, too. What was signed there is put here. */
export function attack(world: World, disk: Disk, over: () => boolean, truth: Disk = disk): void {
  const rate = world.pick([50, 200, 1_000]);
  let left = 40;
  const junk = Buffer.from('{"format":"indelible/segment/v1"}\n');
  const again = (): void => {
    world.after(world.random() * rate, () => {
      if (over() || left-- === 0) return;
      const taken = [...disk.keys.keys()];
      const known = [...truth.keys.keys()];
      const signed = known.filter((key) => truth.keys.get(key)?.some((version) => signedSize(key, version) !== undefined));
      const size = Math.max(0, ...signed.map((key) => (parseSegmentKey(key)?.firstSequence ?? 0) + 1));
      const place = segmentKey(CHAIN, world.pick([0, size, size, size + 1, size + 2, size + 3, size + 900, 5_000, 10 ** 12]));
      const someone = taken.length === 0 ? place : world.pick(taken);
      const original = truth === disk || known.length === 0 ? someone : world.pick(known);
      const kinds = ['marker', 'junk', 'junk', 'other junk', 'copy', 'over marker', 'odd name'] as const;
      switch (world.pick(truth === disk ? kinds : [...kinds, 'edited' as const])) {
        case 'marker':
          disk.write(someone, 'delete marker');
          disk.count('attack: delete marker');
          break;
        case 'junk':
          // The same bytes each time, so that a condition on them holds again and again.
          disk.write(place, junk);
          disk.count('attack: junk');
          break;
        case 'other junk':
          disk.write(place, Buffer.from(`junk ${world.random()}`));
          disk.count('attack: junk');
          break;
        case 'copy': {
          // What was signed for one place, at another; or once more at its own.
          const bytes = truth.keys.get(original)?.find((version) => !version.deleteMarker)?.bytes;
          if (bytes !== undefined) disk.write(world.pick([place, original]), bytes);
          disk.count('attack: copy');
          break;
        }
        case 'edited': {
          // Before the copy is there: what belongs to the place, with its true signature, and not as it was signed.
          const key = signed.find((lacking) => !disk.keys.has(lacking));
          const whole = key === undefined ? undefined : truth.keys.get(key)?.find((version) => signedSize(key, version) !== undefined);
          if (key === undefined || whole === undefined) break;
          const bytes = new Uint8Array(whole.bytes);
          bytes[Math.floor(bytes.length / 2)]! ^= 1;
          disk.write(key, bytes);
          disk.count('attack: edited');
          break;
        }
        case 'over marker':
          disk.write(someone, 'delete marker');
          disk.write(someone, junk);
          disk.count('attack: over a marker');
          break;
        case 'odd name':
          disk.write(`${segmentPrefix(CHAIN)}${world.pick(['0', '000.ndjson', '9x', 'a', 'zz'])}`, junk);
          disk.count('attack: odd name');
          break;
      }
      again();
    });
  };
  again();
}
