/** `indelible serve`: the service, until it is told to stop. */
import { Command, Option } from 'commander';
import { describeSettings, loadConfig } from '../config.js';
import type { Config, ConfigInput, SettingDescription } from '../config.js';
import type { CliContext } from './command.js';
import { table } from './terminal.js';

export function command(context: CliContext): Command {
  const serve = new Command('serve')
    .description('Run the service over HTTP until SIGTERM or SIGINT; accepted appends are finished first, a second signal ends it at once.')
    .usage('[options]');
  for (const setting of describeSettings()) {
    if (setting.secret) continue;
    serve.addOption(new Option(`--${kebab(setting.name)} <value>`, setting.description).hideHelp());
  }
  return serve.addHelpText('after', () => settingsHelp()).action((options: ConfigInput) => run(context, loadConfig(process.env, options)));
}

async function run({ output, exit }: CliContext, config: Config): Promise<void> {
  const [{ startService }, { pino }] = await Promise.all([import('../service.js'), import('pino')]);
  // Standard output belongs to what is said below; the log goes to standard error.
  const log = pino({ name: 'indelible', level: config.logLevel }, pino.destination({ fd: 2, sync: true }));
  const stop = stopSignal();
  const service = await startService(config, log);
  if (service.newToken !== undefined) {
    output.line(`indelible: admin token, shown this once and stored only as a hash: ${service.newToken}`);
  }
  output.line(`indelible: listening on ${service.url} (data in ${config.dataDir})`);
  const signal = await stop;
  log.info({ signal }, 'stopping');
  await service.close();
  log.info('stopped');
  exit(0);
}

/** The first signal asks to finish; whoever sends a second one does not want to wait. */
function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let asked = false;
    const listen = (signal: NodeJS.Signals, number: number): void => {
      process.on(signal, () => {
        if (asked) process.exit(128 + number);
        asked = true;
        resolve(signal);
      });
    };
    listen('SIGINT', 2);
    listen('SIGTERM', 15);
  });
}

function settingsHelp(): string {
  const rows = describeSettings().map((setting) => [optionOf(setting), setting.variable, setting.default ?? '-', setting.description]);
  const file = 'Each can be set in indelible.config.json (camel case, such as "dataDir"), as a variable, or as an option; the later wins.';
  return `\nSettings:\n${table([['option', 'variable', 'default', 'meaning'], ...rows], '  ')}\n\n${file}`;
}

function optionOf({ name, secret }: SettingDescription): string {
  return secret ? '-' : `--${kebab(name)}`;
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
