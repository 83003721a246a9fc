/**
 * A second opinion on what intake may accept: JSON.parse for the syntax, a tokenizer for the rest, BigInt
 * for the numbers. Slow and plain on purpose, and shares nothing with src/core.
 */
import type { JsonErrorCode } from '#indelible/core/intake-error.js';

/** The rules of docs/format.md §1.1 that a text breaks. JSON.parse must accept it. */
export function brokenRules(text: string, maxDepth = 32): Set<JsonErrorCode> {
  const broken = new Set<JsonErrorCode>();
  const open: (Set<string> | undefined)[] = [];
  const tokens = text.match(/"(?:\\.|[^"\\])*"|[-+.\w]+|[{}[\]:,]/g) ?? [];
  tokens.forEach((token, i) => {
    if (token === '{' || token === '[') {
      open.push(token === '{' ? new Set() : undefined);
      if (open.length > maxDepth) broken.add('json_too_deep');
    } else if (token === '}' || token === ']') {
      open.pop();
    } else if (token.startsWith('"')) {
      const value = JSON.parse(token) as string;
      if (encodeURIComponentFails(value)) broken.add('json_lone_surrogate');
      if (tokens[i + 1] !== ':') return;
      const names = open.at(-1)!;
      if (names.has(value)) broken.add('json_duplicate_member');
      names.add(value);
    } else if (/^[-\d]/.test(token)) {
      const rule = brokenNumberRule(token);
      if (rule !== undefined) broken.add(rule);
    }
  });
  return broken;
}

export function brokenNumberRule(literal: string): JsonErrorCode | undefined {
  const sent = rational(literal);
  const value = Number(literal);
  if (!Number.isFinite(value)) return 'json_number_not_exact';
  const kept = rational(String(value));
  // A double that is zero keeps nothing of other digits; their power may be too large to compute with.
  if (kept.digits === 0n && sent.digits !== 0n) return 'json_number_not_exact';
  const low = sent.power < kept.power ? sent.power : kept.power;
  const equal = sent.digits * 10n ** (sent.power - low) === kept.digits * 10n ** (kept.power - low);
  if (!equal) return 'json_number_not_exact';
  return sent.digits === 0n && literal.startsWith('-') ? 'json_negative_zero' : undefined;
}

/** literal = digits × 10^power */
function rational(literal: string): { digits: bigint; power: bigint } {
  const [mantissa, power = '0'] = literal.toLowerCase().split('e');
  const [integer, fraction = ''] = mantissa!.split('.');
  const digits = BigInt(integer!.replace('-', '') + fraction);
  return {
    digits: literal.startsWith('-') ? -digits : digits,
    power: digits === 0n ? 0n : BigInt(power.replace('+', '')) - BigInt(fraction.length),
  };
}

function encodeURIComponentFails(value: string): boolean {
  try {
    encodeURIComponent(value);
    return false;
  } catch {
    return true;
  }
}
