#!/usr/bin/env node
/**
 * The command line, `npx cachette`. Prints results to stdout and mistakes to stderr; ends with 2 after a mistake in what was
 * typed. A new command is a row in {@link commands}.
 *
 * Built as CommonJS: `__dirname` and `require.main` are those of that.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { isCacheConfigError } from '../base/errors.js';
import { type Command, helpOf, readArguments, UsageError } from './cli/command.js';
import { dropTriggersSql, triggersSql } from './postgres/triggers.js';

const commands: readonly Command[] = [
  {
    words: ['postgres', 'triggers'],
    about: 'Prints the SQL of triggers that tell caches which tags a write to a table has made wrong',
    options: {
      table: { value: 'table', about: 'The table, such as cities or public.cities', isRequired: true },
      tag: { value: 'tag', about: "A tag of a row, such as 'city:{id}'; once for each tag", isMultiple: true },
      channel: { value: 'name', about: 'What the triggers notify; cachette unless stated' },
      drop: { about: 'Prints the SQL that removes them' },
    },
    examples: [
      "--table cities --tag 'city:{id}' --tag 'country:{country}' | psql -1 shop",
      "--table public.cities --tag 'city:{id}' --channel shop > migration.sql",
      '--table cities --drop | psql -1 shop',
    ],
    run: (given) => {
      const target = { table: given.text('table') ?? '', channel: given.text('channel') };
      if (given.isOn('drop')) return dropTriggersSql(target);
      const tags = given.texts('tag');
      if (tags.length === 0)
        throw new UsageError("--tag is missing: write --tag 'city:{id}', or --drop", ['postgres', 'triggers']);
      return triggersSql({ ...target, tags });
    },
  },
];

/** Where the program writes. */
export interface Output {
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
}

/** Runs what was typed behind `cachette`; gives the exit code. */
export async function runCli(args: readonly string[], { out, error }: Output): Promise<number> {
  try {
    if (args[0] === '--version') {
      out(`${version()}\n`);
      return 0;
    }
    const request = readArguments(commands, args);
    out(request.kind === 'help' ? helpOf(commands, request.words) : await request.command.run(request.given));
    return 0;
  } catch (problem) {
    if (problem instanceof UsageError) {
      error(`cachette: ${problem.message}\nFor help: ${['cachette', ...problem.words, '--help'].join(' ')}\n`);
      return 2;
    }
    if (!isCacheConfigError(problem)) throw problem;
    error(`cachette: ${problem.message}\n`);
    return 2;
  }
}

function version(): string {
  const text = readFileSync(join(__dirname, '..', '..', 'package.json'), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
}

async function main(): Promise<void> {
  process.exitCode = await runCli(process.argv.slice(2), {
    out: (text) => void process.stdout.write(text),
    error: (text) => void process.stderr.write(text),
  });
}

if (require.main === module) void main();
