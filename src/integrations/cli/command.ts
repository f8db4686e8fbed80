/** What a command of the command line is, how its arguments are read, and how its help is written. */

import { parseArgs } from 'node:util';

import { nearest } from '../../base/suggest.js';

/** An option of a command. */
export interface OptionSpec {
  /** What stands behind it in the help, such as `name`; undefined: it is on or off. */
  readonly value?: string;
  readonly about: string;
  /** It may be given several times. */
  readonly isMultiple?: boolean;
  /** The command makes no sense without it. */
  readonly isRequired?: boolean;
}

/** The values of the options that were given. */
export interface Given {
  /** Of an option that may be given once; undefined if it was not. */
  text(name: string): string | undefined;
  texts(name: string): readonly string[];
  isOn(name: string): boolean;
}

/** One command, such as `postgres triggers`. */
export interface Command {
  readonly words: readonly string[];
  /** One line. */
  readonly about: string;
  readonly options: Readonly<Record<string, OptionSpec>>;
  /** What stands behind the words. */
  readonly examples: readonly string[];
  /** Gives what is printed. */
  readonly run: (given: Given) => string | Promise<string>;
}

/** A mistake in what was typed. */
export class UsageError extends Error {
  /** What `--help` is to be asked about. */
  readonly words: readonly string[];

  constructor(message: string, words: readonly string[]) {
    super(message);
    this.words = words;
  }
}

const program = 'cachette';

/** What was asked for: a command with its options, or help about the commands that begin with these words. */
export type Request =
  | { readonly kind: 'run'; readonly command: Command; readonly given: Given }
  | { readonly kind: 'help'; readonly words: readonly string[] };

/** @throws UsageError */
export function readArguments(commands: readonly Command[], args: readonly string[]): Request {
  const firstOption = args.findIndex((arg) => arg.startsWith('-'));
  const words = firstOption < 0 ? args : args.slice(0, firstOption);
  const rest = args.slice(words.length);
  const command = commands.find((each) => startsWith(words, each.words));
  if (command === undefined) checkGroup(commands, words);
  const asksForHelp = rest.some((arg) => arg === '--help' || arg === '-h');
  if (asksForHelp) return { kind: 'help', words: command?.words ?? words };
  if (command === undefined) throw noCommand(commands, { words, rest });
  return { kind: 'run', command, given: readOptions(command, args.slice(command.words.length)) };
}

function startsWith(words: readonly string[], beginning: readonly string[]): boolean {
  return beginning.every((word, at) => words[at] === word);
}

function commandsUnder(commands: readonly Command[], words: readonly string[]): readonly Command[] {
  return commands.filter((command) => startsWith(command.words, words));
}

/** Complains of the first word that begins no command. */
function checkGroup(commands: readonly Command[], words: readonly string[]): void {
  const wrong = words.findIndex((_, at) => commandsUnder(commands, words.slice(0, at + 1)).length === 0);
  if (wrong < 0) return;
  const before = words.slice(0, wrong);
  const known = nextWords(commands, before);
  const meant = nearest(words[wrong] ?? '', known);
  const instead = meant ? `did you mean '${[...before, meant].join(' ')}'?` : `there are: ${known.join(', ')}`;
  throw new UsageError(`there is no command '${words.slice(0, wrong + 1).join(' ')}'; ${instead}`, before);
}

function nextWords(commands: readonly Command[], before: readonly string[]): string[] {
  return [...new Set(commandsUnder(commands, before).map((command) => command.words[before.length] ?? ''))];
}

interface Typed {
  readonly words: readonly string[];
  readonly rest: readonly string[];
}

function noCommand(commands: readonly Command[], { words, rest }: Typed): UsageError {
  const known = nextWords(commands, words).map((word) => [...words, word].join(' '));
  const wrong = rest[0] === undefined ? 'no command is named' : `there is no option '${rest[0]}' without a command`;
  return new UsageError(`${wrong}; there are: ${known.join(', ')}`, words);
}

function readOptions({ words, options }: Command, args: readonly string[]): Given {
  const config = Object.entries(options).map(([name, { value }]) => [
    name,
    { type: value === undefined ? ('boolean' as const) : ('string' as const), multiple: true },
  ]);
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(config) as Record<string, { type: 'boolean' | 'string'; multiple: true }>,
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  const values = new Map<string, string[]>();
  const complain = (message: string): never => {
    throw new UsageError(message, words);
  };
  for (const token of tokens) {
    if (token.kind === 'positional') complain(`'${token.value}' is one word too many`);
    if (token.kind !== 'option') continue;
    const own = Object.hasOwn(options, token.name) ? options[token.name] : undefined;
    const spec = own ?? complain(unknownOption(token.rawName, Object.keys(options)));
    if (spec.value === undefined && token.value !== undefined) complain(`${token.rawName} takes no value`);
    // An option that follows is no value of this one, unless it is written as one, with '='.
    const isMissing = token.value === undefined || (!token.inlineValue && token.value.startsWith('--'));
    if (spec.value !== undefined && isMissing) complain(`${token.rawName} needs a ${spec.value} behind it`);
    const sofar = values.get(token.name) ?? [];
    if (sofar.length > 0 && !spec.isMultiple) complain(`${token.rawName} is given twice`);
    values.set(token.name, [...sofar, token.value ?? '']);
  }
  const missing = Object.keys(options).find((name) => options[name]?.isRequired && !values.has(name));
  if (missing !== undefined) complain(`--${missing} is missing`);
  return {
    text: (name) => values.get(name)?.[0],
    texts: (name) => values.get(name) ?? [],
    isOn: (name) => values.has(name),
  };
}

function unknownOption(typed: string, known: readonly string[]): string {
  const meant = nearest(typed.replace(/^-+/, ''), known);
  const all = known.map((name) => `--${name}`).join(', ');
  return `there is no option '${typed}'; ${meant ? `did you mean '--${meant}'?` : `there are: ${all}`}`;
}

/** About the commands that begin with these words, or about the one that they are. */
export function helpOf(commands: readonly Command[], words: readonly string[]): string {
  const command = commands.find((each) => each.words.length === words.length && startsWith(words, each.words));
  return command === undefined ? helpOfGroup(commands, words) : helpOfCommand(command);
}

function helpOfGroup(commands: readonly Command[], words: readonly string[]): string {
  const under = commandsUnder(commands, words);
  const rows = under.map((command) => [command.words.join(' '), command.about] as const);
  const own = words.length === 0 ? [['--version', 'Prints the version'] as const] : [];
  return [
    `Usage: ${[program, ...words].join(' ')} <command> [options]`,
    '',
    'Commands:',
    ...table(rows),
    '',
    'Options:',
    ...table([['--help', 'Prints this, and behind a command its options'] as const, ...own]),
    '',
    'Examples:',
    ...under.flatMap(examplesOf),
    '',
  ].join('\n');
}

function helpOfCommand(command: Command): string {
  const rows = Object.entries(command.options).map(
    ([name, { value, about }]) => [`--${name}${value === undefined ? '' : ` <${value}>`}`, about] as const,
  );
  return [
    `Usage: ${[program, ...command.words].join(' ')} [options]`,
    '',
    command.about,
    '',
    'Options:',
    ...table([...rows, ['--help', 'Prints this'] as const]),
    '',
    'Examples:',
    ...examplesOf(command),
    '',
  ].join('\n');
}

function examplesOf({ words, examples }: Command): string[] {
  return examples.map((example) => `  ${[program, ...words].join(' ')} ${example}`);
}

function table(rows: readonly (readonly [name: string, about: string])[]): string[] {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, about]) => `  ${name.padEnd(width)}  ${about}`);
}
