/** The history of a git repository, as `git log` prints it with {@link GIT_LOG_FORMAT}. */
import { parseEvent } from '../../core/event.js';
import { decodeStrict } from '../../core/json.js';
import type { JsonObject } from '../../core/json.js';
import { CliError } from '../failure.js';
import { isBlank, linesOf } from './source.js';
import type { Importer } from './source.js';

/** Hash, parents, author and committer (name, address, time), subject; separated by U+001F, which no name holds. */
export const GIT_LOG_FORMAT = '%H%x1f%P%x1f%an%x1f%ae%x1f%aI%x1f%cn%x1f%ce%x1f%cI%x1f%s';
const FIELDS = 9;

export const git: Importer = {
  name: 'git',
  unit: 'line',
  summary: `the output of git log --reverse --format='${GIT_LOG_FORMAT}'`,
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
          const parts = decodeStrict(line.bytes).split('\u001f');
          const [hash = '', parents = '', authorName = '', authorEmail = '', authoredAt = '', committerName = '', committerEmail = '', committedAt = '', subject = ''] = parts;
          if (parts.length !== FIELDS || !/^[0-9a-f]{40,64}$/.test(hash)) {
            throw new CliError('line_unknown', `expected a line of git log --format='${GIT_LOG_FORMAT}'`);
          }
          return parseEvent({
            entryId: `git:${hash}`,
            action: 'git.commit',
            actor: person(committerName, committerEmail),
            occurredAt: committedAt,
            targets: [{ type: 'commit', id: hash }],
            outcome: 'success',
            category: 'user',
            metadata: {
              subject,
              parents: parents === '' ? [] : parents.split(' '),
              author: { name: authorName, email: authorEmail, at: authoredAt },
              committer: { name: committerName, email: committerEmail, at: committedAt },
            },
          });
        },
      };
    }
  },
};

function person(name: string, email: string): JsonObject {
  return { type: 'person', id: email === '' ? (name === '' ? 'unknown' : name) : email, ...(name !== '' && { name }) };
}
