/** What a command of the command line is, how its arguments are read, and how its help is written. */

import { parseArgs } from 'node:util';

import { nearest } from '../../base/suggest.js';
import { redact } from '../../stores/uri-parts.js';

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

/** What stands behind the words of a command, such as a URI. */
export interface ArgumentSpec {
  /** In capitals, as the help shows it. */
  readonly name: string;
  readonly about: string;
  /** It may be given several times, and is the last one. */
  readonly isMultiple?: boolean;
  /** The command checks by itself whether it was given. */
  readonly isOptional?: boolean;
  /** The variable of the environment that stands for it where it was left out. Of the first one, which is a URI. */
  readonly variable?: string;
}

/** What was given behind a command. */
export interface Given {
  /** The argument of this name; empty where it is optional and was left out. */
  argument(name: string): string;
  /** One that may be given several times. */
  arguments(name: string): readonly string[];
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
  readonly arguments?: readonly ArgumentSpec[];
  readonly options: Readonly<Record<string, OptionSpec>>;
  /** What stands behind the words. */
  readonly examples: readonly string[];
  /** What the exit codes mean besides 0 and 2, for the help. */
  readonly exits?: Readonly<Record<number, string>>;
  /** Gives what is printed, with the exit code where that is not 0. */
  readonly run: (given: Given, terminal: Terminal) => Printed | Promise<Printed>;
}

/** What a command has to say in the end. */
export type Printed = string | { readonly text: string; readonly exitCode: number };

/** What a command can reach besides stores. */
export interface Terminal {
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
  /** Loads a module of the user's, by its absolute path. */
  readonly load: (path: string) => Promise<unknown>;
  /**
   * From now on what modules print goes to stderr, and what they do beside being loaded is told: until the function is called
   * that this gives.
   */
  readonly guard: (onTrouble: (trouble: Trouble) => void) => () => void;
  /** Tells of a problem at once, as the program is ending. */
  readonly fail: (problem: unknown) => void;
  /** Where text can be drawn over; undefined for a pipe or a file. */
  readonly screen: { readonly columns: number; readonly rows: number } | undefined;
  readonly hasColours: boolean;
  /**
   * From now on `stopped` is aborted when the program is told to end, which does not end at once then. With `onKey` each key is
   * told, Ctrl-C among them. Gives a function that ends both.
   */
  readonly listen: (onKey?: (key: string) => void) => () => void;
  readonly stopped: AbortSignal;
  /** Stops the program until the shell goes on with it; then calls `resumed`. */
  readonly suspend: (resumed: () => void) => void;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * What a module can do beside being loaded: something in it throws later, it waits while nothing is left that could happen, or it
 * ends the program.
 */
export type Trouble =
  { readonly kind: 'thrown'; readonly error: unknown } | { readonly kind: 'idle' } | { readonly kind: 'ended' };

/** Text as a shell takes it for one word; as it is where it can stand without quotes. */
export function shellQuoted(text: string): string {
  if (/^[\w@%+=:,./-]+$/.test(text)) return text;
  if (!/["$`\\!]/.test(text)) return `"${text}"`;
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
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

/** What was asked for: a command with its options, the version, or help about the commands that begin with these words. */
export type Request =
  | { readonly kind: 'run'; readonly command: Command; readonly given: Given }
  | { readonly kind: 'help'; readonly words: readonly string[]; readonly isMistake: boolean }
  | { readonly kind: 'version' };

/** What was typed, and the environment it was typed in. */
export interface Typing {
  readonly args: readonly string[];
  readonly env: Terminal['env'];
}

/** @throws UsageError */
export function readArguments(commands: readonly Command[], typing: Typing): Request {
  if (typing.args.length === 0) return { kind: 'help', words: [], isMistake: true };
  const { args, env } = commandFirst(commands, typing);
  const [first, ...others] = args;
  if (first === 'help') return { kind: 'help', words: helpedWords(commands, others), isMistake: false };
  const firstOption = args.findIndex((arg) => arg.startsWith('-'));
  const words = firstOption < 0 ? args : args.slice(0, firstOption);
  const rest = args.slice(words.length);
  const command = commands.find((each) => startsWith(words, each.words));
  if (command === undefined) checkGroup(commands, words);
  if (isOneOf(rest, '--help', '-h')) return { kind: 'help', words: command?.words ?? words, isMistake: false };
  if (isOneOf(rest, '--version', '-v')) return { kind: 'version' };
  if (command === undefined) throw noCommand(commands, { words, rest });
  return { kind: 'run', command, given: readGiven(command, { args: args.slice(command.words.length), env }) };
}

/** Options may stand before the command as well as behind it. */
function commandFirst(commands: readonly Command[], { args, env }: Typing): Typing {
  if (!args[0]?.startsWith('-')) return { args, env };
  const commandAt = (at: number): Command | undefined =>
    commands.find(({ words }) => startsWith(args.slice(at), words));
  const at = args.findIndex((_, index) => commandAt(index) !== undefined);
  const words = commandAt(at)?.words ?? [];
  return { args: [...words, ...args.slice(0, Math.max(0, at)), ...args.slice(Math.max(0, at) + words.length)], env };
}

/** Behind `help`: a command, or the beginning of some. */
function helpedWords(commands: readonly Command[], typed: readonly string[]): readonly string[] {
  const words = typed.filter((word) => !word.startsWith('-'));
  const command = commands.find((each) => startsWith(words, each.words));
  if (command === undefined) checkGroup(commands, words);
  return command?.words ?? words;
}

/** Behind `--` nothing is an option. */
function isOneOf(args: readonly string[], ...names: readonly string[]): boolean {
  const end = args.indexOf('--');
  return args.slice(0, end < 0 ? undefined : end).some((arg) => names.includes(arg));
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

type Token = ReturnType<typeof tokensOf>[number];
type OptionToken = Extract<Token, { kind: 'option' }>;

function readGiven(command: Command, { args, env }: Typing): Given {
  const tokens = tokensOf(command, args);
  const options = readOptions(
    command,
    tokens.filter((token) => token.kind === 'option'),
  );
  const words = tokens.filter((token) => token.kind === 'positional').map(({ value }) => value);
  const terminator = tokens.find((token) => token.kind === 'option-terminator')?.index ?? Infinity;
  const isBefore = tokens.some((token) => token.kind === 'positional' && token.index < terminator);
  const positions = readPositions(command, { words, namesStore: isBefore && looksLikeUri(words[0]) }, env);
  const missing = Object.keys(command.options).find((name) => command.options[name]?.isRequired && !options.has(name));
  if (missing !== undefined) throw new UsageError(`--${missing} is missing`, command.words);
  return {
    argument: (name) => positions.get(name)?.[0] ?? '',
    arguments: (name) => positions.get(name) ?? [],
    text: (name) => options.get(name)?.[0],
    texts: (name) => options.get(name) ?? [],
    isOn: (name) => options.has(name),
  };
}

function tokensOf({ options }: Command, args: readonly string[]) {
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
  return tokens;
}

function readOptions({ words, options }: Command, tokens: readonly OptionToken[]): ReadonlyMap<string, string[]> {
  const values = new Map<string, string[]>();
  const complain = (message: string): never => {
    throw new UsageError(message, words);
  };
  for (const token of tokens) {
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
  return values;
}

function looksLikeUri(word = ''): boolean {
  return /^[a-z][\w+.-]*:\/\//i.test(word);
}

interface Positions {
  readonly words: readonly string[];
  /** The first of them looks like a URI, and did not stand behind `--`. */
  readonly namesStore: boolean;
}

/** What the environment stands for was left out where the first word is no URI, and there are not words enough for all. */
function readPositions(
  { words, arguments: specs = [] }: Command,
  { words: given, namesStore }: Positions,
  env: Terminal['env'],
): ReadonlyMap<string, readonly string[]> {
  const isOpen = specs.at(-1)?.isMultiple === true;
  const [first] = specs;
  const isLeftOut = first?.variable !== undefined && !namesStore && (isOpen || given.length < specs.length);
  const fromEnv = isLeftOut && first.variable !== undefined ? env[first.variable] : undefined;
  if (isLeftOut && !fromEnv) throw new UsageError(missingArgument(first), words);
  const all = fromEnv ? [fromEnv, ...given] : given;
  const tooMany = isOpen ? undefined : all[specs.length];
  if (tooMany !== undefined) throw new UsageError(`'${redact(tooMany)}' is one word too many`, words);
  const missing = specs.find(({ isOptional }, at) => all[at] === undefined && !isOptional);
  if (missing) throw new UsageError(missingArgument(missing), words);
  return new Map(
    specs.map(({ name }, at) => [name, isOpen && at === specs.length - 1 ? all.slice(at) : all.slice(at, at + 1)]),
  );
}

function missingArgument({ name, about, variable }: ArgumentSpec): string {
  return `${name} is missing: ${about}${variable === undefined ? '' : `; or set ${variable}`}`;
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
  const rows = under.map((command): Row => [command.words.join(' '), command.about]);
  const own: Row[] = words.length === 0 ? [['--version, -v', 'Prints the version']] : [];
  return [
    `Usage: ${[program, ...words].join(' ')} <command> [options]`,
    '',
    'Commands:',
    ...table(rows),
    '',
    'Options:',
    ...table([['--help, -h', 'Prints this, and behind a command its options'], ...own]),
    '',
    'Examples:',
    ...under.flatMap(examplesOf),
    '',
  ].join('\n');
}

function helpOfCommand(command: Command): string {
  const rows = Object.entries(command.options).map(([name, { value, about }]): Row => [
    `--${name}${value === undefined ? '' : ` <${value}>`}`,
    about,
  ]);
  const usage = [program, ...command.words, ...(command.arguments ?? []).map(usageOf), '[options]'];
  return [
    `Usage: ${usage.join(' ')}`,
    '',
    command.about,
    '',
    ...part('Arguments:', (command.arguments ?? []).map(argumentRow)),
    ...part('Options:', [...rows, ['--help', 'Prints this']]),
    ...part('Exit codes:', exitRows(command.exits)),
    'Examples:',
    ...examplesOf(command),
    '',
  ].join('\n');
}

type Row = readonly [name: string, about: string];

function part(title: string, rows: readonly Row[]): string[] {
  return rows.length === 0 ? [] : [title, ...table(rows), ''];
}

function usageOf({ name, isMultiple, isOptional, variable }: ArgumentSpec): string {
  const text = isMultiple ? `${name}...` : name;
  return isOptional || variable !== undefined ? `[${text}]` : text;
}

function argumentRow({ name, about, variable }: ArgumentSpec): Row {
  return [name, variable === undefined ? about : `${about}; ${variable} where it is left out`];
}

function exitRows(exits: Command['exits']): Row[] {
  const all = { 2: 'What was typed is wrong', ...exits };
  return exits === undefined ? [] : Object.entries(all);
}

function examplesOf({ words, examples }: Command): string[] {
  return examples.map((example) => `  npx ${[program, ...words].join(' ')} ${example}`);
}

function table(rows: readonly Row[]): string[] {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, about]) => `  ${name.padEnd(width)}  ${about}`);
}
