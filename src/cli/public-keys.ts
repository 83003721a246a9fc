/** Public keys as people hand them over: a file, or the key itself. */
import { existsSync, readFileSync } from 'node:fs';
import { Option } from 'commander';
import { originOf } from '../core/chain.js';
import { parseKeyObject } from '../core/key-object.js';
import type { KeyStatement } from '../core/key-object.js';
import { noteKey } from '../core/note.js';
import type { NoteKey } from '../core/note.js';
import { parsePublicKeys, publicKeysFrom } from '../verification/trust.js';
import type { GivenKey } from '../verification/trust.js';
import { CliError, messageOf } from './failure.js';

export function publicKeyOption(): Option {
  return new Option('--public-key <key...>', 'trusted key from elsewhere: a file (PEM, vkey, base64), a vkey, or base64 of the DER SPKI');
}

export function deploymentOption(): Option {
  return new Option('--deployment <name>', 'the deployment it has to be of');
}

/** @throws CliError naming the argument that is no key */
export function publicKeysOf(keys: readonly string[] | undefined): readonly GivenKey[] {
  return (keys ?? []).flatMap((argument) => {
    try {
      return parsePublicKeys(existsSync(argument) ? readFileSync(argument, 'utf8') : argument);
    } catch (cause) {
      throw new CliError('public_key_invalid', `--public-key ${JSON.stringify(argument)}: no such file, and ${messageOf(cause)}`, { cause });
    }
  });
}

export function certificateOption(): Option {
  return new Option('--certificate <file...>', 'key objects of the store (keys/….json): keys that a trusted one has certified, directly or not, are trusted too');
}

/** @throws CliError naming the file that is no key object */
export function certificatesOf(files: readonly string[] | undefined): readonly KeyStatement[] {
  return (files ?? []).map((file) => {
    try {
      return parseKeyObject(readFileSync(file, 'utf8').trim());
    } catch (cause) {
      throw new CliError('certificate_invalid', `--certificate ${file}: ${messageOf(cause)}`, { cause });
    }
  });
}

/** Those of the keys that may sign for `origin`: a vkey speaks for its own name alone. And those that they certify. */
export function keysFor(keys: readonly GivenKey[], deployment: string | undefined, certificates: readonly KeyStatement[] = []): (origin: string) => readonly NoteKey[] {
  return (origin) => {
    const chain = origin.slice(origin.lastIndexOf('/') + 1);
    if (deployment !== undefined && origin !== originOf(deployment, chain)) return [];
    return publicKeysFrom(keys, origin.slice(0, -chain.length - 1), origin, certificates).map((publicKey) => noteKey(origin, publicKey));
  };
}
