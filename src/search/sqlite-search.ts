/**
 * One search over the view's documents: shard by shard, best first, until no further shard can hold a
 * better hit than those found.
 */
import type { ChainOfDocuments, DocumentTable } from './sqlite-documents.js';
import { chainOf, idOf, sequenceOf } from './sqlite-documents.js';
import { matchOf } from './sqlite-terms.js';
import type { Shard } from './sqlite-shards.js';
import type { CheckedQuery, Position } from './query.js';
import { matchesExactly, writeCursor } from './query.js';
import type { SearchDocument, SearchPage } from './search-index.js';

/** Sequences of one chain that may be hits, best first. */
interface Group {
  readonly chain: ChainOfDocuments;
  readonly sequences: Iterable<number>;
}

type Range = readonly [from: number, to: number];

export class SqliteSearch {
  readonly #documents: DocumentTable;
  readonly #checked: CheckedQuery;
  readonly #newestFirst: boolean;
  /** One more than asked for: it tells whether there is a next page. */
  readonly #wanted: number;
  readonly #match: string | undefined;
  /** As they were when the search began. */
  readonly #chains: ReadonlyMap<number, ChainOfDocuments>;
  readonly #ranges = new Map<number, Range>();
  /** `undefined`: everything at once, because the query has no terms. Best last. */
  readonly #shards: (Shard | undefined)[];
  #hits: SearchDocument[] = [];

  constructor(documents: DocumentTable, checked: CheckedQuery) {
    this.#documents = documents;
    this.#checked = checked;
    this.#newestFirst = checked.query.order === 'newest';
    this.#wanted = checked.query.limit + 1;
    this.#match = matchOf(checked);
    this.#chains = new Map(this.#chainsAsked().map((chain) => [chain.number, chain]));
    this.#shards = this.#match === undefined ? [undefined] : this.#shardsWorstFirst();
  }

  /** Looks into one shard; false when the page is complete. */
  step(): boolean {
    const shard = this.#shards.pop();
    if (shard === undefined && this.#match !== undefined) return false;
    if (shard !== undefined && !this.#canImprove(shard.oldest, shard.newest)) return false;
    // Groups come best first, so that most of those that follow need one look each, if any.
    for (const group of this.#groups(shard)) {
      if (this.#canImprove(group.chain.firstReceived, group.chain.lastReceived)) this.#take(group);
    }
    return this.#shards.length > 0;
  }

  page(): SearchPage {
    const { query } = this.#checked;
    const last = this.#hits[query.limit - 1];
    const chains = [...this.#chains.values()];
    return {
      hits: this.#hits.slice(0, query.limit),
      ...(this.#hits.length === this.#wanted && last !== undefined && { next: writeCursor(query, last) }),
      completeThrough: Object.fromEntries(
        query.chainId === undefined
          ? chains.map((chain) => [chain.chainId, chain.indexed])
          : [[query.chainId, chains[0]?.indexed ?? 0]],
      ),
    };
  }

  #chainsAsked(): ChainOfDocuments[] {
    const { chainId } = this.#checked.query;
    if (chainId === undefined) return this.#documents.chains();
    const chain = this.#documents.chain(chainId);
    return chain === undefined ? [] : [chain];
  }

  #shardsWorstFirst(): Shard[] {
    const { receivedFrom, receivedTo, after, query } = this.#checked;
    const { shards } = this.#documents;
    let candidates: Shard[] = [];
    if (query.chainId === undefined) candidates = shards.all();
    else for (const chain of this.#chains.values()) candidates = shards.ofChain(chain.number, ...this.#range(chain));
    const notBefore = later(receivedFrom, this.#newestFirst ? undefined : after?.receivedAt) ?? '';
    const notAfter = earlier(receivedTo, this.#newestFirst ? after?.receivedAt : undefined) ?? '~';
    return candidates
      .filter((shard) => shard.newest >= notBefore && shard.oldest <= notAfter)
      .sort((a, b) => (this.#newestFirst ? compare(a.newest, b.newest) : compare(b.oldest, a.oldest)));
  }

  /** Whether an entry received between the two times can be better than the worst hit of a full page. */
  #canImprove(oldest: string, newest: string): boolean {
    const worst = this.#hits[this.#wanted - 1];
    if (worst === undefined) return true;
    return this.#newestFirst ? newest >= worst.receivedAt : oldest <= worst.receivedAt;
  }

  #groups(shard: Shard | undefined): Group[] {
    const chains = [...this.#chains.values()];
    const groups =
      shard === undefined || this.#match === undefined
        ? chains.map((chain) => ({ chain, sequences: this.#counted(this.#range(chain)) }))
        : this.#matched(shard.shard, this.#match, chains);
    return groups.sort((a, b) =>
      this.#newestFirst
        ? compare(b.chain.lastReceived, a.chain.lastReceived)
        : compare(a.chain.firstReceived, b.chain.firstReceived),
    );
  }

  #matched(shard: number, match: string, chains: readonly ChainOfDocuments[]): Group[] {
    const { shards } = this.#documents;
    const [only] = chains;
    if (only === undefined) return [];
    if (chains.length === 1) {
      const [from, to] = this.#range(only);
      if (from >= to) return [];
      const ids = shards.matches(shard, match, idOf(only.number, from), idOf(only.number, to - 1), this.#newestFirst);
      return [{ chain: only, sequences: map(ids, sequenceOf) }];
    }
    const found = new Map<number, number[]>();
    const ids = shards.allMatches(shard, match);
    for (const id of this.#newestFirst ? ids.reverse() : ids) {
      const sequences = found.get(chainOf(id));
      if (sequences === undefined) found.set(chainOf(id), [sequenceOf(id)]);
      else sequences.push(sequenceOf(id));
    }
    return chains.flatMap((chain) => {
      const sequences = found.get(chain.number);
      if (sequences === undefined) return [];
      const [from, to] = this.#range(chain);
      return [{ chain, sequences: sequences.filter((sequence) => sequence >= from && sequence < to) }];
    });
  }

  *#counted([from, to]: Range): Generator<number> {
    if (this.#newestFirst) for (let sequence = to - 1; sequence >= from; sequence--) yield sequence;
    else for (let sequence = from; sequence < to; sequence++) yield sequence;
  }

  /** Takes the group's hits into the page, as far as they are better than what is there. */
  #take({ chain, sequences }: Group): void {
    const worst = this.#hits[this.#wanted - 1];
    const found: SearchDocument[] = [];
    for (const sequence of sequences) {
      const hit = this.#documents.get(chain, sequence);
      // Forgotten in the meantime, or a term two values share.
      if (hit === undefined || !matchesExactly(this.#checked.query, hit)) continue;
      if (worst !== undefined && this.#order(hit, worst) > 0) break;
      found.push(hit);
      if (found.length === this.#wanted) break;
    }
    if (found.length === 0) return;
    this.#hits = [...this.#hits, ...found].sort((a, b) => this.#order(a, b)).slice(0, this.#wanted);
  }

  #order(a: Position, b: Position): number {
    const ascending = compare(a.receivedAt, b.receivedAt) || compare(a.chainId, b.chainId) || a.sequence - b.sequence;
    return this.#newestFirst ? -ascending : ascending;
  }

  /** The sequences of the chain within the times asked for and behind the cursor: `from` … `to − 1`. */
  #range(chain: ChainOfDocuments): Range {
    const known = this.#ranges.get(chain.number);
    if (known !== undefined) return known;
    const { receivedFrom, receivedTo, after } = this.#checked;
    const documents = this.#documents;
    let from = receivedFrom === undefined ? 0 : documents.sequenceAt(chain, receivedFrom, false);
    let to = receivedTo === undefined ? chain.indexed : documents.sequenceAt(chain, receivedTo, false);
    if (after !== undefined) {
      const isSame = chain.chainId === after.chainId;
      // Entries of the same instant come in the order of their chains' ids.
      const next = isSame ? after.sequence : documents.sequenceAt(chain, after.receivedAt, chain.chainId < after.chainId);
      if (this.#newestFirst) to = Math.min(to, next);
      else from = Math.max(from, isSame ? next + 1 : next);
    }
    const range: Range = [from, to];
    this.#ranges.set(chain.number, range);
    return range;
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function later(a: string | undefined, b: string | undefined): string | undefined {
  return a === undefined || (b !== undefined && b > a) ? b : a;
}

function earlier(a: string | undefined, b: string | undefined): string | undefined {
  return a === undefined || (b !== undefined && b < a) ? b : a;
}

function* map<T, U>(values: Iterable<T>, to: (value: T) => U): Generator<U> {
  for (const value of values) yield to(value);
}
