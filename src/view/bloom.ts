/**
 * A Bloom filter over entry ids: says at once that an id is certainly new, so that most appends need no
 * lookup. It grows by layers, each twice as large as the one before.
 *
 * Each layer is split into blocks of 64 bytes, and a key sets bits in one block only: one cache miss a layer
 * instead of one a bit, for a few more bits a key.
 */

export interface BloomFilterOptions {
  /**
   * Random, 32 bits, another one in each process: without it somebody who chooses ids could choose ones that
   * collide. A collision costs a lookup, never a wrong answer.
   */
  readonly seed: number;
  /** Upper bound for the share of unknown ids answered with "maybe". Default 0.01. */
  readonly falsePositiveRate?: number;
  /** Ids the first layer is made for. Default 262,144 (half a megabyte). */
  readonly initialCapacity?: number;
}

const WORDS_PER_BLOCK = 16;
const BITS_PER_BLOCK = 512;

interface Layer {
  readonly words: Uint32Array;
  readonly blocks: number;
  readonly bitsPerKey: number;
  readonly capacity: number;
}

export class BloomFilter {
  readonly #seed: number;
  readonly #rate: number;
  readonly #layers: Layer[];
  readonly #filled = new Set<string>();
  #newest: Layer;
  #room: number;
  #first = 0;
  #second = 0;

  constructor(options: BloomFilterOptions) {
    this.#seed = options.seed | 0;
    this.#rate = options.falsePositiveRate ?? 0.01;
    if (!(this.#rate > 0 && this.#rate < 1)) throw new RangeError(`"falsePositiveRate" expected 0–1, got ${this.#rate}`);
    const capacity = options.initialCapacity ?? 262_144;
    if (!(capacity >= 1)) throw new RangeError(`"initialCapacity" expected at least 1, got ${capacity}`);
    this.#newest = layerFor(capacity, this.#rate / 2);
    this.#layers = [this.#newest];
    this.#room = this.#newest.capacity;
  }

  /** Adds an id. One that seems to be there already takes no room. */
  add(chainId: string, entryId: string): void {
    this.#hash(chainId, entryId);
    if (this.#holds()) return;
    if (this.#room === 0) this.#grow();
    this.#room--;
    const { words, blocks, bitsPerKey } = this.#newest;
    const block = blockOf(this.#first, blocks);
    let bits = this.#second;
    for (let i = 0; i < bitsPerKey; i++) {
      const bit = bits >>> 23;
      const word = block + (bit >>> 5);
      words[word] = (words[word] ?? 0) | (1 << (bit & 31));
      bits = nextBits(bits, i);
    }
  }

  /** False: the id has certainly not been added. Always true for a chain whose ids have not all been added yet. */
  mayContain(chainId: string, entryId: string): boolean {
    if (!this.#filled.has(chainId)) return true;
    this.#hash(chainId, entryId);
    return this.#holds();
  }

  /** From now on "no" is an answer for this chain: the caller has added each of its ids, and goes on doing so. */
  markFilled(chainId: string): void {
    this.#filled.add(chainId);
  }

  /** Back to "maybe", for a chain whose ids are no longer known completely. */
  markUnfilled(chainId: string): void {
    this.#filled.delete(chainId);
  }

  isFilled(chainId: string): boolean {
    return this.#filled.has(chainId);
  }

  /** Bytes of memory. */
  get bytes(): number {
    return this.#layers.reduce((sum, layer) => sum + layer.words.byteLength, 0);
  }

  #holds(): boolean {
    // The newest layer holds half of all ids.
    for (let i = this.#layers.length - 1; i >= 0; i--) {
      const layer = this.#layers[i];
      if (layer !== undefined && inLayer(layer, this.#first, this.#second)) return true;
    }
    return false;
  }

  #grow(): void {
    // Half the rate for each further layer, so that all of them together stay below the bound.
    this.#newest = layerFor(this.#newest.capacity * 2, this.#rate / 2 ** (this.#layers.length + 1));
    this.#layers.push(this.#newest);
    this.#room = this.#newest.capacity;
  }

  /** Two 32-bit hashes of the pair. Each text ends with its length, so that the border between them counts. */
  #hash(chainId: string, entryId: string): void {
    this.#first = this.#seed ^ 0x9e3779b9;
    this.#second = Math.imul(this.#seed, 0x85ebca6b) ^ 0x7f4a7c15;
    this.#absorb(chainId);
    this.#absorb(entryId);
    const [first, second] = [this.#first, this.#second];
    this.#first = mix(first ^ (second >>> 15));
    this.#second = mix(second ^ (first >>> 13));
  }

  #absorb(text: string): void {
    let a = this.#first;
    let b = this.#second;
    const { length } = text;
    // Two UTF-16 units a round.
    for (let i = 0; i + 1 < length; i += 2) {
      const pair = text.charCodeAt(i) | (text.charCodeAt(i + 1) << 16);
      a = Math.imul(a ^ pair, 0x85ebca6b);
      a ^= a >>> 15;
      b = Math.imul(b ^ pair, 0xc2b2ae35);
      b ^= b >>> 13;
    }
    const rest = (length << 16) | (length % 2 === 1 ? text.charCodeAt(length - 1) : 0);
    this.#first = Math.imul(a ^ rest, 0x9e3779b1);
    this.#second = Math.imul(b ^ rest, 0x27d4eb2f);
  }
}

function layerFor(capacity: number, rate: number): Layer {
  // A block of 512 bits is more or less full by chance; 25 % more room makes up for that (measured).
  const bitsPerEntry = (Math.log(1 / rate) / Math.LN2 ** 2) * 1.25 + 1;
  const blocks = Math.ceil((capacity * bitsPerEntry) / BITS_PER_BLOCK);
  const bitsPerKey = Math.max(1, Math.round(Math.log2(1 / rate)));
  return { words: new Uint32Array(blocks * WORDS_PER_BLOCK), blocks, bitsPerKey, capacity: Math.floor(capacity) };
}

function inLayer({ words, blocks, bitsPerKey }: Layer, first: number, second: number): boolean {
  const block = blockOf(first, blocks);
  let bits = second;
  for (let i = 0; i < bitsPerKey; i++) {
    const bit = bits >>> 23;
    if (((words[block + (bit >>> 5)] ?? 0) & (1 << (bit & 31))) === 0) return false;
    bits = nextBits(bits, i);
  }
  return true;
}

/** Index of the block's first word: the hash scaled to the number of blocks, without a division. */
function blockOf(hash: number, blocks: number): number {
  return Math.floor(((hash >>> 0) / 4294967296) * blocks) * WORDS_PER_BLOCK;
}

function nextBits(bits: number, round: number): number {
  return Math.imul(bits ^ (bits >>> 11), 0x9e3779b1) + round;
}

/** The finalizer of MurmurHash3: each input bit changes each output bit with probability one half. */
function mix(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
