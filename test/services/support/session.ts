/** A principal on MinIO: root with less than root's rights, by the policy of a session (STS AssumeRole). */
import { AssumeRoleCommand, STSClient } from '@aws-sdk/nested-clients/sts';
import type { Statement } from '../../policies/templates.js';
import type { Bucket } from './serve.js';

export interface Session {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
}

/** @param statements without a `Principal`, which a session's policy can't have */
export async function session({ endpoint, credentials }: Bucket, statements: readonly Partial<Statement>[]): Promise<Session> {
  const sts = new STSClient({ endpoint, region: 'us-east-1', credentials });
  try {
    // MinIO wants lists where AWS takes a single value, too.
    const Statement = statements.map(({ Effect, Action, NotAction, Resource, NotResource, Condition }) => ({
      Effect,
      ...(Action !== undefined && { Action: [Action].flat() }),
      ...(NotAction !== undefined && { NotAction: [NotAction].flat() }),
      ...(Resource !== undefined && { Resource: [Resource].flat() }),
      ...(NotResource !== undefined && { NotResource: [NotResource].flat() }),
      ...(Condition !== undefined && { Condition }),
    }));
    const { Credentials: issued } = await sts.send(new AssumeRoleCommand({ RoleArn: 'arn:xxx:xxx:xxx:xxxx', RoleSessionName: 'test', Policy: JSON.stringify({ Version: '2012-10-17', Statement }) }));
    return { accessKeyId: issued?.AccessKeyId ?? '', secretAccessKey: issued?.SecretAccessKey ?? '', sessionToken: issued?.SessionToken ?? '' };
  } finally {
    sts.destroy();
  }
}
