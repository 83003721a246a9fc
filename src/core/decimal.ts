/**
 * Decimal against binary: whether a number survives being read into an IEEE-754 double and written again.
 */

const ZERO = 0x30;

/** Whether the decimal value of `literal`, a JSON number, is that of the shortest form of `value`, its nearest double. */
export function isExact(literal: string, value: number): boolean {
  const shortest = String(value);
  if (shortest === literal) return true;
  if (!Number.isFinite(value)) return false;
  const sent = decimal(literal);
  const kept = decimal(shortest);
  return sent.digits === kept.digits && sent.exponent === kept.exponent;
}

/**
 * |literal| = 0.digits × 10^exponent, without zeros at either end of `digits`; zero is { '', 0 }.
 * No regular expression trims the zeros: on a hostile literal it would take quadratic time.
 */
function decimal(literal: string): { readonly digits: string; readonly exponent: number } {
  const [mantissa = '', power = '0'] = (literal.startsWith('-') ? literal.slice(1) : literal).split(/e/i);
  const [integer = '', fraction = ''] = mantissa.split('.');
  const all = integer + fraction;
  let start = 0;
  while (all.charCodeAt(start) === ZERO) start++;
  let end = all.length;
  while (end > start && all.charCodeAt(end - 1) === ZERO) end--;
  if (start === end) return { digits: '', exponent: 0 };
  return { digits: all.slice(start, end), exponent: integer.length - start + Number(power) };
}
