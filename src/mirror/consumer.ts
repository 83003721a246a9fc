/**
 * For programs that consume the mirror (docs/mirror.md): gives them the entries of each chain in order, once, and only
 * after they are proven by a signed checkpoint. It knows no Kafka client: it is handed messages, in whatever order and
 * however often they come.
 *
 * What proves: the last message of each segment carries the signed checkpoint, which commits to every entry before it.
 * The entries from where the consumer stands to there, hashed one after another, must give the signed root. Where they
 * do not, or some are missing, they are fetched from the log itself (`fill`) and nothing goes on until they fit: a
 * hole stalls the chain, it is never skipped. A message alone is never believed.
 */
import { binaryBytes, hexEncode, sha256Hex, utf8Decode } from '#platform';
import { emptyHead, isChainId, originOf } from '../core/chain.js';
import type { ChainHead } from '../core/chain.js';
import { openCheckpoint } from '../core/checkpoint.js';
import type { Checkpoint } from '../core/checkpoint.js';
import { MAX_PAYLOAD_BYTES, readPayload } from '../core/entry.js';
import type { Finding } from '../core/findings.js';
import { hashEntries } from '../core/leaf-hasher.js';
import { equalBytes, HASH_BYTES } from '../core/merkle.js';
import { noteKey } from '../core/note.js';
import type { NoteKey, PublicKey } from '../core/note.js';
import { TreeExtension } from '../core/tree-extension.js';
import { readEntryRecord } from './messages.js';
import type { EntryRecord } from './messages.js';

export type { ChainHead } from '../core/chain.js';
export type { Finding } from '../core/findings.js';

/** As any Kafka client gives it. */
export interface ConsumedMessage {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: Readonly<Record<string, unknown>> | undefined;
}

export interface ProvenEntry {
  readonly chainId: string;
  readonly sequence: number;
  /** The exact stored text. */
  readonly payload: string;
  /** Hexadecimal. */
  readonly prevHash: string;
  readonly entryHash: string;
}

export interface MirrorConsumerOptions {
  /** The deployment's name, and its public keys (`indelible keys`, GET /v1/keys): got from somewhere else than Kafka. */
  readonly deployment: string;
  readonly publicKeys: readonly PublicKey[];
  /** Payloads of the entries from…to (exclusive) from the log itself: `GET /v1/chains/{chainId}/entries`, or the store. May give fewer. */
  readonly fill: (chainId: string, from: number, to: number) => Promise<readonly (Uint8Array | string)[]>;
  /** Takes the entries that come next. What it throws is tried again, with the same entries. */
  readonly onEntries: (entries: readonly ProvenEntry[], head: ChainHead) => Promise<void>;
  /** Something is wrong with what is in the topic. */
  readonly onFinding: (finding: Finding) => void;
  /** Where this consumer stands from an earlier run: the `head` it was last given. Default: the beginning of each chain. */
  readonly headOf?: (chainId: string) => Promise<ChainHead | undefined>;
  /** Why a chain does not go on; it is tried again. */
  readonly onStalled?: (stalled: Stalled) => void;
  readonly retryMs?: number;
}

export interface Stalled {
  readonly chainId: string;
  /** The entry it waits for. */
  readonly sequence: number;
  readonly reason: string;
}

/** Entries hashed, fetched and handed over at a time. */
const STEP = 1_000;
/** Of entries that wait for their proof; what is beyond is dropped, and fetched when its turn comes. */
const MAX_WAITING_BYTES = 16 * 1_048_576;
/** Entries and checkpoints handed over lately that repeats are compared with; older ones are compared with the log. */
const REMEMBERED = 4_000;
const MAX_TARGETS = 1_000;

interface Target {
  readonly checkpoint: Checkpoint;
  readonly sequence: number;
}

interface Chain {
  readonly chainId: string;
  readonly keys: readonly NoteKey[];
  head: ChainHead;
  /** Payloads that came and are not proven yet: different ones for one sequence if someone put them there. */
  readonly waiting: Map<number, Buffer[]>;
  waitingBytes: number;
  /** Signed checkpoints behind the head, the smallest first. */
  targets: Target[];
  /** SHA-256 of the latest payloads, and the latest roots, by sequence and size. */
  readonly payloads: Map<number, string>;
  readonly roots: Map<number, Uint8Array>;
  /** Repeats to be compared with the log. */
  repeats: Map<number, Buffer>;
  retry: ReturnType<typeof setTimeout> | undefined;
  lane: Promise<void>;
}

/** Entries hashed on from a head. */
interface Step {
  readonly payloads: readonly Uint8Array[];
  readonly entryHashes: Uint8Array;
  readonly head: ChainHead;
  readonly root: Uint8Array;
}

export class MirrorConsumer {
  readonly #options: MirrorConsumerOptions;
  readonly #chains = new Map<string, Promise<Chain>>();
  readonly #reported = new Set<string>();
  readonly #stalled = new Map<string, Stalled>();
  #closed = false;

  constructor(options: MirrorConsumerOptions) {
    this.#options = options;
  }

  /** Chains that wait for an entry they can not get now. */
  get stalled(): readonly Stalled[] {
    return [...this.#stalled.values()];
  }

  /** Returns when what the message completes was handed over, or has to wait. @throws what `headOf` throws */
  async take(message: ConsumedMessage): Promise<void> {
    const entry = readEntryRecord({ key: message.key, value: message.value, headers: message.headers ?? {} });
    if (entry === undefined || !isChainId(entry.chainId)) {
      this.#report('', { code: 'foreign_object', chainId: entry?.chainId ?? message.key?.toString('utf8') ?? '', detail: 'a message that has not the form of an entry' });
      return;
    }
    const chain = await this.#chain(entry.chainId);
    await this.#exclusive(chain, () => this.#takeEntry(chain, entry));
  }

  /** Waits for what is being handed over. Chains that are stalled stay where they are. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const opening of this.#chains.values()) {
      const chain = await opening.catch(() => undefined);
      clearTimeout(chain?.retry);
      await chain?.lane;
    }
  }

  #chain(chainId: string): Promise<Chain> {
    const known = this.#chains.get(chainId);
    if (known !== undefined) return known;
    const { deployment, publicKeys, headOf } = this.#options;
    const opening = Promise.resolve(headOf?.(chainId)).then((head): Chain => ({
      chainId,
      keys: publicKeys.map((key) => noteKey(originOf(deployment, chainId), key)),
      head: head ?? emptyHead(chainId),
      waiting: new Map(),
      waitingBytes: 0,
      targets: [],
      payloads: new Map(),
      roots: new Map(),
      repeats: new Map(),
      retry: undefined,
      lane: Promise.resolve(),
    }));
    this.#chains.set(chainId, opening);
    opening.catch(() => this.#chains.delete(chainId));
    return opening;
  }

  #exclusive(chain: Chain, work: () => Promise<void>): Promise<void> {
    const result = chain.lane.then(work);
    chain.lane = result.catch(() => undefined);
    return result;
  }

  async #takeEntry(chain: Chain, { sequence, payload, checkpoint }: EntryRecord): Promise<void> {
    if (sequence < chain.head.size) this.#repeat(chain, sequence, payload);
    else this.#keep(chain, sequence, payload);
    if (checkpoint !== undefined) this.#target(chain, sequence, checkpoint);
    if (chain.targets.length > 0 || chain.repeats.size >= STEP || (checkpoint !== undefined && chain.repeats.size > 0)) await this.#goOn(chain);
  }

  #keep(chain: Chain, sequence: number, payload: Buffer): void {
    if (payload.length > MAX_PAYLOAD_BYTES || chain.waitingBytes + payload.length > MAX_WAITING_BYTES) return;
    const known = chain.waiting.get(sequence) ?? [];
    // Two are enough to tell that they differ; which of them is the log's, the signature tells.
    if (known.length >= 2 || known.some((other) => other.equals(payload))) return;
    known.push(payload);
    chain.waiting.set(sequence, known);
    chain.waitingBytes += payload.length;
  }

  #repeat(chain: Chain, sequence: number, payload: Buffer): void {
    const known = chain.payloads.get(sequence);
    if (known === undefined) chain.repeats.set(sequence, payload);
    else if (known !== sha256Hex(payload)) this.#reportFork(chain, sequence);
  }

  #target(chain: Chain, sequence: number, text: string): void {
    let opened: ReturnType<typeof openCheckpoint>;
    try {
      opened = openCheckpoint(text, chain.keys);
    } catch {
      opened = undefined;
    }
    const checkpoint = opened?.checkpoint;
    if (checkpoint?.origin !== originOf(this.#options.deployment, chain.chainId)) {
      this.#report(text, { code: 'signature_invalid', chainId: chain.chainId, sequence, detail: 'a checkpoint that no key of the deployment signed' });
      return;
    }
    const known = chain.roots.get(checkpoint.size);
    if (known !== undefined && !equalBytes(known, checkpoint.root)) this.#reportFork(chain, sequence, `a second signed checkpoint of size ${checkpoint.size}`);
    if (checkpoint.size <= chain.head.size || chain.targets.length >= MAX_TARGETS) return;
    if (chain.targets.some((target) => target.checkpoint.size === checkpoint.size && equalBytes(target.checkpoint.root, checkpoint.root))) return;
    chain.targets.push({ checkpoint, sequence });
    chain.targets.sort((a, b) => a.checkpoint.size - b.checkpoint.size);
  }

  /** As far as it goes now; what fails is tried again later. */
  async #goOn(chain: Chain): Promise<void> {
    clearTimeout(chain.retry);
    try {
      await this.#compareRepeats(chain);
      await this.#advance(chain);
      this.#stalled.delete(chain.chainId);
    } catch (error) {
      const stalled = { chainId: chain.chainId, sequence: chain.head.size, reason: (error as Error).message };
      this.#stalled.set(chain.chainId, stalled);
      this.#options.onStalled?.(stalled);
      if (this.#closed) return;
      chain.retry = setTimeout(() => void this.#exclusive(chain, () => this.#goOn(chain)).catch(() => undefined), this.#options.retryMs ?? 1_000);
      chain.retry.unref();
    }
  }

  async #advance(chain: Chain): Promise<void> {
    let refused: unknown;
    for (const target of [...chain.targets]) {
      const { checkpoint } = target;
      if (checkpoint.size > chain.head.size) {
        try {
          await this.#reach(chain, checkpoint);
        } catch (error) {
          // One that was signed beside the log must not hold up those of the log.
          if (!(error instanceof NotProvenError)) throw error;
          refused = error;
          continue;
        }
        for (const earlier of chain.targets) {
          if (earlier.checkpoint.size < checkpoint.size && chain.roots.get(earlier.checkpoint.size) === undefined) {
            this.#reportFork(chain, earlier.sequence, `a signed checkpoint of size ${earlier.checkpoint.size} that the log does not fit`);
          }
        }
        refused = undefined;
      } else {
        const known = chain.roots.get(checkpoint.size);
        if (known !== undefined && !equalBytes(known, checkpoint.root)) this.#reportFork(chain, target.sequence, `a second signed checkpoint of size ${checkpoint.size}`);
      }
      chain.targets = chain.targets.filter((other) => other !== target && other.checkpoint.size > chain.head.size);
    }
    if (refused !== undefined) throw refused as Error;
  }

  /** First with what came, and if that does not fit, with what the log has. @throws NotProvenError; what `fill` or `onEntries` throws */
  async #reach(chain: Chain, checkpoint: Checkpoint): Promise<void> {
    const fromTopic = await this.#prove(chain, checkpoint, true);
    const proven = fromTopic ?? (await this.#prove(chain, checkpoint, false));
    if (proven === undefined) {
      throw new NotProvenError(`entries ${chain.head.size} to ${checkpoint.size - 1} do not hash to the signed root of size ${checkpoint.size}, neither as they came nor as the log gives them`);
    }
    for (const { size } of proven) {
      const step = await this.#step(chain, chain.head, size, fromTopic !== undefined);
      const expected = proven.find((one) => one.size === size) as ProvenStep;
      if (!equalBytes(step.root, expected.root)) throw new Error(`entry ${chain.head.size} and those after it were given differently a second time`);
      await this.#hand(chain, step);
    }
  }

  /** The steps that lead to the checkpoint; `undefined` if they do not. Keeps no payloads: there may be millions. */
  async #prove(chain: Chain, { size, root }: Checkpoint, fromTopic: boolean): Promise<readonly ProvenStep[] | undefined> {
    const steps: ProvenStep[] = [];
    let head = chain.head;
    let last: Uint8Array | undefined;
    while (head.size < size) {
      const step = await this.#step(chain, head, Math.min(size, head.size + STEP), fromTopic);
      head = step.head;
      last = step.root;
      steps.push({ size: head.size, root: step.root });
    }
    return last !== undefined && equalBytes(last, root) ? steps : undefined;
  }

  async #step(chain: Chain, head: ChainHead, to: number, fromTopic: boolean): Promise<Step> {
    const payloads = await this.#payloads(chain, head.size, to, fromTopic);
    const starts: number[] = [];
    const ends: number[] = [];
    let at = 0;
    for (const payload of payloads) {
      starts.push(at);
      ends.push((at += payload.length));
    }
    const hashes = hashEntries(Buffer.concat(payloads), starts, ends, head.lastEntryHash);
    const tree = new TreeExtension(head.frontier, hashes.leafHashes);
    const entryHashes = binaryBytes(hashes.entryHashes);
    const lastReceivedAt = readPayload(utf8Decode(payloads.at(-1) as Uint8Array))?.receivedAt ?? head.lastReceivedAt;
    return {
      payloads,
      entryHashes,
      root: tree.root,
      head: { chainId: head.chainId, size: tree.size, lastEntryHash: entryHashes.slice(-HASH_BYTES), frontier: tree.frontier(), lastReceivedAt },
    };
  }

  /** @throws Error if the log does not give them all */
  async #payloads(chain: Chain, from: number, to: number, fromTopic: boolean): Promise<Uint8Array[]> {
    const payloads: Uint8Array[] = [];
    for (let at = from; at < to; ) {
      const [came, other] = fromTopic ? (chain.waiting.get(at) ?? []) : [];
      if (came !== undefined && other === undefined) {
        payloads.push(came);
        at += 1;
        continue;
      }
      let end = at + 1;
      while (end < to && (!fromTopic || chain.waiting.get(end)?.length !== 1)) end += 1;
      const filled = await this.#fill(chain.chainId, at, end);
      payloads.push(...filled);
      at += filled.length;
    }
    return payloads;
  }

  async #fill(chainId: string, from: number, to: number): Promise<readonly Uint8Array[]> {
    const given = (await this.#options.fill(chainId, from, to)).slice(0, to - from);
    if (given.length === 0) throw new Error(`the log gives no entry ${from}`);
    return given.map((payload) => {
      const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
      if (bytes.length > MAX_PAYLOAD_BYTES) throw new Error(`the log gives ${bytes.length} bytes for one entry from ${from} on`);
      return bytes;
    });
  }

  async #hand(chain: Chain, { payloads, entryHashes, head, root }: Step): Promise<void> {
    const { chainId } = chain;
    let prevHash = hexEncode(chain.head.lastEntryHash);
    const first = chain.head.size;
    const entries = payloads.map((payload, i): ProvenEntry => {
      const entryHash = hexEncode(entryHashes.subarray(HASH_BYTES * i, HASH_BYTES * (i + 1)));
      const entry = { chainId, sequence: first + i, payload: utf8Decode(payload), prevHash, entryHash };
      prevHash = entryHash;
      return entry;
    });
    await this.#options.onEntries(entries, head);
    chain.head = head;
    remember(chain.roots, head.size, root);
    for (const [i, payload] of payloads.entries()) {
      remember(chain.payloads, first + i, sha256Hex(payload));
      const came = chain.waiting.get(first + i) ?? [];
      if (came.some((other) => !other.equals(payload))) this.#reportFork(chain, first + i);
      for (const { length } of came) chain.waitingBytes -= length;
      chain.waiting.delete(first + i);
    }
  }

  /** Entries that came again after their turn, too long ago to be remembered. */
  async #compareRepeats(chain: Chain): Promise<void> {
    const sequences = [...chain.repeats.keys()].sort((a, b) => a - b);
    for (let i = 0; i < sequences.length; ) {
      const from = sequences[i] as number;
      let count = 1;
      while (count < STEP && sequences[i + count] === from + count) count += 1;
      const filled = await this.#fill(chain.chainId, from, from + count);
      for (const [at, payload] of filled.entries()) {
        if (chain.repeats.get(from + at)?.equals(payload) === false) this.#reportFork(chain, from + at);
        chain.repeats.delete(from + at);
      }
      i += filled.length;
    }
  }

  #reportFork(chain: Chain, sequence: number, what = 'a message with other bytes than those the log has'): void {
    this.#report(`${chain.chainId} ${sequence} ${what}`, { code: 'fork', chainId: chain.chainId, sequence, detail: `sequence ${sequence}: ${what}` });
  }

  /** Each once. */
  #report(id: string, finding: Finding): void {
    const key = `${finding.code} ${id}`;
    if (this.#reported.has(key)) return;
    if (this.#reported.size >= 10_000) this.#reported.clear();
    this.#reported.add(key);
    this.#options.onFinding(finding);
  }
}

interface ProvenStep {
  readonly size: number;
  readonly root: Uint8Array;
}

/** The log as it was given does not lead to this checkpoint. */
class NotProvenError extends Error {
  override readonly name = 'NotProvenError';
}

function remember<V>(map: Map<number, V>, key: number, value: V): void {
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > REMEMBERED && oldest !== undefined) map.delete(oldest);
}
