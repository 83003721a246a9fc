/** What somebody with write access to the folder, and without the key, can do to a chain. */
import { segmentKey } from '#indelible/core/chain.js';
import type { Segment } from '#indelible/core/segment.js';
import type { Random } from '../support/random.js';
import { buildSegments, defaultEvent, TestKey } from '../support/chain-builder.js';
import { faultOfFlip } from './segment-layout.js';

export interface ExpectedFinding {
  /** One of these. */
  readonly codes: readonly string[];
  /** Absent: the finding concerns no entry. */
  readonly sequence?: number;
  readonly lastSequence?: number;
}

export interface Mutation {
  /** Key to new content; `undefined` removes the file. */
  readonly changes: ReadonlyMap<string, Uint8Array | undefined>;
  /** Everything that must be found, in order of sequence. */
  readonly findings: readonly ExpectedFinding[];
  readonly description: string;
}

type Make = (segments: readonly Segment[], random: Random) => Mutation | undefined;

const last = (segment: Segment): number => segment.firstSequence + segment.count - 1;
const size = (segments: readonly Segment[]): number => segments.at(-1)!.head.size;
const pick = (segments: readonly Segment[], random: Random): Segment => random.pick(segments);

function replace(segment: Segment, bytes: Uint8Array, codes: readonly string[], at: number, description: string): Mutation {
  return { changes: new Map([[segment.key, bytes]]), findings: [{ codes, sequence: segment.firstSequence + at, lastSequence: last(segment) }], description };
}

/** Parts of a segment's text. */
function parts(segment: Segment): { readonly header: string; readonly lines: string[]; readonly note: string } {
  const text = Buffer.from(segment.bytes).toString();
  const end = text.indexOf('\n\n');
  const [header = '', ...lines] = text.slice(0, end).split('\n');
  return { header, lines, note: text.slice(end + 2) };
}

function assemble(header: string, lines: readonly string[], note: string): Uint8Array {
  return Buffer.from(`${[header, ...lines].join('\n')}\n\n${note}`);
}

const flipByte: Make = (segments, random) => {
  const segment = pick(segments, random);
  const offset = random.int(0, segment.bytes.length - 1);
  const bytes = Buffer.from(segment.bytes);
  // Line feeds more often than chance has it: they move the boundaries.
  bytes[offset] = random.next() < 0.1 ? 0x0a : bytes[offset]! ^ random.int(1, 255);
  if (bytes[offset] === segment.bytes[offset]) return undefined;
  const { codes, at } = faultOfFlip(segment, offset, bytes[offset]);
  return replace(segment, bytes, codes, at, `byte ${offset} of ${segment.key} becomes ${bytes[offset]}`);
};

const deleteFile: Make = (segments, random) => {
  if (segments.length < 2) return undefined;
  const segment = pick(segments.slice(0, -1), random);
  return {
    changes: new Map([[segment.key, undefined]]),
    findings: [{ codes: ['missing_object'], sequence: segment.firstSequence, lastSequence: last(segment) }],
    description: `${segment.key} is removed`,
  };
};

const swapFiles: Make = (segments, random) => {
  const [a, b] = [pick(segments, random), pick(segments, random)];
  if (a.firstSequence >= b.firstSequence) return undefined;
  return {
    changes: new Map([[a.key, b.bytes], [b.key, a.bytes]]),
    findings: [a, b].map((segment) => ({ codes: ['link_mismatch'], sequence: segment.firstSequence, lastSequence: last(segment) })),
    description: `${a.key} and ${b.key} change places`,
  };
};

const copyFile: Make = (segments, random) => {
  const segment = pick(segments, random);
  const at = random.pick(freePlaces(segments));
  const end = size(segments);
  return {
    changes: new Map([[segmentKey(segment.chainId, at), segment.bytes]]),
    findings: [at === end ? { codes: ['link_mismatch'], sequence: end } : { codes: ['foreign_object'] }],
    description: `${segment.key} is copied to ${at} of ${end}`,
  };
};

/** Sequences at which no segment begins: within segments, right behind the chain, and far behind it. */
function freePlaces(segments: readonly Segment[]): number[] {
  const within = segments.flatMap(({ firstSequence, count }) => Array.from({ length: count - 1 }, (_, i) => firstSequence + 1 + i));
  const end = size(segments);
  return [...within, end, end, end + 1, end + 777, Number.MAX_SAFE_INTEGER];
}

const truncate: Make = (segments, random) => {
  const segment = pick(segments, random);
  const length = random.int(0, segment.bytes.length - 1);
  const entriesEnd = Buffer.from(segment.bytes).indexOf('\n\n') + 1;
  const code = length <= entriesEnd ? 'unknown_format' : 'signature_invalid';
  return replace(segment, segment.bytes.subarray(0, length), [code], 0, `${segment.key} is cut to ${length} of ${segment.bytes.length} bytes`);
};

const dropLine: Make = (segments, random) => {
  const segment = pick(segments, random);
  const { header, lines, note } = parts(segment);
  const at = random.int(0, lines.length - 1);
  const bytes = lines.length === 1 ? Buffer.from(`${header}\n\n${note}`) : assemble(header, lines.toSpliced(at, 1), note);
  return replace(segment, bytes, ['sequence_gap'], at, `line ${at} of ${segment.key} is dropped`);
};

const repeatLine: Make = (segments, random) => {
  const segment = pick(segments, random);
  const { header, lines, note } = parts(segment);
  const at = random.int(0, lines.length - 1);
  const bytes = assemble(header, lines.toSpliced(at, 0, lines[at]!), note);
  // A line too many at the end concerns the last entry, not the next segment's first.
  return replace(segment, bytes, ['sequence_duplicate'], Math.min(at + 1, lines.length - 1), `line ${at} of ${segment.key} is repeated`);
};

const swapLines: Make = (segments, random) => {
  const segment = pick(segments, random);
  const { header, lines, note } = parts(segment);
  const [a, b] = [random.int(0, lines.length - 1), random.int(0, lines.length - 1)];
  if (a >= b) return undefined;
  const bytes = assemble(header, lines.with(a, lines[b]!).with(b, lines[a]!), note);
  return replace(segment, bytes, ['sequence_gap'], a, `lines ${a} and ${b} of ${segment.key} change places`);
};

const renumberLine: Make = (segments, random) => {
  const segment = pick(segments, random);
  const { header, lines, note } = parts(segment);
  const at = random.int(0, lines.length - 1);
  const was = segment.firstSequence + at;
  const now = random.pick([was + 1, was + 10, was - 1, 0, 2 ** 52]);
  if (now < 0 || now === was) return undefined;
  const line = lines[at]!.replace(`","sequence":${was},"writerId"`, `","sequence":${now},"writerId"`);
  const codes = [now > was ? 'sequence_gap' : 'sequence_duplicate'];
  return replace(segment, assemble(header, lines.with(at, line), note), codes, at, `entry ${was} is renumbered ${now}`);
};

/** The whole segment moves up by some places, header, entries and key with it. */
const renumberSegment: Make = (segments, random) => {
  const segment = pick(segments.slice(0, -1), random);
  if (segments.length < 2 || segment.count < 2) return undefined;
  const by = random.int(1, segment.count - 1);
  const { header, lines, note } = parts(segment);
  const moved = lines.map((line, i) => line.replace(`","sequence":${segment.firstSequence + i},`, `","sequence":${segment.firstSequence + i + by},`));
  const bytes = assemble(header.replace(`"firstSequence":${segment.firstSequence}`, `"firstSequence":${segment.firstSequence + by}`), moved, note);
  const key = segmentKey(segment.chainId, segment.firstSequence + by);
  const { firstSequence } = segment;
  // Either it still passes for a damaged segment of ours, or for nothing at all: in both cases what is
  // missing is said to be missing.
  return {
    changes: new Map([[segment.key, undefined], [key, bytes]]),
    findings: [{ codes: ['missing_object'], sequence: firstSequence }, { codes: ['checkpoint_mismatch', 'foreign_object', 'link_mismatch', 'hash_mismatch'] }],
    description: `${segment.key} moves up by ${by}`,
  };
};

/** Another history, signed by the same key: a copy from a store that was restored and went on differently. */
const otherHistory: Make = (segments, random) => {
  if (segments.length < 2) return undefined;
  const at = random.int(0, segments.length - 2);
  const segment = segments[at]!;
  const [other] = buildSegments({
    chainId: segment.chainId,
    counts: [segment.count],
    event: (sequence) => defaultEvent(sequence + 1_000_000),
    ...(at === 0 ? {} : { after: segments[at - 1]!.head }),
  });
  const next = segments[at + 1]!;
  return {
    changes: new Map([[segment.key, other!.bytes]]),
    findings: [{ codes: ['fork'], sequence: next.firstSequence, lastSequence: last(next) }],
    description: `${segment.key} is that of another history`,
  };
};

const otherKey = new TestKey(66);

/** Everything as it was, but the signature, and the header that names it, are of another key. */
const resign: Make = (segments, random) => {
  const at = random.int(0, segments.length - 1);
  const segment = segments[at]!;
  const payloads = new Map(segments.map((each) => [each.firstSequence, each]));
  const [forged] = rebuild([segment], at === 0 ? undefined : segments[at - 1]!, payloads);
  return replace(segment, forged!.bytes, ['signature_invalid'], 0, `${segment.key} is signed by another key`);
};

/** The same entries in the same cuts, chained anew and signed by a key that is not the deployment's. */
function rebuild(segments: readonly Segment[], before: Segment | undefined, originals: ReadonlyMap<number, Segment>, change?: (sequence: number, event: string) => string): Segment[] {
  const eventOf = (sequence: number): string => {
    const segment = [...originals.values()].find(({ firstSequence, count }) => sequence >= firstSequence && sequence < firstSequence + count)!;
    const payload = segment.payloads[sequence - segment.firstSequence]!;
    const event = /"event":(.*),"format":"indelible\/entry\/v1"/.exec(payload)![1]!;
    return change?.(sequence, event) ?? event;
  };
  return buildSegments({
    chainId: segments[0]!.chainId,
    counts: segments.map(({ count }) => count),
    key: otherKey,
    event: eventOf,
    ...(before === undefined ? {} : { after: before.head }),
  });
}

/** One entry is changed and all that follows chained anew, with the forger's key or the old signatures. */
const rechain: Make = (segments, random) => {
  const at = random.int(0, segments.length - 1);
  const tail = segments.slice(at);
  const target = random.int(tail[0]!.firstSequence, last(tail[0]!));
  const originals = new Map(segments.map((segment) => [segment.firstSequence, segment]));
  const forged = rebuild(tail, at === 0 ? undefined : segments[at - 1]!, originals, (sequence, event) => (sequence === target ? event.replace('order', '0rder') : event));
  const how = random.pick(['own key', 'old checkpoints', 'old signatures']);
  const changes = new Map<string, Uint8Array>();
  for (const [i, segment] of forged.entries()) {
    const original = tail[i]!;
    const { header, lines, note } = parts(segment);
    const keyId = /"signerKeyId":"([0-9a-f]{8})"/.exec(parts(original).header)![1]!;
    const old = header.replace(/"signerKeyId":"[0-9a-f]{8}"/, `"signerKeyId":"${keyId}"`);
    const oldNote = parts(original).note;
    const grafted = note.slice(0, note.indexOf('\n\n')) + oldNote.slice(oldNote.indexOf('\n\n'));
    changes.set(segment.key, how === 'own key' ? segment.bytes : assemble(old, lines, how === 'old checkpoints' ? oldNote : grafted));
  }
  const code = how === 'old checkpoints' ? 'hash_mismatch' : 'signature_invalid';
  return {
    changes,
    findings: tail.map((segment) => ({ codes: [code], sequence: segment.firstSequence, lastSequence: last(segment) })),
    description: `entry ${target} is changed and the tail chained anew with ${how}`,
  };
};

const editHeader: Make = (segments, random) => {
  const segment = pick(segments, random);
  const { header, lines, note } = parts(segment);
  const fields = JSON.parse(header) as Record<string, unknown>;
  const [name, value, code] = random.pick<readonly [string, unknown, string]>([
    ['count', segment.count + random.pick([-1, 1, 7]), 'link_mismatch'],
    ['firstSequence', segment.firstSequence + 1, 'link_mismatch'],
    ['prevHash', random.bytes(32).toString('hex'), 'link_mismatch'],
    ['frontier', [...(fields['frontier'] as string[]), '0'.repeat(64)], 'link_mismatch'],
    ['frontier', (fields['frontier'] as string[]).map(() => random.bytes(32).toString('hex')), 'link_mismatch'],
    ['writerId', 'somebody', 'link_mismatch'],
    ['signerKeyId', random.bytes(4).toString('hex'), 'signature_invalid'],
    ['chainId', 'another', 'foreign_object'],
    ['format', 'indelible/segment/v2', 'unknown_format'],
  ]);
  const changed = JSON.stringify({ ...fields, [name]: value });
  if (changed === header) return undefined;
  return replace(segment, assemble(changed, lines, note), [code], 0, `${name} in the header of ${segment.key} becomes ${JSON.stringify(value)}`);
};

const appendJunk: Make = (segments, random) => {
  const segment = pick(segments, random);
  const junk = random.pick([random.bytes(random.int(1, 200)), Buffer.from('\n'), Buffer.from('\n\n'), Buffer.from(segment.payloads[0]!), Buffer.from(segment.checkpoint)]);
  return replace(segment, Buffer.concat([segment.bytes, junk]), ['signature_invalid'], 0, `${junk.length} bytes are appended to ${segment.key}`);
};

const insertForeign: Make = (segments, random) => {
  const prefix = `chains/${segments[0]!.chainId}/segments/`;
  const end = size(segments);
  const at = random.pick(freePlaces(segments));
  const name = random.pick([segmentKey(segments[0]!.chainId, at), `${prefix}readme.txt`, `${prefix}.hidden`, `${prefix}00.ndjson`, `${prefix}sub/00000000000000000000.ndjson`, `${prefix}99999999999999999999.ndjson`, `${prefix}a file`]);
  const ours = name === segmentKey(segments[0]!.chainId, end);
  return {
    changes: new Map([[name, random.pick([random.bytes(random.int(0, 300)), Buffer.from('{}\n')])]]),
    findings: [ours ? { codes: ['unknown_format'], sequence: end } : { codes: ['foreign_object'] }],
    description: `${name} appears`,
  };
};

export const MUTATIONS: readonly (readonly [string, Make])[] = [
  ['any byte is another', flipByte],
  ['a file is deleted', deleteFile],
  ['two files are swapped', swapFiles],
  ['a file is duplicated under another key', copyFile],
  ['a file is truncated', truncate],
  ['a line is dropped', dropLine],
  ['a line is repeated', repeatLine],
  ['two lines are swapped', swapLines],
  ['an entry is renumbered', renumberLine],
  ['a segment is renumbered and moved', renumberSegment],
  ['a file is replaced by one of another signed history', otherHistory],
  ['a segment is signed with another key', resign],
  ['the tail is chained anew without the key', rechain],
  ['a field of a header is edited', editHeader],
  ['junk is appended', appendJunk],
  ['a foreign file is inserted', insertForeign],
];
