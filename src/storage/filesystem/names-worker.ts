/** Reads one large folder and ends. See names.ts. */
import { readdirSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { keyNames, READ_OPTIONS, type NamesMessage } from './names.js';

const { path, folder } = workerData as { readonly path: string; readonly folder: string };

function read(): NamesMessage {
  try {
    const sorted = keyNames(folder, readdirSync(path, READ_OPTIONS));
    const starts = new Uint32Array(sorted.length + 1);
    let end = 0;
    sorted.forEach((name, i) => {
      end += name.length;
      starts[i + 1] = end;
    });
    // Its own memory, not a piece of Node's pool: it is handed over, not copied.
    return { names: new Uint8Array(Buffer.alloc(end, sorted.join(''), 'latin1').buffer), starts };
  } catch (error) {
    const { code = 'UNKNOWN', message } = error as NodeJS.ErrnoException;
    return { code, message };
  }
}

const message = read();
parentPort?.postMessage(message, 'names' in message ? [message.names.buffer as ArrayBuffer, message.starts.buffer as ArrayBuffer] : []);
