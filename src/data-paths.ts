/** Where the parts of a data folder lie. */
import { join } from 'node:path';

export interface DataPaths {
  /** The write-once store, the truth, where it is a folder. With a bucket, nothing here is needed to find an entry again. */
  readonly worm: string;
  readonly keys: string;
  readonly view: string;
  readonly access: string;
  readonly marks: string;
  readonly exports: string;
}

export function dataPaths(dataDir: string): DataPaths {
  return {
    worm: join(dataDir, 'worm'),
    keys: join(dataDir, 'keys'),
    view: join(dataDir, 'view', 'view.sqlite'),
    access: join(dataDir, 'access'),
    marks: join(dataDir, 'marks'),
    exports: join(dataDir, 'exports'),
  };
}
