import { join } from 'node:path';
import { FilesystemStore } from '#indelible/storage/filesystem/store.js';
import { scratchFolders } from '../support/scratch.js';
import { wormStoreContract } from './contract.js';

const scratch = scratchFolders();

wormStoreContract('the filesystem store', async () => {
  const root = join(await scratch(), 'data', 'worm');
  const opened: FilesystemStore[] = [];
  const open = async (): Promise<FilesystemStore> => {
    const store = await FilesystemStore.open(root);
    opened.push(store);
    return store;
  };
  const store = await open();
  const dispose = async (): Promise<void> => {
    await Promise.all(opened.map((one) => one.close()));
  };
  return { store, another: open, dispose };
});
