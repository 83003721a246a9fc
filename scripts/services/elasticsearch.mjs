// @ts-check
/**
 * Elasticsearch, put together from its libraries in Maven Central (there is no package of the whole): the core, the
 * HTTP transport as a module, and a main class that starts one node. Without x-pack: no security, no lifecycles.
 */
import { existsSync } from 'node:fs';
import { chmod, chown, copyFile, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder, freePort, notOurs, run, runningServer, scratchFolder, Server } from './process.mjs';

const VERSION = '8.15.5';
/** Elasticsearch refuses to run as root: then this user runs it. */
const NOBODY = 65_534;

const MAIN = `
import java.nio.file.Path;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.Node;

public class Main {
  public static void main(String[] args) throws Exception {
    LogConfigurator.configureESLogging();
    Settings.Builder settings = Settings.builder();
    for (int i = 1; i < args.length; i++) settings.put(args[i].substring(0, args[i].indexOf('=')), args[i].substring(args[i].indexOf('=') + 1));
    LogConfigurator.configureWithoutConfig(Settings.builder().put("logger.level", "WARN").build());
    Node node = new Node(new Environment(settings.build(), Path.of(args[0])));
    Runtime.getRuntime().addShutdownHook(new Thread(() -> { try { node.close(); } catch (Exception e) { e.printStackTrace(); } }));
    node.start();
    Thread.currentThread().join();
  }
}
`;

const DESCRIPTOR = `name=transport-netty4
description=HTTP and transport
version=${VERSION}
elasticsearch.version=${VERSION}
java.version=17
classname=org.elasticsearch.transport.netty4.Netty4Plugin
`;

/** Fetches and compiles it where it is not there yet. @returns {Promise<string>} a folder with core/, module/ and Main.class */
export async function install() {
  const folder = await cacheFolder(`elasticsearch-${VERSION}`);
  const home = join(folder, 'home');
  if (existsSync(home)) return home;
  // Made beside and renamed: a run that is cut short must not look like an installation.
  const building = join(folder, `building-${process.pid}`);
  await rm(building, { recursive: true, force: true });
  await libraries(building, 'core', 'org.elasticsearch', 'elasticsearch');
  await libraries(building, 'module', 'org.elasticsearch.plugin', 'transport-netty4');
  const core = new Set(await readdir(join(building, 'core')));
  for (const jar of await readdir(join(building, 'module'))) if (core.has(jar)) await rm(join(building, 'module', jar));
  await writeFile(join(building, 'module', 'plugin-descriptor.properties'), DESCRIPTOR);
  await writeFile(join(building, 'Main.java'), MAIN);
  await run('javac', ['-cp', join(building, 'core', '*'), '-d', building, join(building, 'Main.java')]);
  await rename(building, home).catch(async (error) => {
    if (!existsSync(home)) throw error;
    await rm(building, { recursive: true, force: true });
  });
  return home;
}

/** An artifact with all it needs, as jars. @param {string} folder @param {string} name @param {string} group @param {string} artifact */
async function libraries(folder, name, group, artifact) {
  await mkdir(join(folder, name), { recursive: true });
  const pom = join(folder, `${name}.pom.xml`);
  await writeFile(
    pom,
    `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
    <groupId>indelible</groupId><artifactId>${name}</artifactId><version>1</version>
    <dependencies><dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${VERSION}</version></dependency></dependencies></project>`,
  );
  await run('mvn', ['-q', '-B', '-f', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${join(folder, name)}`]);
}

/**
 * A server of its own; or, where INDELIBLE_TEST_ELASTICSEARCH_URL names one that runs, that one, which is left running.
 * @param {{ port?: number, folder?: string, settings?: Readonly<Record<string, string>>, own?: boolean }} [options]
 *   `folder`: its data, kept from an earlier start; `settings`: of the node, beside those it needs; `own`: a server of
 *   its own in any case, for who kills or pauses it
 */
export async function start(options = {}) {
  const running = runningServer('INDELIBLE_TEST_ELASTICSEARCH_URL', options);
  if (running !== undefined) return clientOf(running, undefined);
  const installed = await install();
  const port = options.port ?? (await freePort());
  const transportPort = await freePort();
  const folder = options.folder ?? scratchFolder('elasticsearch');
  const uid = process.getuid?.() === 0 ? NOBODY : undefined;
  // Its own copy: another user may not be let into the cache folder of this one.
  const home = join(folder, 'home');
  await copyFolder(join(installed, 'core'), join(home, 'core'));
  await copyFolder(join(installed, 'module'), join(home, 'modules', 'transport-netty4'));
  await mkdir(join(home, 'main'), { recursive: true });
  await copyFile(join(installed, 'Main.class'), join(home, 'main', 'Main.class'));
  await chmod(folder, 0o755);
  for (const name of ['config', 'data', 'logs', 'tmp', 'plugins']) {
    await mkdir(join(home, name), { recursive: true });
    if (uid !== undefined) await chown(join(home, name), uid, uid);
  }
  const endpoint = `http://127.0.0.1:${port}`;
  const settings = {
    'path.home': home,
    'path.data': join(home, 'data'),
    'path.logs': join(home, 'logs'),
    'cluster.name': 'indelible-test',
    'node.name': 'one',
    'discovery.type': 'single-node',
    'http.port': String(port),
    'http.host': '127.0.0.1',
    'transport.host': '127.0.0.1',
    'transport.port': String(transportPort),
    'transport.type': 'netty4',
    'http.type': 'netty4',
    // A full disk of the machine is not what is tested.
    'cluster.routing.allocation.disk.threshold_enabled': 'false',
    ...options.settings,
  };
  const server = new Server({
    name: 'elasticsearch',
    command: 'java',
    args: [
      '-Xms512m', '-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto',
      `-Djava.io.tmpdir=${join(home, 'tmp')}`, '-Djna.tmpdir=' + join(home, 'tmp'),
      `-Des.path.home=${home}`, '-Des.networkaddress.cache.ttl=60', '-Dlog4j2.formatMsgNoLookups=true',
      '--module-path', join(home, 'core'), '--add-modules', 'ALL-MODULE-PATH',
      '-cp', join(home, 'main'), 'Main', join(home, 'config'),
      ...Object.entries(settings).map(([name, value]) => `${name}=${value}`),
    ],
    folder,
    ...(uid !== undefined && { uid }),
    ready: async () => (await fetch(`${endpoint}/_cluster/health?wait_for_status=yellow&timeout=1s`, { signal: AbortSignal.timeout(2_000) })).ok,
  });
  await server.start();
  return clientOf(endpoint, server);
}

/** @param {string} endpoint @param {Server | undefined} own */
function clientOf(endpoint, own) {
  return {
    endpoint,
    port: Number(new URL(endpoint).port),
    /** The process. @returns {Server} */
    get server() {
      return own ?? notOurs();
    },
    /** Ends it and removes its data, if it was started here. */
    dispose: () => own?.dispose() ?? Promise.resolve(),
  };
}

/** @param {string} from @param {string} to */
async function copyFolder(from, to) {
  await mkdir(to, { recursive: true });
  await Promise.all((await readdir(from)).map((name) => copyFile(join(from, name), join(to, name))));
}
