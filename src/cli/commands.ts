/** All commands, in the order of `--help`. */
import type { CommandEntry } from './command.js';

export const COMMANDS: readonly CommandEntry[] = [
  { name: 'serve', summary: 'run the service over HTTP', load: () => import('./serve.js') },
  { name: 'append', summary: 'append one event, or many from a file or stdin', load: () => import('./append.js') },
  { name: 'get', summary: 'print one entry, or its receipt', load: () => import('./get.js') },
  { name: 'tail', summary: 'print the newest entries of a chain, and follow it', load: () => import('./tail.js') },
  { name: 'search', summary: 'find entries by their metadata', load: () => import('./search.js') },
  { name: 'verify', summary: 'verify chains in a folder, without a service', load: () => import('./verify.js') },
  { name: 'verify-receipt', summary: 'check a receipt with the public key alone', load: () => import('./verify-receipt.js') },
  { name: 'verify-bundle', summary: 'check an exported bundle', load: () => import('./verify-bundle.js') },
  { name: 'export', summary: 'write a range with its proofs to one file', load: () => import('./export.js') },
  { name: 'chains', summary: 'list the chains', load: () => import('./chains.js') },
  { name: 'checkpoint', summary: 'print the signed checkpoint of a chain', load: () => import('./checkpoint.js') },
  { name: 'keys', summary: 'print the public keys that sign', load: () => import('./keys.js') },
  { name: 'doctor', summary: 'try the store and look over the ledger', load: () => import('./doctor.js') },
  { name: 'guardrails', summary: 'say what protects the log and what does not, and try it', load: () => import('./guardrails.js') },
  { name: 'reconcile', summary: 'compare the search index with the log', load: () => import('./reconcile.js') },
  { name: 'rebuild-index', summary: 'make the search index anew from the log', load: () => import('./rebuild-index.js') },
  { name: 'demo', summary: 'a tour in seconds: append, verify, tamper, catch', load: () => import('./demo.js') },
];
