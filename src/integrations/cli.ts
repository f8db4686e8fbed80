#!/usr/bin/env node
/**
 * The command line, `npx cachette`. Prints results to stdout and mistakes to stderr; ends with 2 after a mistake in what was
 * typed, with 3 where a store cannot be reached. A new command is a row in {@link commands}, and loads what it needs when it runs.
 *
 * Built as CommonJS: `__dirname` and `require.main` are those of that.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { isCacheConfigError } from '../base/errors.js';
import { audit } from './cli/audit.js';
import { check } from './cli/check.js';
import {
  type Command,
  type Given,
  helpOf,
  type Printed,
  readArguments,
  type Request,
  type Terminal,
  UsageError,
} from './cli/command.js';
import { explain } from './cli/explain.js';
import { invalidate } from './cli/invalidate.js';
import { StoreError } from './cli/store.js';
import { processTerminal } from './cli/terminal.js';
import { top } from './cli/top.js';
import { dropTriggersSql, triggersSql } from './postgres/triggers.js';

const commands: readonly Command[] = [
  top,
  audit,
  explain,
  invalidate,
  check,
  {
    words: ['postgres', 'triggers'],
    about: 'Prints the SQL of triggers that tell caches which tags a write to a table has made wrong',
    options: {
      table: { value: 'table', about: 'The table, such as cities or public.cities', isRequired: true },
      tag: { value: 'tag', about: "A tag of a row, such as 'city:{id}'; once for each tag", isMultiple: true },
      channel: { value: 'name', about: 'What the triggers notify; cachette unless stated' },
      drop: { about: 'Prints the SQL that removes them' },
      json: { about: 'Prints JSON' },
    },
    examples: [
      "--table cities --tag 'city:{id}' --tag 'country:{country}' | psql -1 shop",
      "--table public.cities --tag 'city:{id}' --channel shop > migration.sql",
      '--table cities --drop | psql -1 shop',
    ],
    run: (given) => {
      const sql = sqlOf(given);
      return given.isOn('json') ? `${JSON.stringify({ sql })}\n` : sql;
    },
  },
];

function sqlOf(given: Given): string {
  const target = { table: given.text('table') ?? '', channel: given.text('channel') };
  if (given.isOn('drop')) return dropTriggersSql(target);
  const tags = given.texts('tag');
  if (tags.length === 0)
    throw new UsageError("--tag is missing: write --tag 'city:{id}', or --drop", ['postgres', 'triggers']);
  return triggersSql({ ...target, tags });
}

/** Where the program writes, and what else there is of a terminal. */
export type Output = Pick<Terminal, 'out' | 'error'> & Partial<Terminal>;

/** A pipe, in which nobody types. */
const plain: Omit<Terminal, 'out' | 'error' | 'fail'> = {
  load: (path) => import(pathToFileURL(path).href),
  guard: () => () => {},
  screen: undefined,
  hasColours: false,
  listen: () => () => {},
  stopped: new AbortController().signal,
  suspend: (resumed) => resumed(),
  env: {},
};

/** Runs what was typed behind `cachette`; gives the exit code. */
export async function runCli(args: readonly string[], output: Output): Promise<number> {
  const fail = (problem: unknown): void => void told(problem, { args, terminal });
  // With its getters: what a terminal has is asked for when it is used, as a window changes its size.
  const terminal = Object.defineProperties(
    { ...plain, fail, out: output.out, error: output.error },
    Object.getOwnPropertyDescriptors(output),
  );
  try {
    return await answer(args, terminal);
  } catch (problem) {
    return told(problem, { args, terminal });
  }
}

async function answer(args: readonly string[], terminal: Terminal): Promise<number> {
  const request = readArguments(commands, { args, env: terminal.env });
  const printed = await answerTo(request, terminal);
  const { text, exitCode } = typeof printed === 'string' ? { text: printed, exitCode: 0 } : printed;
  terminal.out(text);
  return exitCode;
}

function answerTo(request: Request, terminal: Terminal): Printed | Promise<Printed> {
  if (request.kind === 'version') return `${version()}\n`;
  if (request.kind === 'run') return request.command.run(request.given, terminal);
  const text = helpOf(commands, request.words);
  return request.isMistake ? { text, exitCode: 2 } : text;
}

interface Told {
  /** For programs. */
  readonly code: 'usage' | 'config' | 'unreachable';
  readonly message: string;
  readonly exitCode: number;
  readonly help?: string;
}

/** In words on stderr, and with `--json` on stdout too, for the program that reads that. */
function told(problem: unknown, { args, terminal }: { readonly args: readonly string[]; readonly terminal: Terminal }) {
  const { code, message, exitCode, help = '' } = tellingOf(problem);
  // The message of a wrong option begins with the place, which is this program.
  terminal.error(`${message.startsWith('cachette ') ? '' : 'cachette: '}${message}\n${help}`);
  if (wantsJson(args)) terminal.out(`${JSON.stringify({ error: { code, message } })}\n`);
  return exitCode;
}

function tellingOf(problem: unknown): Told {
  if (problem instanceof StoreError) return { code: 'unreachable', message: problem.message, exitCode: 3 };
  if (problem instanceof UsageError) {
    const help = `For help: ${['npx cachette', ...problem.words, '--help'].join(' ')}\n`;
    return { code: 'usage', message: problem.message, exitCode: 2, help };
  }
  if (!isCacheConfigError(problem)) throw problem;
  return { code: 'config', message: problem.message, exitCode: 2 };
}

function wantsJson(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  return args.slice(0, end < 0 ? undefined : end).includes('--json');
}

function version(): string {
  const text = readFileSync(join(__dirname, '..', '..', 'package.json'), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
}

/** What a module of the user's has started would keep the process alive. */
async function main(): Promise<never> {
  // Should the program end before its time, nothing was done.
  process.exitCode = 2;
  const exitCode = await runCli(process.argv.slice(2), processTerminal());
  await Promise.all([process.stdout, process.stderr].map((stream) => new Promise((done) => stream.write('', done))));
  process.exit(exitCode);
}

if (require.main === module) void main();
