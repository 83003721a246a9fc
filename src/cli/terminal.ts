/**
 * Text for people. What a producer wrote is hostile here: an escape sequence in a name could repaint the
 * screen that shows the verdict, a bidirectional override could make an amount read backwards.
 */

// eslint-disable-next-line no-control-regex -- finding them is the point
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\p{Cs}]/gu;
/** Of those, what may stand raw in JSON text. */
const UNSAFE_IN_JSON = /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** The text with every character that could act on a terminal shown as its escape. */
export function safe(text: string): string {
  return text.replace(UNSAFE, escaped);
}

/** The same, but line feeds stay: for text of our own that holds values of others. */
export function safeLines(text: string): string {
  return text.split('\n').map(safe).join('\n');
}

/** JSON of the value, on one line; the same value, harmless on a terminal. */
export function safeJson(value: unknown): string {
  return harmlessJson(JSON.stringify(value));
}

/** JSON text is only touched within strings: nowhere else can these characters stand. */
export function harmlessJson(text: string): string {
  return text.replace(UNSAFE_IN_JSON, escaped);
}

/** `label  value` lines, the values in one column. Values are made safe. */
export function fields(rows: readonly (readonly [label: string, value: string | number])[], indent = ''): string {
  const width = Math.max(0, ...rows.map(([label]) => label.length));
  return rows
    .map(([label, value]) => {
      // A value of several lines goes on below its first one.
      const lines = safeLines(String(value)).split('\n');
      return indent + `${label.padEnd(width)}  ${lines.join(`\n${indent}${' '.repeat(width + 2)}`)}`.trimEnd();
    })
    .join('\n');
}

/** Columns as wide as their widest cell; numbers to the right. Cells are made safe. */
export function table(rows: readonly (readonly (string | number)[])[], indent = ''): string {
  const texts = rows.map((row) => row.map((cell) => safe(String(cell))));
  const widths: number[] = [];
  for (const row of texts) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, cell.length)));
  return texts
    .map((row, r) => {
      const cells = row.map((cell, i) => (typeof rows[r]?.[i] === 'number' ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)));
      return `${indent}${cells.join('  ')}`.trimEnd();
    })
    .join('\n');
}

/** `1,234,567` whatever the locale. */
export function grouped(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `1 entry`, `2 entries`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${grouped(count)} ${count === 1 ? one : many}`;
}

export function bytesText(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit] ?? ''}`;
}
