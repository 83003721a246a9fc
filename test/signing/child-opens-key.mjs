// Opens the signing key in a folder at the same moment as others, and prints its public key.
import { LocalKeySigner } from '#indelible/signing/local-key.js';

const [dir, at] = process.argv.slice(2);
while (Date.now() < Number(at));
const { publicKey } = await LocalKeySigner.open(dir);
process.stdout.write(`${JSON.stringify({ spki: Buffer.from(publicKey.spki).toString('hex') })}\n`);
