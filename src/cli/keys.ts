/** `indelible keys`: the public keys, in the forms in which people hand them on. */
import { Command, Option } from 'commander';
import type { CliContext } from './command.js';
import { openClient } from './open-client.js';
import { chainOption, withLedger } from './options.js';
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
  return withLedger(keys).action(async (options: Options) => {
    const client = await openClient(options, 'read');
    try {
      const view = await client.keys(options.chain);
      const blocks = view.keys.map(({ algorithm, fingerprint, publicKey, vkey }) =>
        fields([
          ['deployment', view.deployment],
          ['algorithm', algorithm],
          ['fingerprint', `SHA-256 ${fingerprint}`],
          ['public key', publicKey],
          ...(vkey === undefined ? [] : [['vkey', vkey] as const]),
        ]),
      );
      if (options.json === true) output.json(view);
      else if (options.pem === true) output.raw(view.keys.map(({ publicKey }) => pem(publicKey)).join(''));
      else output.line(blocks.join('\n\n'));
    } finally {
      await client.close();
    }
  });
}

/** RFC 7468 §13. */
function pem(base64: string): string {
  return `-----BEGIN PUBLIC KEY-----\n${base64.replaceAll(/(.{64})(?=.)/g, '$1\n')}\n-----END PUBLIC KEY-----\n`;
}
