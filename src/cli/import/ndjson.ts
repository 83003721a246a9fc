/** Our own events, a JSON text a line. */
import { parseEvent } from '../../core/event.js';
import { decodeStrict, parseStrict } from '../../core/json.js';
import { inexactNumbersAsStrings } from './json-text.js';
import { isBlank, linesOf } from './source.js';
import type { Importer } from './source.js';

export const ndjson: Importer = {
  name: 'ndjson',
  unit: 'line',
  summary: 'events as JSON, one a line',
  ownIds: false,
  async *items(bytes, { numbersAsStrings }) {
    for await (const line of linesOf(bytes)) {
      // Empty lines carry nothing; the HTTP interface passes over them, too.
      if (isBlank(line)) continue;
      yield {
        position: line.number,
        get text() {
          return line.bytes.toString('utf8');
        },
        read() {
          const text = decodeStrict(line.bytes);
          return parseEvent(parseStrict(numbersAsStrings ? inexactNumbersAsStrings(text) : text));
        },
      };
    }
  },
};
