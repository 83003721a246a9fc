/** All commands, in the order of `--help`. */
import type { CommandEntry } from './command.js';

export const COMMANDS: readonly CommandEntry[] = [
  { name: 'serve', summary: 'run the service over HTTP', load: () => import('./serve.js') },
  { name: 'append', summary: 'append one event, or many from a file or stdin', load: () => import('./append.js') },
  { name: 'get', summary: 'print one entry, or its receipt', load: () => import('./get.js') },
  { name: 'tail', summary: 'print the newest entries of a chain, and follow it', load: () => import('./tail.js') },
  { name: 'search', summary: 'find entries by their metadata', load: () => import('./search.js') },
  { name: 'chains', summary: 'list the chains', load: () => import('./chains.js') },
  { name: 'checkpoint', summary: 'print the signed checkpoint of a chain', load: () => import('./checkpoint.js') },
  { name: 'keys', summary: 'print the public keys that sign', load: () => import('./keys.js') },
];
