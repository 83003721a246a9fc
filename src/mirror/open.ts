/** The mirror as a process has it: by its roles it writes it, follows it, or both. */
import type { Logger } from 'pino';
import { hasRole } from '../config.js';
import type { Config } from '../config.js';
import type { ReadinessCheck } from '../http/deps.js';
import { waitAtMost } from '../ledger/host.js';
import type { Host } from '../ledger/host.js';
import type { Ledger } from '../ledger/ledger.js';
import type { ChainTrust } from '../ledger/trust.js';
import type { CopyFinding, ReconciledCopy } from '../reconcile/copies.js';
import { topicCopy } from './copy.js';
import { MirrorFollower } from './follower.js';
import { HintReader, HintSender } from './hints.js';
import { kafkaClient, kafkaTrouble, topicNames } from './kafka.js';
import { Mirror } from './mirror.js';
import type { MirrorTimings } from './mirror.js';
import { PartitionReader } from './partition-reader.js';

const CLOSE_WITHIN_MS = 5_000;

export interface OpenMirror {
  /** Entries of the chains this process mirrors that are not in the topic yet. */
  readonly lag: number;
  /** Asked at each `/readyz`. Never worse than degraded: appends do not depend on it. */
  readonly check: ReadinessCheck;
  /** Partitions this process mirrors now. */
  readonly partitions: number;
  close(): Promise<void>;
}

/** The topic, to be compared with the log. Connects when it is first read. @throws Error naming the setting, for one that can not be used */
export function openTopicCopy(config: Config, log: Logger): { readonly copy: ReconciledCopy; close(): Promise<void> } {
  const client = kafkaClient(config, 'indelible-reconcile', log);
  const reader = new PartitionReader(client.kafka);
  const close = async (): Promise<void> => {
    await reader.close();
    client.close();
  };
  return { copy: topicCopy(reader, topicNames(config.kafkaTopic).entries), close };
}

/** `undefined` without brokers in the settings. Does not wait for them. @throws Error naming the setting, for one that can not be used */
export function openMirror(
  config: Config,
  parts: { readonly ledger: Ledger; readonly trust: ChainTrust; readonly writerId: string; readonly host: Host; readonly log: Logger; readonly timings?: Partial<MirrorTimings>; readonly onFollowed?: () => void; readonly onFinding?: (kind: CopyFinding) => void },
): OpenMirror | undefined {
  if (config.kafkaBrokers === undefined) return undefined;
  const { ledger, trust, writerId, host, log, timings = {} } = parts;
  const client = kafkaClient(config, `indelible-${writerId}`, log);
  const { kafka } = client;
  const { hints } = topicNames(config.kafkaTopic);
  const common = { kafka, settings: config, ledger, trust, host, log };
  const mirror = hasRole(config, 'mirror') ? new Mirror({ ...common, deployment: trust.deployment, timings, onFinding: parts.onFinding }) : undefined;
  const mirrors = (chainId: string): boolean => mirror?.mirrors(chainId) ?? false;
  const hintReader = mirror && new HintReader({ kafka, topic: hints, ledger, host, mirrors });
  // The indexer hears of new segments this way; api's readers do, too.
  const follower = hasRole(config, 'api') || hasRole(config, 'indexer') ? new MirrorFollower({ ...common, onFollowed: parts.onFollowed }) : undefined;
  const hintSender = hasRole(config, 'api') ? new HintSender({ kafka, topic: hints, ledger, host, writerId, mirrors }) : undefined;
  return {
    get lag() {
      return mirror?.lag ?? 0;
    },
    get partitions() {
      return mirror?.partitions ?? 0;
    },
    get check(): ReadinessCheck {
      const written = mirror?.check;
      if (written?.status === 'degraded' || follower?.failure === undefined) return written ?? { name: 'mirror', status: 'ok' };
      return { name: 'mirror', status: 'degraded', detail: `following the mirror: ${kafkaTrouble(follower.failure, config)}` };
    },
    async close() {
      const closed = Promise.all([hintSender?.close(), hintReader?.close(), follower?.close(), mirror?.close()]);
      // Brokers that hang must not keep a service from stopping: what is left undone is fenced and done by the next.
      await waitAtMost(host, CLOSE_WITHIN_MS, closed);
      client.close();
    },
  };
}
