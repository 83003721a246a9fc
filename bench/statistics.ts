/** The few numbers the tables are made of. Machines are shared and noisy, so everything is a median. */

export function median(values: readonly number[]): number {
  return quantile([...values].sort((a, b) => a - b), 0.5);
}

/** Linear interpolation between the closest ranks of an ascending list. */
export function quantile(ascending: ArrayLike<number>, q: number): number {
  if (ascending.length === 0) return Number.NaN;
  const rank = (ascending.length - 1) * q;
  const low = Math.floor(rank);
  const a = ascending[low] ?? Number.NaN;
  const b = ascending[Math.min(low + 1, ascending.length - 1)] ?? Number.NaN;
  return a + (b - a) * (rank - low);
}

export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** A median with the range it came from, so that a reader sees the noise: `9,100 (8,700–9,300)`. */
export function spread(values: readonly number[], format: (value: number) => string = count): string {
  const middle = format(median(values));
  if (values.length < 2) return middle;
  return `${middle} (${format(Math.min(...values))}–${format(Math.max(...values))})`;
}

export function milliseconds(value: number): string {
  return `${value < 10 ? value.toFixed(2) : value.toFixed(0)} ms`;
}
