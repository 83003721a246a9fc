/**
 * The playbooks, held against the alarms that name them and against the command line they tell people to use. At stake:
 * somebody woken at night whose page is missing, or whose command is refused while the evidence is still there.
 */
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CommanderError } from 'commander';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { COMMANDS } from '#indelible/cli/commands.js';
import { Output } from '#indelible/cli/output.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FOLDER = 'docs/playbooks';
const README = `${FOLDER}/README.md`;
const SECTIONS = ['What happened', 'First 15 minutes: contain it', 'Prove the extent', 'Resume', 'Whom the law says to tell', 'Afterwards'];
/** A screen and a half: who is woken reads no more. */
const MOST_LINES = 80;

interface Alarm {
  readonly name: string;
  readonly severity: 'critical' | 'warning';
  readonly source: 'cloudtrail' | 'prometheus';
  readonly playbook: string;
  readonly events?: readonly string[];
  readonly metric?: string;
  readonly alert?: string;
}
interface Rule {
  readonly alert: string;
  readonly annotations: { readonly runbook_url: string; readonly playbook_url?: string };
}

const file = (path: string): Promise<string> => readFile(join(ROOT, path), 'utf8');
const { alarms } = JSON.parse(await file('policies/alarms.json')) as { alarms: readonly Alarm[] };
const { groups } = parse(await file('docs/monitoring/alerts.yml')) as { groups: readonly { rules: readonly Rule[] }[] };
const rules = groups.flatMap((group) => group.rules);
const operations = await file('docs/operations.md');
const names = (await readdir(join(ROOT, FOLDER))).sort();
const pages: ReadonlyMap<string, string> = new Map(await Promise.all(names.map(async (name) => [`${FOLDER}/${name}`, await file(`${FOLDER}/${name}`)] as const)));
const pageOf = (path: string): string => pages.get(path) ?? '';

/** As Git forges make them. */
const anchorOf = (heading: string): string => heading.toLowerCase().replaceAll(/[^a-z0-9 _-]/g, '').replaceAll(' ', '-');
const headingsOf = (markdown: string): string[] => [...withoutCode(markdown).matchAll(/^#+ (.+)$/gm)].map((match) => match[1]!);

function withoutCode(markdown: string): string {
  return markdown.replaceAll(/^\s*```[\s\S]*?^\s*```$/gm, '');
}

describe('alarms and pages', () => {
  it('each alarm has its page, and each page its alarm', () => {
    expect(alarms.map(({ playbook }) => playbook).sort()).toEqual([...pages.keys()].filter((path) => path !== README));
    for (const { name, playbook } of alarms) expect(playbook).toBe(`${FOLDER}/${name}.md`);
  });

  it.each(alarms.map((alarm) => [alarm.name, alarm] as const))('%s: all parts are there, in the same order, and short enough to be read at night', (name, { playbook, severity, source, events }) => {
    const page = pageOf(playbook);
    expect(page.split('\n')[0]).toBe(`# ${name}`);
    const second = page.split('\n')[2]!;
    expect(second).toMatch(new RegExp(`^${severity} · `, 'i'));
    if (source === 'cloudtrail') {
      expect(second).toContain('CloudTrail');
      expect((events ?? []).some((event) => page.includes(`\`${event}\``))).toBe(true);
    } else expect(page.slice(0, page.indexOf('\n## '))).toContain('Prometheus');

    const parts = withoutCode(page).split(/^## /m).slice(1);
    expect(parts.map((part) => part.split('\n')[0])).toEqual(SECTIONS);
    for (const part of parts) expect(part.length, part).toBeGreaterThan(150);
    expect(page.split('\n').length).toBeLessThanOrEqual(MOST_LINES);
    // Where the law is told once, with its deadlines.
    expect(page).toContain('(README.md#whom-the-law-says-to-tell)');
  });

  it('the list names each alarm once, with its severity', () => {
    const rows = [...pageOf(README).matchAll(/^\| ([a-z-]+) \| (critical|warning) \| \[page\]\(([a-z-]+\.md)\) \| .{10,} \|$/gm)];
    expect(rows.map(([, name, severity, page]) => [name, severity, page])).toEqual(alarms.map(({ name, severity }) => [name, severity, `${name}.md`]));
  });

  it('each alarm of Prometheus has its alert, and who follows the alert finds the page', () => {
    const without: string[] = [];
    for (const { name, alert, playbook, metric } of alarms.filter(({ source }) => source === 'prometheus')) {
      const rule = rules.find((one) => one.alert === alert);
      if (rule === undefined) {
        without.push(name);
        continue;
      }
      expect(pageOf(playbook)).toContain(`\`${rule.alert}\``);
      expect(pageOf(playbook)).toContain(metric);
      // An alert that several alarms share leads there by its runbook.
      const runbook = sectionOf(rule.annotations.runbook_url.split('#')[1]!);
      expect([rule.annotations.playbook_url, ...playbooksIn(runbook)], name).toContain(playbook);
    }
    expect(without).toEqual([]);
  });

  it('each alert that names a playbook names one that exists and names the alert', () => {
    const named = rules.filter((rule) => rule.annotations.playbook_url !== undefined);
    expect(named.length).toBeGreaterThan(5);
    for (const { alert, annotations } of named) {
      expect(alarms.map(({ playbook }) => playbook), alert).toContain(annotations.playbook_url);
      expect(pageOf(annotations.playbook_url!), alert).toContain(`\`${alert}\``);
    }
  });

  it('links lead somewhere, and so do those of operations and threat model to the playbooks', async () => {
    const from = new Map([...pages, ['docs/operations.md', operations], ['docs/threat-model.md', await file('docs/threat-model.md')]]);
    for (const [path, text] of from) {
      for (const [, target, anchor] of withoutCode(text).matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)]+))?\)/g)) {
        const other = target === '' ? path : normalize(join(dirname(path), target!));
        const markdown = await file(other);
        if (anchor !== undefined) expect(headingsOf(markdown).map(anchorOf), `${path} links to ${other}`).toContain(anchor);
      }
    }
    for (const path of ['docs/operations.md', 'docs/threat-model.md']) expect(playbooksIn(from.get(path)!)).toContain(README);
  });
});

function sectionOf(anchor: string): string {
  return operations.split(/^#{1,2} /m).find((section) => anchorOf(section.split('\n')[0]!) === anchor) ?? '';
}

function playbooksIn(markdown: string): string[] {
  return [...markdown.matchAll(/\]\(playbooks\/([A-Za-z-]+\.md)\)/g)].map((match) => `${FOLDER}/${match[1]!}`);
}

describe('commands of the playbooks', () => {
  const commands = [...pages].flatMap(([path, text]) => commandsOf(text, 'indelible').map((line) => [path, line] as const));

  it('the command line takes each of them', async () => {
    expect(commands.length).toBeGreaterThan(60);
    const refused: string[] = [];
    const unknown = new Set<string>();
    for (const [path, line] of commands) {
      const words = wordsOf(line);
      const why = await refusalOf(words);
      if (why === 'no such command') unknown.add(words[1]!);
      else if (why !== undefined) refused.push(`${path}: ${line}: ${why}`);
    }
    expect(refused).toEqual([]);
    expect([...unknown]).toEqual([]);
  });

  it('and would not take others', async () => {
    expect(await refusalOf(['indelible', 'verify', '--agianst', 'kept/orders.checkpoint'])).toContain('--agianst');
    expect(await refusalOf(['indelible', 'verify', '--replica', '--against-replica'])).toContain('--against-replica');
    expect(await refusalOf(['indelible', 'export', '--from', '0'])).toContain('--chain');
    expect(await refusalOf(['indelible', 'keys', 'revoke'])).toContain('arguments');
    expect(await refusalOf(['indelible', 'verfy'])).toBe('no such command');
  });

  it('the Python verifier has the options they give it', async () => {
    const source = await file('verifiers/python/indelible_verify.py');
    const lines = [...pages.values()].flatMap((text) => commandsOf(text, 'python3 verifiers/python/indelible_verify.py'));
    expect(lines.length).toBeGreaterThan(2);
    for (const line of lines) for (const [option] of line.matchAll(/--[a-z-]+/g)) expect(source, line).toContain(`"${option}"`);
  });

  it('what is typed at an incident is shown, and only the rehearsal is run', () => {
    // Blocks marked sh are run by commands.test.ts; the others need an account of AWS.
    for (const [path, text] of pages) expect(text.match(/^```sh$/gm) ?? [], path).toHaveLength(path === README ? 1 : 0);
  });
});

/** Lines of code blocks and spans that begin with the program. */
function commandsOf(markdown: string, program: string): string[] {
  const blocks = [...markdown.matchAll(/^(\s*)```\w*\n([\s\S]*?)^\s*```$/gm)].flatMap((match) => match[2]!.split('\n'));
  const spans = [...withoutCode(markdown).matchAll(/`([^`]+)`/g)].map((match) => match[1]!);
  return [...blocks, ...spans].map((line) => line.trim()).filter((line) => line.startsWith(`${program} `));
}

/** As a shell cuts a line, up to where it goes elsewhere. */
function wordsOf(line: string): string[] {
  const words: string[] = [];
  for (const [word] of line.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g)) {
    if (/^(?:\d?>|[|;#<]|&&)/.test(word)) break;
    words.push(word.replaceAll(/^['"]|['"]$/g, ''));
  }
  return words;
}

const output = new Output();

/** Why the command line would not take it; `undefined` if it would. Nothing is done. */
async function refusalOf([, name, ...args]: readonly string[]): Promise<string | undefined> {
  const entry = COMMANDS.find((one) => one.name === name);
  if (entry === undefined) return 'no such command';
  const command = (await entry.load()).command({ output, exit: () => undefined });
  onlyParsed(command);
  try {
    await command.parseAsync(args, { from: 'user' });
    return undefined;
  } catch (error) {
    if (error instanceof CommanderError) return error.message;
    throw error;
  }
}

function onlyParsed(command: Command): void {
  command
    .exitOverride()
    .allowExcessArguments(false)
    .configureOutput({ writeErr: () => undefined, writeOut: () => undefined })
    .action(() => undefined);
  for (const one of command.commands) onlyParsed(one);
}
