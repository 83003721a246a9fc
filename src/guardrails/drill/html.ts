/** The report as one page that an auditor can read and print: no script, nothing from elsewhere, everything escaped. */
import { countsText, drillExitCode, verdictText } from './report.js';
import type { DrillReport } from './report.js';

/** Already safe to stand in a page. */
class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
/** Could make a verdict read otherwise than it is: control characters, and what turns the direction of writing. */
// eslint-disable-next-line no-control-regex -- finding them is the point
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\p{Cs}]/gu;

export function escapeHtml(text: string): string {
  return text.replace(UNSEEN, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`).replace(/[&<>"']/g, (character) => ESCAPES[character] ?? '');
}

type Part = Markup | string | number | readonly Part[];

/** Whatever is put into it is escaped, unless it was made by this function. */
function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return new Markup(strings.map((text, at) => text + (at < parts.length ? textOf(parts[at] as Part) : '')).join(''));
}

function textOf(part: Part): string {
  if (part instanceof Markup) return part.text;
  if (typeof part === 'object') return part.map(textOf).join('');
  return escapeHtml(String(part));
}

type Attack = DrillReport['attacks'][number];

const STYLE = new Markup(`
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 70rem; margin: 2rem auto; padding: 0 1.5rem; box-sizing: border-box; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; } h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; border-bottom: 1px solid #ccc; } h3 { font-size: 1rem; margin: 1.2rem 0 .2rem; }
.lock { font-weight: 600; padding: .6rem .8rem; border-left: 5px solid #2c7a3f; background: #eef7f0; } .lock.none { border-color: #b3261e; background: #fdeceb; }
.verdict { font-size: 1.1rem; margin: .8rem 0; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; vertical-align: top; padding: .35rem .5rem; border-bottom: 1px solid #ddd; overflow-wrap: anywhere; } th { background: #f4f4f4; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; margin: 0; } dt { color: #555; } dd { margin: 0; overflow-wrap: anywhere; }
.tag { font-weight: 600; white-space: nowrap; } .refused, .passed { color: #1e6b34; } .found { color: #7a5200; } .missed { color: #b3261e; } .untried, .inapplicable, .incomplete { color: #555; }
ul { margin: .2rem 0; padding-left: 1.2rem; } .small { color: #555; font-size: .9rem; } section.attack { break-inside: avoid; }
@media print { body { margin: 0; max-width: none; font-size: 11px; } h2 { break-after: avoid; } thead { display: table-header-group; } tr { break-inside: avoid; } }
`);

export function drillHtml(report: DrillReport): string {
  const { lock, notes, attacks, cleanup } = report;
  const page = html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${titleOf(lock)}Guardrails drill of ${report.environment.logBucket}, ${report.startedAt.slice(0, 10)}</title>
<style>${STYLE}</style>
</head>
<body>
<p class="${lock.startsWith('LOCK') ? 'lock' : 'lock none'}">${lock}</p>
<h1>Guardrails drill</h1>
${summary(report)}
<h2>Where it was done</h2>
${environment(report)}
${notes.length === 0 ? '' : html`<h3>To be known</h3><ul>${notes.map((note) => html`<li>${note}</li>`)}</ul>`}
<h2>Results</h2>
<table>
<thead><tr><th>Attack</th><th>With the rights of</th><th>Verdict</th><th>By, or as</th></tr></thead>
<tbody>
${attacks.map(row)}
</tbody>
</table>
<h2>What each attack means, and what was seen</h2>
${byId(attacks).map(section)}
<h2>What was left behind</h2>
${cleanup.stays.length === 0 ? html`<p>Nothing: all that the drill made was removed.</p>` : html`<ul>${cleanup.stays.map(({ what, until, how }) => html`<li>${what}${until === undefined ? '' : `, until ${until}`}. To remove it: ${how}.</li>`)}</ul>`}
<p class="small">Format ${report.format}, Indelible ${report.environment.version}. The same in JSON lies beside this page as drill.json.</p>
</body>
</html>
`;
  return page.text;
}

function titleOf(lock: string): string {
  return lock.startsWith('LOCK') ? '' : 'NO LOCK: ';
}

function summary(report: DrillReport): Markup {
  const { result, counts, startedAt, finishedAt, attacks } = report;
  const says = {
    passed: 'Passed: each attack was refused, or found by monitoring.',
    missed: 'Failed: at least one attack took effect and was not found.',
    incomplete: 'Incomplete: nothing that was tried was missed, but not everything could be tried.',
  }[result];
  return html`<p class="verdict ${result}"><strong>${says}</strong></p>
<p>${attacks.length} attacks: ${countsText(counts)}. Exit code ${drillExitCode(report)}. From ${startedAt} to ${finishedAt}.</p>
<p>Each attack was tried against a small real log in a scratch bucket that was made for this drill, never against the log itself. A verdict rests on what
was really there afterwards, not on what the server answered. <em>Refused</em>: nothing had changed. <em>Found</em>: it took effect, and verification, reconciliation, the
guardrails check or the age of the last verification told of it. <em>Missed</em>: it took effect, and nothing told of it.</p>`;
}

function environment({ environment: env }: DrillReport): Markup {
  const rows: readonly (readonly [string, string | undefined])[] = [
    ['Bucket of the log', env.logBucket],
    ['Scratch bucket', env.scratchBucket],
    ['Second scratch bucket', env.secondScratchBucket],
    ['S3', env.endpoint ?? `AWS, ${env.region}`],
    ['Writers', env.singleWriter ? 'one, declared (the store need not keep conditions)' : 'many'],
    ['Signing key', env.signer === 'kms' ? 'in KMS' : 'a file of the service'],
    ['Scratch topic', env.scratchTopic],
    ['Scratch index', env.scratchIndex],
    ['Time given to monitoring', `${env.foundWithinSeconds} seconds for each attack`],
  ];
  return html`<dl>${rows.map(([name, value]) => (value === undefined ? '' : html`<dt>${name}</dt><dd>${value}</dd>`))}</dl>`;
}

function row(attack: Attack): Markup {
  return html`<tr><td>${attack.title}</td><td>${attack.rights}</td><td class="tag ${attack.verdict}">${tagOf(attack)}</td><td>${shortOf(attack)}</td></tr>
`;
}

function tagOf({ verdict }: Attack): string {
  return { refused: 'refused', found: 'found', missed: 'MISSED', untried: 'not tried', inapplicable: 'nothing to attack' }[verdict];
}

function shortOf(attack: Attack): string {
  switch (attack.verdict) {
    case 'refused':
      return attack.by;
    case 'found':
      return `${attack.as}, by ${attack.by}, in ${attack.seconds} seconds`;
    case 'missed':
    case 'untried':
    case 'inapplicable':
      return attack.because;
  }
}

function byId(attacks: readonly Attack[]): readonly (readonly Attack[])[] {
  const found = new Map<string, Attack[]>();
  for (const attack of attacks) found.set(attack.id, [...(found.get(attack.id) ?? []), attack]);
  return [...found.values()];
}

function section(attacks: readonly Attack[]): Markup {
  const [first] = attacks;
  if (first === undefined) return html``;
  return html`<section class="attack">
<h3 id="${first.id}">${first.title}</h3>
<p>${first.means}</p>
${attacks.map((attack) => html`<p><span class="tag ${attack.verdict}">With the ${attack.rights}'s rights: ${verdictText(attack)}.</span></p>
<ul><li>${attack.tried}</li>${attack.evidence.map((line) => html`<li>${line}</li>`)}</ul>`)}
</section>
`;
}
