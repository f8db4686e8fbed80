/** `cachette check`: what is probably wrong with the decorators of a project. */

import { nearest } from '../../base/suggest.js';
import { type Problem, rules } from './check-problem.js';
import { type Command, type Given, type Printed, type Terminal, UsageError } from './command.js';
import type { DecoratedMethod } from './decorated.js';
import { counted, paintFor, printable } from './text.js';

const words = ['check'];

export const check: Command = {
  words,
  about: 'Loads modules and tells what is probably wrong with what they decorate and wrap',
  arguments: [
    {
      name: 'FILE',
      about:
        'A module, a folder of modules, or a pattern in quotes: .js, .mjs, .cjs, and .ts where the project has tsx (npm install -D tsx)',
      isMultiple: true,
    },
  ],
  options: {
    skip: { value: 'rule', about: 'Leaves out a rule: names, ttl or tags; once for each', isMultiple: true },
    verbose: { about: 'Also tells what cannot be told' },
    timeout: { value: 'duration', about: 'How long a module may take to be loaded; 30s unless stated' },
    json: { about: 'Prints JSON' },
  },
  examples: ['dist', 'src/products.ts src/orders.ts --skip names', "--json 'dist/**/*.service.js'"],
  exits: {
    0: 'Nothing was found',
    1: 'Something was found',
    2: 'What was typed is wrong, or nothing could be checked',
  },
  run,
};

async function run(given: Given, terminal: Terminal): Promise<Printed> {
  const skipped = skippedRules(given.texts('skip'));
  const methods = await methodsIn(given, terminal);
  const all = (await problemsOf(methods)).filter(({ rule }) => !skipped.includes(rule));
  const findings = all.filter(({ isDoubt }) => !isDoubt).length;
  const doubts = all.length - findings;
  const isVerbose = given.isOn('verbose');
  const problems = all.filter(({ isDoubt }) => isVerbose || !isDoubt).map(plain);
  const text = given.isOn('json')
    ? `${JSON.stringify({ methods: methods.length, doubts, problems }, undefined, 2)}\n`
    : told({ problems, methods: methods.length, findings, doubts, isVerbose }, terminal);
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

/** Where there is none, nothing was checked: no modules were meant that decorate nothing. */
async function methodsIn(given: Given, terminal: Terminal): Promise<DecoratedMethod[]> {
  const [{ durationMs }, { loadModules }, { modulesIn }, { decoratedMethods }] = await Promise.all([
    import('../../base/duration.js'),
    import('./load.js'),
    import('./modules.js'),
    import('./decorated.js'),
  ]);
  const limitMs = durationMs((given.text('timeout') ?? '30s') as '30s', 'cachette check --timeout');
  const files = modulesIn(given.arguments('FILE'), words);
  const methods = decoratedMethods(await loadModules({ files, limitMs, words }, terminal));
  if (methods.length > 0) return methods;
  throw new UsageError(
    `${counted(files.length, 'module was', 'modules were')} loaded, and nothing in them is decorated or wrapped: give the modules in which @Cached, @Invalidates or cache.wrap stand, or their folder, such as dist`,
    words,
  );
}

async function problemsOf(methods: readonly DecoratedMethod[]): Promise<Problem[]> {
  const [{ nameProblems }, { tagProblems }] = await Promise.all([
    import('./check-names.js'),
    import('./check-tags.js'),
  ]);
  const order = new Map(methods.map(({ file, name }, at) => [`${file} ${name}`, at]));
  const place = ({ file, method }: Problem): number => order.get(`${file} ${method}`) ?? 0;
  const all = [...nameProblems(methods), ...methods.flatMap(ttlProblems), ...tagProblems(methods)];
  return all.sort((a, b) => place(a) - place(b));
}

function ttlProblems({ file, name, cached }: DecoratedMethod): Problem[] {
  if (!cached || cached.options.ttl !== undefined) return [];
  const message =
    "no ttl is given, so the cache's default applies, 5m unless createCache says otherwise: write one, such as ttl: '5m'";
  return [{ file, method: name, rule: 'ttl', message }];
}

function plain({ file, method, rule, message, isDoubt = false }: Problem): Problem {
  return { file, method, rule, message, isDoubt };
}

interface Report {
  readonly problems: readonly Problem[];
  readonly methods: number;
  readonly findings: number;
  readonly doubts: number;
  readonly isVerbose: boolean;
}

function told({ problems, methods, findings, doubts, isVerbose }: Report, terminal: Terminal): string {
  const paint = paintFor(terminal);
  const lines = problems.map(
    ({ file, method, message, isDoubt }) =>
      `${printable(file)}: ${paint('bold', printable(method))}: ${isDoubt ? paint('dim', `cannot tell: ${message}`) : message}\n`,
  );
  const unsure = doubts === 0 ? '' : `, ${doubts} that cannot be told${isVerbose ? '' : ' (--verbose)'}`;
  const sum = `${counted(methods, 'decorated method')}, ${counted(findings, 'finding')}${unsure}\n`;
  return `${lines.join('')}${paint(findings + doubts === 0 ? 'green' : 'yellow', sum)}`;
}
