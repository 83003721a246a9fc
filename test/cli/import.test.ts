import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { IMPORTERS } from '#indelible/cli/import/formats.js';
import { GIT_LOG_FORMAT } from '#indelible/cli/import/git.js';
import { describe, expect, it } from 'vitest';
import { cli, jsonOf, temporaryFolder } from './cli.js';

const dir = temporaryFolder();
const data = path.join(dir, 'data');
const root = path.resolve(import.meta.dirname, '../..');

/** What the importer makes of a text: items, or the message of the refusal. */
async function imported(format: string, text: string | Buffer, numbersAsStrings = false): Promise<unknown[]> {
  const importer = IMPORTERS.find(({ name }) => name === format);
  const results: unknown[] = [];
  // eslint-disable-next-line @typescript-eslint/require-await -- the shape of a file
  async function* bytes(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(text);
  }
  for await (const item of importer!.items(bytes(), { numbersAsStrings })) {
    try {
      results.push(item.read());
    } catch (error) {
      results.push((error as Error).message);
    }
  }
  return results;
}

const record = {
  eventVersion: '1.08',
  userIdentity: { type: 'IAMUser', principalId: 'AIDA', arn: 'arn:aws:iam::123:user/alice', accountId: '123', userName: 'alice' },
  eventTime: '2026-11-23T20:52:07Z', eventSource: 's3.amazonaws.com', eventName: 'DeleteBucket', awsRegion: 'eu-central-1', sourceIPAddress: '203.0.113.9',
  userAgent: 'aws-cli/2', errorCode: 'AccessDenied', errorMessage: 'Access Denied', requestParameters: { bucketName: 'b' }, responseElements: null,
  requestID: 'R1', eventID: '6f1e0c1a-0000-4000-8000-000000000001', eventType: 'AwsApiCall', recipientAccountId: '123',
  resources: [{ ARN: 'arn:aws:s3:::b', type: 'AWS::S3::Bucket', accountId: '123' }],
};

describe('CloudTrail', () => {
  it('maps a record to an event and keeps all of it', async () => {
    expect(await imported('cloudtrail', JSON.stringify({ Records: [record] }))).toEqual([
      {
        entryId: record.eventID,
        event: {
          action: 'DeleteBucket', actor: { type: 'IAMUser', id: 'arn:aws:iam::123:user/alice', name: 'alice' }, occurredAt: record.eventTime, outcome: 'denied',
          reason: 'AccessDenied: Access Denied', targets: [{ type: 'AWS::S3::Bucket', id: 'arn:aws:s3:::b' }], category: 'user',
          context: { ip: '203.0.113.9', userAgent: 'aws-cli/2', requestId: 'R1', eventSource: 's3.amazonaws.com', awsRegion: 'eu-central-1', recipientAccountId: '123' },
          metadata: { cloudTrail: record },
        },
      },
    ]);
  });

  it('refuses a number that would change, alone and by its field; as a string only if asked', async () => {
    const text = `{"Records":[${JSON.stringify(record)},${JSON.stringify({ ...record, eventID: 'two' }).replace('"b"}', '"b","size":12345678901234567890}')}]}`;
    expect(await imported('cloudtrail', text)).toEqual([expect.anything(), expect.stringMatching(/^\/requestParameters\/size: expected a number/)]);
    expect((await imported('cloudtrail', text, true))[1]).toMatchObject({ event: { metadata: { cloudTrail: { requestParameters: { size: '12345678901234567890' } } } } });
  });

  it.each(['{"Records":[1]}', '{"Records":[],"Other":[{"a":1}]}', '[]', '{"Records":[{}]} x', '{"Records":[{"a":1}'])('refuses a file of another form: %s', async (text) => {
    await expect(imported('cloudtrail', text)).rejects.toThrow();
  });

  it('reads gzip files, and a repeated import replays', async () => {
    const file = path.join(dir, 'trail.json.gz');
    writeFileSync(file, gzipSync(JSON.stringify({ Records: Array.from({ length: 50 }, (_, i) => ({ ...record, eventID: `event-${i}` })) })));
    const args = ['append', '--data-dir', data, '--chain', 'aws', '--format', 'cloudtrail', '--file', file, '--json'];
    expect(jsonOf(await cli(args))).toMatchObject({ appended: 50 });
    expect(jsonOf(await cli(args))).toMatchObject({ appended: 0, replayed: 50 });
  });
});

describe('plain logs', () => {
  it('reads dpkg, syslog and git lines, and refuses others by line', async () => {
    expect(await imported('dpkg', '2026-11-20 10:11:12 upgrade libc6:amd64 2.36-9 2.36-10\nrubbish\n')).toMatchObject([
      { event: { action: 'package.upgrade', targets: [{ type: 'package', id: 'libc6:amd64' }], metadata: { installedVersion: '2.36-9', availableVersion: '2.36-10' } } },
      expect.stringContaining('expected YYYY-MM-DD'),
    ]);
    expect(await imported('syslog', 'Nov  3 06:25:01 web1 sshd[812]: Failed password for root\n2026-11-03T06:25:01.5+01:00 web1 cron: x\n')).toMatchObject([
      { event: { actor: { type: 'program', id: 'sshd' }, context: { host: 'web1' }, metadata: { pid: '812', message: 'Failed password for root' } } },
      { event: { occurredAt: '2026-11-03T06:25:01.5+01:00', actor: { id: 'cron' } } },
    ]);
    expect(await imported('git', 'abc\n')).toEqual([expect.stringContaining('git log')]);
  });

  it('ids follow from content and place: equal lines at two places are two events', async () => {
    const line = '2026-11-20 10:11:12 status installed a:all 1\n';
    const [one, two] = (await imported('dpkg', line + line)) as { entryId: string }[];
    const [again] = (await imported('dpkg', line)) as { entryId: string }[];
    expect(one!.entryId).not.toBe(two!.entryId);
    expect(again!.entryId).toBe(one!.entryId);
  });
});

describe('several thousand events that nobody made up', () => {
  it('are appended, verified and found again: package log, package records, git history, installed files', { timeout: 180_000 }, async () => {
    let expected = 0;
    const append = async (chain: string, args: readonly string[], input?: string): Promise<void> => {
      const result = await cli(['append', '--data-dir', data, '--chain', chain, '--json', ...args], input === undefined ? {} : { input });
      expect(result.stderr).toBe('');
      expected += jsonOf(result)['appended'] as number;
    };
    if (existsSync('/var/log/dpkg.log') && statSync('/var/log/dpkg.log').size > 0) await append('packages', ['--format', 'dpkg', '--file', '/var/log/dpkg.log']);
    await append('history', ['--format', 'git', '-'], execFileSync('git', ['-C', root, 'log', '--reverse', `--format=${GIT_LOG_FORMAT}`], { encoding: 'utf8' }));
    const files = readdirSync(path.join(root, 'node_modules'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .slice(0, 4_000)
      .map((entry) => path.join(entry.parentPath, entry.name));
    const lines = files.map((file) => {
      const { size, mtime } = statSync(file);
      return JSON.stringify({ action: 'file.installed', actor: { type: 'program', id: 'npm' }, occurredAt: mtime.toISOString(), targets: [{ type: 'file', id: path.relative(root, file) }], metadata: { size } });
    });
    await append('files', ['--id-from', 'line', '-'], `${lines.join('\n')}\n`);
    expect(expected).toBeGreaterThanOrEqual(3_000);

    const verified = await cli(['verify', '--data-dir', data, '--json']);
    expect(verified.code).toBe(0);
    const { chains } = jsonOf(verified) as { chains: { chainId: string; entriesChecked: number }[] };
    const total = chains.filter(({ chainId }) => chainId !== 'aws').reduce((sum, chain) => sum + chain.entriesChecked, 0);
    expect(total).toBe(expected);
    const last = files.at(-1) ?? '';
    const found = jsonOf(await cli(['search', '--data-dir', data, '--chain', 'files', '--target', `file:${path.relative(root, last)}`, '--json']));
    expect(found).toMatchObject({ hits: [{ sequence: files.length - 1 }] });
  });
});
