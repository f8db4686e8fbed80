/** `cachette check`: what is probably wrong with the decorators of a project. */

import { resolve } from 'node:path';

import { nearest } from '../../base/suggest.js';
import type { CacheMetadata } from '../../decorators/metadata.js';
import { type Command, type Given, type Printed, type Terminal, UsageError } from './command.js';
import type { DecoratedMethod, LoadedModule } from './decorated.js';
import { joined, type TagKinds, tagKindsOf } from './tag-kinds.js';
import { counted, paintFor, printable } from './text.js';

const words = ['check'];

export const check: Command = {
  words,
  about: 'Loads modules and tells what is probably wrong with the decorators of the classes that they export',
  arguments: [
    { name: 'FILE', about: 'A module: .js, .mjs, .cjs, or .ts where the runtime takes that', isMultiple: true },
  ],
  options: {
    skip: { value: 'rule', about: 'Leaves out a rule: names, ttl or tags; once for each', isMultiple: true },
    verbose: { about: 'Also tells what cannot be told' },
    json: { about: 'Prints JSON' },
  },
  examples: ['dist/*.js', 'dist/products.js dist/orders.js --skip names', "--json $(find dist -name '*.service.js')"],
  exits: { 0: 'Nothing was found', 1: 'Something was found' },
  run,
};

const rules = ['names', 'ttl', 'tags'] as const;
type Rule = (typeof rules)[number];

interface Problem {
  readonly file: string;
  readonly method: string;
  readonly rule: Rule;
  readonly message: string;
  /** It may be right: what would tell is not in the text. */
  readonly isDoubt?: boolean;
}

async function run(given: Given, terminal: Terminal): Promise<Printed> {
  const skipped = skippedRules(given.texts('skip'));
  const { decoratedMethods } = await import('./decorated.js');
  const methods = decoratedMethods(await loaded(given.arguments('FILE'), terminal));
  const order = new Map(methods.map(({ name }, at) => [name, at]));
  const all = [...methods.flatMap(nameProblems), ...methods.flatMap(ttlProblems), ...tagProblems(methods)].sort(
    (a, b) => (order.get(a.method) ?? 0) - (order.get(b.method) ?? 0),
  );
  const shown = all.filter(({ rule, isDoubt }) => !skipped.includes(rule) && (!isDoubt || given.isOn('verbose')));
  const findings = shown.filter(({ isDoubt }) => !isDoubt).length;
  const text = given.isOn('json')
    ? `${JSON.stringify({ methods: methods.length, problems: shown.map(plain) }, undefined, 2)}\n`
    : told(shown, methods.length, terminal);
  return { text, exitCode: findings === 0 ? 0 : 1 };
}

function skippedRules(names: readonly string[]): readonly string[] {
  const wrong = names.find((name) => !(rules as readonly string[]).includes(name));
  if (wrong === undefined) return names;
  const meant = nearest(wrong, rules);
  throw new UsageError(
    `there is no rule '${wrong}'; ${meant ? `did you mean '${meant}'?` : `there are: ${rules.join(', ')}`}`,
    words,
  );
}

/** One after the other: a module that fails is the one that is told. */
async function loaded(files: readonly string[], { load }: Terminal): Promise<LoadedModule[]> {
  const modules: LoadedModule[] = [];
  for (const file of files) {
    try {
      modules.push({ file, exports: await load(resolve(file)) });
    } catch (error) {
      throw new UsageError(`${printable(file)} cannot be loaded: ${printable(firstLine(error))}${advice(file)}`, words);
    }
  }
  return modules;
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? `${error.name}: ${error.message}` : String(error)).split('\n', 1)[0] ?? '';
}

function advice(file: string): string {
  return /\.[cm]?tsx?$/.test(file) ? '; give what the compiler has made of it, such as dist/products.js' : '';
}

function nameProblems({ file, name, metadata, isInherited }: DecoratedMethod): Problem[] {
  const options = metadata.cached ?? metadata.cachedMany;
  if (!options || options.name !== undefined) return [];
  const instead = isInherited
    ? 'have the minifier keep the names of classes, as others inherit the method'
    : `write name: '${name}', or have the minifier keep the names of classes`;
  const message = `its keys begin with the name of the class, which a minifier changes from build to build: ${instead}`;
  return [{ file, method: name, rule: 'names', message }];
}

function ttlProblems({ file, name, metadata }: DecoratedMethod): Problem[] {
  const options = metadata.cached ?? metadata.cachedMany;
  if (!options || options.ttl !== undefined) return [];
  const message =
    "no ttl is given, so the cache's default applies, 5m unless createCache says otherwise: write one, such as ttl: '5m'";
  return [{ file, method: name, rule: 'ttl', message }];
}

interface Tagged extends DecoratedMethod {
  readonly tags: TagKinds;
}

function tagProblems(methods: readonly DecoratedMethod[]): Problem[] {
  const cached = tagged(methods, ({ cached: one, cachedMany }) => [one ?? cachedMany]);
  const invalidating = tagged(methods, ({ invalidates }) => invalidates ?? []);
  const has = joined(cached.map(({ tags }) => tags));
  const invalidated = joined(invalidating.map(({ tags }) => tags));
  const unclear = [...cached, ...invalidating].filter(({ tags }) => !tags.isAll);
  return [
    ...neverInvalidated(cached, has, invalidated),
    ...pointless(invalidating, has, invalidated),
    ...unclear.map(unknown),
  ];
}

type HasTags = { readonly tags?: unknown; readonly resultTags?: unknown } | undefined;

function tagged(
  methods: readonly DecoratedMethod[],
  optionsOf: (metadata: CacheMetadata) => readonly HasTags[],
): Tagged[] {
  return methods
    .map((method) => ({ method, options: optionsOf(method.metadata).filter((options) => options !== undefined) }))
    .filter(({ options }) => options.length > 0)
    .map(({ method, options }) => ({
      ...method,
      tags: joined(options.flatMap(({ tags, resultTags }) => [tagKindsOf(tags), tagKindsOf(resultTags)])),
    }));
}

function neverInvalidated(cached: readonly Tagged[], has: TagKinds, invalidated: TagKinds): Problem[] {
  const alone = without(invalidated, has);
  return each(cached, invalidated, (kind) => ({
    message: `no @Invalidates of these modules invalidates its tags '${printable(kind)}'${hint(kind, alone)}`,
    isDoubt: !invalidated.isAll,
  }));
}

/** A word that is nearly the same is a mistake even where others cannot be told. */
function pointless(invalidating: readonly Tagged[], has: TagKinds, invalidated: TagKinds): Problem[] {
  const known = [...without(has, invalidated), ...has.kinds];
  return each(invalidating, has, (kind) => {
    const meant = hint(kind, known);
    const message = `it invalidates the tags '${printable(kind)}', which no cached method of these modules has${meant}`;
    return { message, isDoubt: !has.isAll && meant === '' };
  });
}

function without({ kinds }: TagKinds, others: TagKinds): string[] {
  return kinds.filter((kind) => !others.kinds.includes(kind));
}

/** A problem for each kind of tags of `methods` that is not among `known`. */
function each(
  methods: readonly Tagged[],
  known: TagKinds,
  tell: (kind: string) => Pick<Problem, 'message' | 'isDoubt'>,
): Problem[] {
  return methods.flatMap(({ file, name, tags }) =>
    without(tags, known).map((kind) => ({ file, method: name, rule: 'tags' as const, ...tell(kind) })),
  );
}

/** Short words are near to each other by chance. */
function hint(kind: string, known: readonly string[]): string {
  const meant = kind.length < 4 ? undefined : nearest(kind, known);
  return meant === undefined ? '' : `; did you mean '${printable(meant)}'?`;
}

function unknown({ file, name }: Tagged): Problem {
  const message = 'which tags its function gives cannot be told from its text';
  return { file, method: name, rule: 'tags', message, isDoubt: true };
}

function plain({ file, method, rule, message, isDoubt = false }: Problem): Problem {
  return { file, method, rule, message, isDoubt };
}

function told(problems: readonly Problem[], methods: number, terminal: Terminal): string {
  const paint = paintFor(terminal);
  const findings = problems.filter(({ isDoubt }) => !isDoubt).length;
  const lines = problems.map(
    ({ file, method, message, isDoubt }) =>
      `${printable(file)}: ${paint('bold', printable(method))}: ${isDoubt ? paint('dim', `cannot tell: ${message}`) : message}\n`,
  );
  const sum = `${counted(methods, 'decorated method')}, ${counted(findings, 'finding')}\n`;
  return `${lines.join('')}${paint(findings === 0 ? 'green' : 'yellow', sum)}`;
}
