/** Work on JSON text where parsing it would already lose something, or cost one refusal for all of a file. */
import { isExact } from '../../core/decimal.js';

const STRING = '"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"';
const NUMBER = '-?[0-9]+(?:\\.[0-9]+)?(?:[eE][+-]?[0-9]+)?';

/**
 * The text with every number that an IEEE-754 double does not hold to the digit (and negative zero) put in
 * quotes, digit for digit. Text that is no JSON comes out as no JSON.
 */
export function inexactNumbersAsStrings(text: string): string {
  return text.replace(new RegExp(`${STRING}|${NUMBER}`, 'gs'), (token) => {
    if (token.startsWith('"')) return token;
    const value = Number(token);
    return Object.is(value, -0) || !isExact(token, value) ? `"${token}"` : token;
  });
}

export interface SplitText {
  /** The text with each member object of the list replaced by `0`. */
  readonly skeleton: string;
  readonly records: readonly string[];
}

/**
 * Cuts `{"Records":[{…},{…}]}` into its records without parsing them, so that a bad one is refused alone.
 * What stands around the records is in the skeleton, for the strict parser to judge.
 */
export function splitRecords(text: string): SplitText {
  const token = new RegExp(`${STRING}|[{}[\\]]`, 'gs');
  const records: string[] = [];
  let skeleton = '';
  let copied = 0;
  let depth = 0;
  let start = -1;
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    const [found] = match;
    if (found === '{' || found === '[') {
      if (found === '{' && depth === LIST_DEPTH) start = match.index;
      depth += 1;
    } else if (found === '}' || found === ']') {
      depth -= 1;
      if (depth === LIST_DEPTH && start >= 0) {
        skeleton += `${text.slice(copied, start)}0`;
        copied = token.lastIndex;
        records.push(text.slice(start, copied));
        start = -1;
      }
    }
  }
  return { skeleton: skeleton + text.slice(copied), records };
}

/** Within the document's object and the list. */
const LIST_DEPTH = 2;
