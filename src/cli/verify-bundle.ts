/** `indelible verify-bundle`: an exported range, with nothing else at hand. */
import { Command } from 'commander';
import { verifyBundle } from '../evidence/verify-bundle.js';
import type { BundleCheck } from '../evidence/verify-bundle.js';
import type { CliContext } from './command.js';
import { CliError, messageOf } from './failure.js';
import { jsonOption, progressOption } from './options.js';
import { Progress } from './progress.js';
import { deploymentOption, publicKeyOption, publicKeysOf } from './public-keys.js';
import { counted, fields, grouped, safe } from './terminal.js';

interface Options {
  readonly publicKey?: readonly string[];
  readonly deployment?: string;
  readonly progress?: boolean;
  readonly json?: boolean;
}

export function command({ output, exit }: CliContext): Command {
  return new Command('verify-bundle')
    .description('Check an exported bundle with nothing else at hand. Without --public-key it is checked against the key it brings along, which proves nobody\'s identity.')
    .argument('<file>', 'the bundle')
    .addOption(publicKeyOption())
    .addOption(deploymentOption())
    .addOption(progressOption())
    .addOption(jsonOption())
    .action(async (file: string, options: Options) => {
      const trustedKeys = publicKeysOf(options.publicKey);
      const progress = new Progress(options.progress);
      let check: BundleCheck;
      try {
        check = await verifyBundle(file, {
          ...(trustedKeys.length > 0 && { trustedKeys }),
          ...(options.deployment !== undefined && { deployment: options.deployment }),
          onProgress: (entries, total) => progress.show(() => `${grouped(entries)} of ${grouped(total)} entries verified`),
        });
      } catch (cause) {
        throw new CliError('input_unreadable', `${file}: ${messageOf(cause)}`, { cause });
      } finally {
        progress.done();
      }
      if (options.json === true) output.json(check);
      else output.line(text(check));
      exit(check.valid ? 0 : 2);
    });

  function text(check: BundleCheck): string {
    if (!check.valid) {
      const where = check.sequence === undefined ? '' : ` (sequence ${check.sequence})`;
      return `${output.paint('red', 'INVALID')}  ${safe(check.reason)}${where}`;
    }
    const { chainId, deployment, range, count, firstReceivedAt, lastReceivedAt, lastEntryHash, checkpoint, publicKeys, statement } = check;
    return `${output.paint('green', 'VALID')}  chain ${safe(chainId)}, sequences ${range.from} to ${range.to}\n${fields(
      [
        ['deployment', deployment],
        ['entries', grouped(count)],
        ['received', `${firstReceivedAt} to ${lastReceivedAt}`],
        ['last hash', lastEntryHash],
        ['checkpoint', `of ${counted(checkpoint.size, 'entry', 'entries')}`],
        ['signed by', publicKeys.map(({ keyId, fingerprint }) => `key ${keyId}, SHA-256 ${fingerprint}`).join('\n')],
      ],
      '  ',
    )}\n  ${safe(statement)}`;
  }
}
