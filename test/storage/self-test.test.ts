import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FilesystemStore } from '#indelible/storage/filesystem/store.js';
import { selfTest, SelfTestFailed } from '#indelible/storage/self-test.js';
import type { CreateOutcome, KeyPage, ListOptions, Retention } from '#indelible/storage/worm-store.js';
import { FaultyStore } from '../support/faulty-store.js';
import { MemoryStore } from '../support/memory-store.js';
import { scratchFolders } from '../support/scratch.js';

/** As Ceph RGW 16.2: the condition is ignored, the last write wins. */
class UnconditionalStore extends MemoryStore {
  override async create(key: string, bytes: Uint8Array, retention: Retention): Promise<CreateOutcome> {
    this.tamper(key, undefined);
    return super.create(key, bytes, retention);
  }
}

/** Looks before it writes, but not in one step: right unless somebody else writes at the same time. */
class RacyStore extends MemoryStore {
  override async create(key: string, bytes: Uint8Array): Promise<CreateOutcome> {
    if ((await this.read(key)) !== undefined) return { outcome: 'exists' };
    this.tamper(key, bytes);
    return { outcome: 'created', versionId: 'null' };
  }
}

/** Shows what is listed without order. */
class UnorderedStore extends MemoryStore {
  override async list(prefix: string, options: ListOptions): Promise<KeyPage> {
    const page = await super.list(prefix, options);
    return { ...page, keys: [...page.keys].reverse() };
  }
}

class ForgetfulStore extends MemoryStore {
  override read(): Promise<Uint8Array | undefined> {
    return Promise.resolve(Buffer.from('something else'));
  }
}

describe('the self-test refuses a store', () => {
  it.each([
    ['that ignores the condition', (): MemoryStore => new UnconditionalStore(), /a second create of the same key succeeded.*or declare that there is a single writer/],
    ['whose condition is not atomic', (): MemoryStore => new RacyStore(), /16 of 16 creates of one key at once succeeded/],
    ['that lists in another order', (): MemoryStore => new UnorderedStore(), /in byte order/],
    ['that reads back something else', (): MemoryStore => new ForgetfulStore(), /not what is read back/],
  ])('%s', async (_, make, sentence) => {
    await expect(selfTest(make())).rejects.toThrow(SelfTestFailed);
    await expect(selfTest(make())).rejects.toThrow(sentence);
  });

  it('that is full of what a trial would write', async () => {
    const store = new MemoryStore();
    await selfTest(store, { id: 'same' });
    await expect(selfTest(store, { id: 'same' })).rejects.toThrow(/reported as taken/);
  });
});

describe('the self-test', () => {
  it.each([new UnconditionalStore(), new RacyStore()])('only reports a missing condition where a single writer is declared', async (store) => {
    const { promises } = await selfTest(store, { singleWriter: true });
    const broken = promises.filter(({ kept }) => kept === 'no');
    expect(broken.length).toBeGreaterThan(0);
    expect(broken.every(({ detail }) => detail.includes('single writer is declared'))).toBe(true);
  });

  it('repeats attempts without a definite answer, as a writer does', async () => {
    const store = new FaultyStore(new MemoryStore(), [
      { operation: 'create', call: 1, fault: 'unknown-stored' },
      { operation: 'create', call: 5, fault: 'unknown-stored' },
      { operation: 'create', call: 9, fault: 'unknown-not-stored' },
    ]);
    const { promises } = await selfTest(store);
    expect(promises.map(({ kept }) => kept)).toEqual(['yes', 'yes', 'yes']);
  });

  it('passes on the error of a store that can not be reached', async () => {
    const store = new FaultyStore(new MemoryStore(), [{ operation: 'create', call: 1, fault: 'not-stored' }]);
    await expect(selfTest(store)).rejects.toMatchObject({ name: 'StoreError' });
  });

  it('leaves nothing in a folder, and says honestly what a folder can not do', async () => {
    const root = join(await scratchFolder(), 'worm');
    const store = await FilesystemStore.open(root);
    const { promises } = await selfTest(store, { now: new Date('2026-01-01T00:00:00Z') });
    await store.close();
    expect(await readdir(root)).toEqual(['.tmp']);
    expect(await readdir(join(root, '.tmp'))).toEqual([]);
    const prevented = promises.find(({ promise }) => promise.startsWith('nobody can change'));
    expect(prevented).toMatchObject({ kept: 'no' });
    expect(prevented?.detail).toMatch(/Verification finds a change; nothing prevents it/);
  });

  it('leaves its few objects below _self-test/ where nothing can be removed', async () => {
    const store = new MemoryStore();
    await selfTest(store, { id: 'one' });
    expect([...store.snapshot().keys()].every((key) => key.startsWith('_self-test/one/'))).toBe(true);
    expect(store.snapshot().size).toBeLessThan(12);
  });
});

const scratchFolder = scratchFolders();
