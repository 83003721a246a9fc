// @ts-check
/**
 * Ceph with its S3 gateway (RGW): a second S3 with Object Lock, on which a conditional create is ignored. One monitor,
 * one store in memory, one gateway. What it holds is gone with the store; the gateway alone may be killed and started.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { freePort, oneAtATime, run, scratchFolder, Server } from './process.mjs';

const COMMANDS = ['ceph', 'ceph-mon', 'ceph-osd', 'radosgw', 'radosgw-admin', 'monmaptool'];

/** From Debian's packages, where they are not there yet; that needs root. */
export async function install() {
  return oneAtATime('ceph', async () => {
    try {
      for (const command of COMMANDS) await run('which', [command]);
    } catch {
      const env = { DEBIAN_FRONTEND: 'noninteractive' };
      await run('apt-get', ['update', '-q'], { env });
      await run('apt-get', ['install', '-y', '-q', '--no-install-recommends', 'radosgw', 'ceph-mon', 'ceph-osd', 'ceph-common'], { env });
    }
  });
}

export async function start() {
  await install();
  /** What was started, in order. @type {Server[]} */
  const started = [];
  const end = async () => {
    for (const server of started.reverse()) await server.kill();
    await started.at(-1)?.dispose();
  };
  try {
    return await startAll(started, end);
  } catch (error) {
    await end();
    throw error;
  }
}

/** @param {Server[]} started @param {() => Promise<void>} end */
async function startAll(started, end) {
  const folder = scratchFolder('ceph');
  const [monitorPort, port] = [await freePort(), await freePort()];
  const file = join(folder, 'ceph.conf');
  const fsid = randomUUID();
  await writeFile(file, configuration({ folder, fsid, monitorPort, port }));
  for (const name of ['mon', 'osd']) await mkdir(join(folder, name));
  const monmap = join(folder, 'monmap');
  await run('monmaptool', ['--create', '--addv', 'a', `[v1:127.0.0.1:${monitorPort}]`, '--fsid', fsid, monmap]);
  await run('ceph-mon', ['-c', file, '-i', 'a', '--mkfs', '--monmap', monmap]);
  /** @param {readonly string[]} args @param {string} [input] */
  const ceph = (args, input) => run('ceph', ['-c', file, '--connect-timeout', '10', ...args], input === undefined ? {} : { input });

  const monitor = new Server({ name: 'ceph-mon', command: 'ceph-mon', args: ['-c', file, '-i', 'a', '-f'], folder, ready: async () => (await ceph(['mon', 'stat'])) !== '' });
  started.push(monitor);
  await monitor.start();
  const id = randomUUID();
  await ceph(['osd', 'new', id]);
  await run('ceph-osd', ['-c', file, '-i', '0', '--mkfs', '--osd-uuid', id]);
  const storage = new Server({
    name: 'ceph-osd',
    command: 'ceph-osd',
    args: ['-c', file, '-i', '0', '-f', '--no-mon-config'],
    folder,
    ready: async () => JSON.parse(await ceph(['osd', 'stat', '--format', 'json'])).num_up_osds === 1,
  });
  started.push(storage);
  await storage.start();

  const endpoint = `http://127.0.0.1:${port}`;
  const server = new Server({ name: 'radosgw', command: 'radosgw', args: ['-c', file, '-n', 'client.rgw', '-f'], folder, ready: async () => (await fetch(endpoint)).ok });
  started.push(server);
  await server.start();
  /** A new user of the gateway. @param {string} name */
  async function createUser(name) {
    const credentials = { accessKeyId: name, secretAccessKey: `${name}-secret` };
    await run('radosgw-admin', ['-c', file, 'user', 'create', '--uid', name, '--display-name', name, '--access-key', credentials.accessKeyId, '--secret-key', credentials.secretAccessKey]);
    return credentials;
  }
  const credentials = await createUser('indelible');
  const admin = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials, requestChecksumCalculation: 'WHEN_REQUIRED' });
  return {
    endpoint,
    port,
    credentials,
    /** The gateway alone. */
    server,
    /** The owner of every bucket made here. */
    admin,
    createUser,
    /** A new bucket, with Object Lock unless told otherwise. @param {string} name @param {{ lock?: boolean }} [options] */
    async createBucket(name, { lock = true } = {}) {
      await admin.send(new CreateBucketCommand({ Bucket: name, ...(lock && { ObjectLockEnabledForBucket: true }) }));
      return name;
    },
    /** Ends all of it and removes its data. */
    async dispose() {
      admin.destroy();
      await end();
    },
  };
}

/** @param {{ folder: string, fsid: string, monitorPort: number, port: number }} options */
function configuration({ folder, fsid, monitorPort, port }) {
  return `[global]
fsid = ${fsid}
mon_initial_members = a
mon_host = [v1:127.0.0.1:${monitorPort}]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_msgr2 = false
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
run_dir = ${folder}
admin_socket = ${folder}/$name.asok
pid_file =
log_file = ${folder}/$name.own.log
mon_cluster_log_file = ${folder}/cluster.log
crash_dir = ${folder}
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000

[mon.a]
mon_data = ${folder}/mon

# It asks the monitor things before it has learned from it which cluster this is ("wrong fsid"): it is told. It reads
# this only with --no-mon-config.
[osd.0]
monmap = ${folder}/monmap
osd_data = ${folder}/osd
osd_objectstore = memstore
memstore_device_bytes = 2147483648

[client.rgw]
rgw_frontends = beast endpoint=127.0.0.1:${port}
rgw_thread_pool_size = 32
`;
}
