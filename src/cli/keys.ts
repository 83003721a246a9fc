/** `indelible keys`: the public keys, in the forms in which people hand them on. */
import { Command, Option } from 'commander';
import type { CliContext } from './command.js';
import { requireLedger } from './embedded-client.js';
import { openClient } from './open-client.js';
import { loadConfig } from '../config.js';
import { chainOption, dataDirOption, jsonOption, withLedger } from './options.js';
import type { LedgerOptions } from './options.js';
import { fields } from './terminal.js';

interface Options extends LedgerOptions {
  readonly chain?: string;
  readonly pem?: boolean;
}

export function command({ output }: CliContext): Command {
  const keys = new Command('keys')
    .description('Print the public keys that sign checkpoints. A key found beside the log proves nobody\'s identity: compare its fingerprint with one from elsewhere.')
    .addOption(chainOption('also as the verifier key (vkey) of this chain'))
    .addOption(new Option('--pem', 'print PEM alone, for --public-key').conflicts('json'));
  keys.addCommand(rotate(output));
  return withLedger(keys).action(async (options: Options) => {
    const client = await openClient(options, 'read');
    try {
      const view = await client.keys(options.chain);
      const blocks = view.keys.map(({ algorithm, fingerprint, publicKey, purpose, createdAt, certifiedBy, notBefore, notAfter, vkey }) =>
        fields([
          ['deployment', view.deployment],
          ['algorithm', algorithm],
          ['fingerprint', `SHA-256 ${fingerprint}`],
          ['purpose', PURPOSES[purpose]],
          ...(createdAt === undefined ? [] : [['stated', createdAt] as const]),
          ...(certifiedBy === undefined ? [] : [['certified by', certifiedBy] as const]),
          ...(notBefore === undefined || notAfter === undefined ? [] : [['signs', `what was received from ${notBefore} to ${notAfter}`] as const]),
          ['public key', publicKey],
          ...(vkey === undefined ? [] : [['vkey', vkey] as const]),
        ]),
      );
      if (options.json === true) output.json(view);
      // A delegated key without its certificate would be trusted for ever.
      else if (options.pem === true) output.raw(view.keys.filter(({ purpose }) => purpose !== 'delegated').map(({ publicKey }) => pem(publicKey)).join(''));
      else output.line(blocks.join('\n\n'));
    } finally {
      await client.close();
    }
  });
}

const PURPOSES = {
  root: 'root: nobody has to vouch for it',
  rotation: 'rotation: may do all that its certifier may',
  delegated: 'delegated: signs segments of its time, and certifies nothing',
};

interface RotateOptions {
  readonly dataDir?: string;
  readonly to?: string;
  readonly json?: boolean;
}

function rotate(output: CliContext['output']): Command {
  return new Command('rotate')
    .description('Have the signing key certify the one that is to follow it. Replicas take up the new key when they are started again; what the old one signed stays valid.')
    .addOption(dataDirOption())
    .addOption(new Option('--to <key>', 'the following key: id, ARN or alias of a KMS key; default, for a local key: a new one in the folder'))
    .addOption(jsonOption())
    .action(async (options: RotateOptions, command: Command) => {
      // The parent has options of these names, and takes what stands before the subcommand.
      const { dataDir, to, json } = { ...command.parent?.opts<RotateOptions>(), ...options };
      const { rotateKey } = await import('../compose/rotate-key.js');
      const config = loadConfig(process.env, dataDir === undefined ? {} : { dataDir });
      requireLedger(config);
      const { certified, certifiedBy, next } = await rotateKey(config, to);
      if (json === true) output.json({ fingerprint: certified.fingerprint, certifiedBy, next });
      else output.line(`${fields([['new key', `SHA-256 ${certified.fingerprint}`], ['certified by', `SHA-256 ${certifiedBy}`]])}\n${next}`);
    });
}

/** RFC 7468 §13. */
function pem(base64: string): string {
  return `-----BEGIN PUBLIC KEY-----\n${base64.replaceAll(/(.{64})(?=.)/g, '$1\n')}\n-----END PUBLIC KEY-----\n`;
}
