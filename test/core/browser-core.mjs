// Runs the core on the published vectors and prints what it found; with --conditions=browser on the
// browser's platform. Imports the core alone, as a page would.
import { readFileSync } from 'node:fs';
import { sha256 } from '#platform';
import * as browser from '#indelible/core/platform/browser.js';
import { emptyHead } from '#indelible/core/chain.js';
import { noteKey, parseVkey } from '#indelible/core/note.js';
import { verifyReceiptText } from '#indelible/core/receipt.js';
import { verifySegment } from '#indelible/core/verify-segment.js';

const load = (name) => JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), 'utf8'));
const keyOf = (origin, { algorithm, publicKey }) => noteKey(origin, { algorithm, spki: Uint8Array.from(atob(publicKey), (c) => c.charCodeAt(0)) });
const encode = (text) => new TextEncoder().encode(text);
const failed = [];
let checked = 0;

for (const { origin, deployment, chainId, keys, segments } of load('chain').chains) {
  let before = emptyHead(chainId);
  for (const { text, firstSequence } of segments) {
    const segment = verifySegment(encode(text), { deployment, chainId, firstSequence, before }, keys.map((key) => keyOf(origin, key)));
    checked += 1;
    if (segment.outcome === 'valid') before = segment.after;
    else failed.push(`${origin} ${firstSequence}: ${segment.fault.detail}`);
    const changed = verifySegment(encode(text.replace('"action"', '"actioN"')), { deployment, chainId, firstSequence }, keys.map((key) => keyOf(origin, key)));
    if (changed.outcome === 'valid' || changed.fault.code !== 'hash_mismatch') failed.push(`${origin} ${firstSequence}: a change was not seen`);
  }
}
const receipts = load('receipt');
for (const { name, keys, text } of receipts.valid) {
  checked += 1;
  const check = verifyReceiptText(text, () => keys.map(parseVkey));
  if (!check.valid) failed.push(`${name}: ${check.reason}`);
}
for (const { name, text } of receipts.invalid) {
  checked += 1;
  const origin = `${receipts.deployment}/${receipts.chainId}`;
  if (verifyReceiptText(text, (asked) => (asked === origin ? receipts.keys.map(parseVkey) : [])).valid) failed.push(name);
}
console.log(JSON.stringify({ platform: sha256 === browser.sha256 ? 'browser' : 'node', checked, failed }));
