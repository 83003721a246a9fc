/** A verification's report for people: the verdict first, then what it rests on, then what was found. */
import type { Finding, Verdict } from '../core/findings.js';
import type { HeldAgainst, VerificationReport } from '../verification/report.js';
import type { Colour, Output } from './output.js';
import { counted, fields, grouped, safe } from './terminal.js';

const MAX_SHOWN = 20;
const HELD: Readonly<Record<HeldAgainst['outcome'], string>> = {
  contained: 'the chain holds it',
  contradicted: 'CONTRADICTED by the chain',
  not_compared: 'not compared',
  unusable: 'proves nothing here',
  other_chain: 'of another chain',
};

export function verdictText(output: Output, verdict: Verdict): string {
  const colours: Readonly<Record<Verdict, Colour>> = { intact: 'green', tampered: 'red', incomplete: 'yellow', indeterminate: 'yellow' };
  return output.paint(colours[verdict], verdict.toUpperCase());
}

/** @param folder put before the keys of objects, so that they are files one can open */
export function reportText(output: Output, report: VerificationReport, folder: string): string {
  const { chainId, verdict, firstBadSequence, range, entriesChecked, heldAgainst, trust, findings, findingsOmitted, statements } = report;
  const first = firstBadSequence === undefined ? '' : `, first bad sequence ${firstBadSequence}`;
  const checked = entriesChecked === 0 ? 'no entry' : `${counted(entriesChecked, 'entry', 'entries')}, sequences ${range.from} to ${range.to}`;
  const held = heldAgainst.filter(({ outcome }) => outcome !== 'other_chain');
  const rows: [string, string][] = [
    ['checked', checked],
    ['signed by', trust.keyIds.length === 0 ? 'no key that is trusted' : `key ${trust.keyIds.join(', ')} (${trust.source === 'given' ? 'given' : 'found in the store itself'})`],
    ['held against', held.length === 0 ? 'nothing from outside' : heldTexts(held).join('\n')],
  ];
  const parts = [`${verdictText(output, verdict)}  chain ${safe(chainId)}${first}`, fields(rows, '  ')];
  for (const finding of findings.slice(0, MAX_SHOWN)) parts.push(findingText(output, finding, folder));
  const more = findings.length - MAX_SHOWN + findingsOmitted;
  if (findings.length > MAX_SHOWN || findingsOmitted > 0) parts.push(`  and ${grouped(more)} more findings; --json lists up to 1,000`);
  parts.push(...statements.map((statement) => `  ${safe(statement)}`));
  return parts.join('\n');
}

export function findingText(output: Output, { code, sequence, lastSequence, key, detail }: Finding, folder: string): string {
  const rows: [string, string][] = [];
  if (key !== undefined) rows.push(['file', `${folder}/${key}`]);
  rows.push(['what', detail]);
  return `  ${output.paint('bold', code)}${sequence === undefined ? '' : `  ${rangeText(sequence, lastSequence)}`}\n${fields(rows, '    ')}`;
}

function rangeText(sequence: number, lastSequence: number | undefined): string {
  if (lastSequence === sequence) return `sequence ${sequence}`;
  return lastSequence === undefined ? `from sequence ${sequence} on` : `sequences ${sequence} to ${lastSequence}`;
}

/** Of a file with a receipt a line, one text for each outcome: the findings name the lines of those that matter. */
function heldTexts(held: readonly HeldAgainst[]): string[] {
  const lines = new Map<string, { readonly source: string; readonly outcome: HeldAgainst['outcome']; count: number }>();
  for (const { source, line, outcome } of held) {
    if (line === undefined) continue;
    const alike = lines.get(`${outcome} ${source}`) ?? { source, outcome, count: 0 };
    alike.count += 1;
    lines.set(`${outcome} ${source}`, alike);
  }
  const several = [...lines.values()].map(({ source, outcome, count }) => `${counted(count, 'receipt')} of ${source}: ${HELD[outcome]}`);
  return [...held.filter(({ line }) => line === undefined).map(heldText), ...several];
}

function heldText({ source, kind, size, outcome, detail }: HeldAgainst): string {
  return `${kind} ${source}${size === undefined ? '' : ` (${counted(size, 'entry', 'entries')})`}: ${HELD[outcome]}${detail === undefined ? '' : `; ${detail}`}`;
}
