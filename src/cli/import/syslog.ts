/** Lines of syslog files: the traditional form (RFC 3164) and that with RFC 3339 times, rsyslog's default today. */
import { parseEvent } from '../../core/event.js';
import { instantMillis } from '../../core/instant.js';
import { decodeStrict } from '../../core/json.js';
import { CliError } from '../failure.js';
import { lineId } from './line-id.js';
import { isBlank, linesOf } from './source.js';
import type { Importer } from './source.js';

const LINE = /^(?:<\d{1,3}>)?([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\S+) (\S+) ([^\s:[]+)(?:\[(\d+)\])?: ?(.*)$/s;

export const syslog: Importer = {
  name: 'syslog',
  unit: 'line',
  summary: 'syslog files: /var/log/syslog, auth.log and the like',
  ownIds: true,
  async *items(bytes) {
    for await (const line of linesOf(bytes)) {
      if (isBlank(line)) continue;
      yield {
        position: line.number,
        get text() {
          return line.bytes.toString('utf8');
        },
        read() {
          const text = decodeStrict(line.bytes);
          const match = LINE.exec(text);
          if (match === null) throw new CliError('line_unknown', 'expected a time, a host, a program and a message, as syslog writes them');
          const [, time = '', host = '', program = '', pid, message = ''] = match;
          return parseEvent({
            entryId: lineId(line.number, line.bytes),
            action: 'syslog.message',
            actor: { type: 'program', id: program },
            // The traditional form names no year and no zone: it stays text.
            ...(isInstant(time) && { occurredAt: time }),
            context: { host },
            category: 'system',
            metadata: { line: text, message, time, ...(pid !== undefined && { pid }) },
          });
        },
      };
    }
  },
};

function isInstant(text: string): boolean {
  try {
    instantMillis(text);
    return true;
  } catch {
    return false;
  }
}
