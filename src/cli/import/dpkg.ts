/** Debian's package-manager log, /var/log/dpkg.log (dpkg(1), `--log`). */
import { parseEvent } from '../../core/event.js';
import { decodeStrict } from '../../core/json.js';
import type { JsonObject } from '../../core/json.js';
import { CliError } from '../failure.js';
import { lineId } from './line-id.js';
import { isBlank, linesOf } from './source.js';
import type { Importer } from './source.js';

const LINE = /^(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d) (\S+) (.*)$/s;

export const dpkg: Importer = {
  name: 'dpkg',
  unit: 'line',
  summary: 'Debian\'s /var/log/dpkg.log',
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
          if (match === null) throw new CliError('line_unknown', 'expected YYYY-MM-DD HH:MM:SS and an action of dpkg');
          const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [number, number, number, number, number, number];
          return parseEvent({
            ...eventOf(match[7] as string, (match[8] as string).split(' ')),
            entryId: lineId(line.number, line.bytes),
            actor: { type: 'program', id: 'dpkg' },
            occurredAt: `${text.slice(0, 10)}T${text.slice(11, 19)}${offsetOf(new Date(year, month - 1, day, hour, minute, second))}`,
            outcome: 'success',
            category: 'system',
          });
        },
      };
    }
  },
};

/** The words after the time, each under its meaning; the line itself is kept, too. */
function eventOf(word: string, rest: readonly string[]): JsonObject {
  const line = [word, ...rest].join(' ');
  const [first = '', second = '', third = ''] = rest;
  switch (word) {
    case 'startup':
      return { action: 'package-manager.startup', metadata: { line, command: rest.join(' ') } };
    case 'status':
      return { action: `package.${first}`, ...target(second), metadata: { line, status: first, version: third } };
    case 'conffile':
      return { action: 'package.conffile', targets: [{ type: 'file', id: first === '' ? 'unknown' : first }], metadata: { line, decision: second } };
    default:
      return { action: `package.${word}`, ...target(first), metadata: { line, installedVersion: second, availableVersion: third } };
  }
}

function target(id: string): JsonObject {
  return id === '' ? {} : { targets: [{ type: 'package', id }] };
}

/** dpkg writes local time without saying which: it is read as this machine's (the TZ variable changes that). */
function offsetOf(local: Date): string {
  const minutes = -local.getTimezoneOffset();
  const size = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${String(Math.floor(size / 60)).padStart(2, '0')}:${String(size % 60).padStart(2, '0')}`;
}
