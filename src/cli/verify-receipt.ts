/** `indelible verify-receipt`: a receipt and a key, nothing else: no service, no data, no network. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { decodeStrict, parseStrict } from '../core/json.js';
import { verifyReceipt } from '../core/receipt.js';
import type { ReceiptCheck } from '../core/receipt.js';
import type { CliContext } from './command.js';
import { CliError, messageOf } from './failure.js';
import { jsonOption } from './options.js';
import { certificateOption, certificatesOf, deploymentOption, keysFor, publicKeyOption, publicKeysOf } from './public-keys.js';
import { counted, fields, safe } from './terminal.js';

interface Options {
  readonly publicKey?: readonly string[];
  readonly certificate?: readonly string[];
  readonly deployment?: string;
  readonly json?: boolean;
}

const MAX_FILE_BYTES = 1_073_741_824;

export function command({ output, exit }: CliContext): Command {
  return new Command('verify-receipt')
    .description('Check receipts (one, or one a line) with the public key alone. Exit 0: all are genuine; 2: one is not; 3: no key was given.')
    .argument('<file>', 'the receipt; - for stdin')
    .addOption(publicKeyOption())
    .addOption(certificateOption())
    .addOption(deploymentOption())
    .addOption(jsonOption())
    .action((file: string, options: Options) => {
      const keys = publicKeysOf(options.publicKey);
      if (keys.length === 0) {
        throw new CliError('key_missing', 'without a key from elsewhere nothing can be said: give --public-key (indelible keys prints it; compare its fingerprint)', { exitCode: 3 });
      }
      const trusted = keysFor(keys, options.deployment, certificatesOf(options.certificate));
      const checks = read(file).map((value) => verifyReceipt(value, trusted));
      const bad = checks.filter((check) => !check.valid).length;
      if (options.json === true) output.json({ valid: bad === 0, receipts: checks.map(jsonOf) });
      else if (checks.length === 1) output.line(text(checks[0] as ReceiptCheck));
      else {
        checks.forEach((check, i) => {
          if (!check.valid) output.line(`line ${i + 1}: INVALID  ${safe(check.reason)}`);
        });
        output.line(`${counted(checks.length, 'receipt')}: ${checks.length - bad} valid, ${bad} invalid`);
      }
      exit(bad === 0 ? 0 : 2);
    });

  function text(check: ReceiptCheck): string {
    if (!check.valid) return `${output.paint('red', 'INVALID')}  ${safe(check.reason)}`;
    const { receipt, checkpoint, signedBy } = check;
    return `${output.paint('green', 'VALID')}  ${safe(receipt.chainId)} #${receipt.sequence}\n${fields(
      [
        ['id', receipt.entryId],
        ['received', receipt.receivedAt],
        ['hash', receipt.entryHash],
        ['checkpoint', `${checkpoint.origin}, ${counted(checkpoint.size, 'entry', 'entries')}`],
        ['signed by', `key ${signedBy.join(', ')}`],
        ['payload', receipt.payload],
      ],
      '  ',
    )}`;
  }
}

/** The receipts in a file: one JSON text, or one a line. @throws CliError */
function read(file: string): readonly unknown[] {
  let content: string;
  try {
    content = decodeStrict(readFileSync(file === '-' ? 0 : file), MAX_FILE_BYTES);
  } catch (cause) {
    throw new CliError('input_unreadable', `${file}: ${messageOf(cause)}`, { cause });
  }
  const lines = content.split('\n').filter((line) => line.trim() !== '');
  try {
    return [parseStrict(content, { maxLength: MAX_FILE_BYTES })];
  } catch (whole) {
    if (lines.length < 2) throw new CliError('receipt_unreadable', `${file}: ${messageOf(whole)}`, { cause: whole });
  }
  return lines.map((line, i) => {
    try {
      return parseStrict(line);
    } catch (cause) {
      throw new CliError('receipt_unreadable', `${file}: line ${i + 1}: ${messageOf(cause)}`, { details: { line: i + 1 }, cause });
    }
  });
}

function jsonOf(check: ReceiptCheck): object {
  if (!check.valid) return check;
  const { chainId, sequence, entryId, receivedAt, entryHash } = check.receipt;
  const { origin, size } = check.checkpoint;
  return { valid: true, chainId, sequence, entryId, receivedAt, entryHash, origin, treeSize: size, signedBy: check.signedBy };
}
