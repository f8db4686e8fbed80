/**
 * `npm run check`: everything that is not a test. One line for each step with its time; a step that fails shows what it
 * printed. `npm run check -- lint docs` runs only these steps (and what they need).
 */

import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root, run, seconds } from './run.mjs';

const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
const packDir = join('.cache', 'pack');
const packed = join(packDir, `cachette-${version}.tgz`);

/**
 * @typedef {object} Step
 * @property {string} name
 * @property {readonly [string, ...string[]]} command
 * @property {readonly string[]} [after] the steps whose results it works on
 */

/** The longest first: two cores are then busy to the end. @type {readonly Step[]} */
const steps = [
  { name: 'lint', command: ['eslint', '--max-warnings', '0', '.'] },
  { name: 'build', command: ['node', 'scripts/build.mjs'] },
  { name: 'docs', command: ['typedoc'] },
  { name: 'pack', command: ['npm', 'pack', '--ignore-scripts', '--pack-destination', packDir], after: ['build'] },
  { name: 'attw', command: ['attw', packed], after: ['pack'] },
  { name: 'publint', command: ['publint', 'run', packed, '--strict'], after: ['pack'] },
  { name: 'consumer', command: typeCheck('tsconfig.consumer.json'), after: ['build'] },
  { name: 'types', command: typeCheck('tsconfig.json') },
  { name: 'types:scripts', command: typeCheck('tsconfig.scripts.json') },
  { name: 'types:legacy', command: typeCheck('__tests__/tsconfig.legacy.json') },
  { name: 'type-tests:legacy', command: typeCheck('__tests__/types/tsconfig.legacy.json') },
  { name: 'type-tests:standard', command: typeCheck('__tests__/types/tsconfig.standard.json') },
  { name: 'layers', command: ['depcruise', '--config', '.dependency-cruiser.cjs', '--output-type', 'err-long', 'src'] },
  {
    name: 'format',
    command: ['prettier', '--check', '--log-level', 'warn', '--cache', '--cache-location', '.cache/prettier.json', '.'],
  },
  { name: 'text', command: ['node', 'scripts/check-text.mjs'] },
];

/**
 * Remembers what it has seen, so that the next run checks only what changed since.
 *
 * @param {string} project
 * @returns {readonly [string, ...string[]]}
 */
function typeCheck(project) {
  const memory = join('.cache', 'tsc', project.replaceAll('/', '.').replace(/json$/, 'tsbuildinfo'));
  return ['tsc', '-p', project, '--noEmit', '--incremental', '--tsBuildInfoFile', memory];
}

/** @param {readonly string[]} names */
function chosen(names) {
  if (names.length === 0) return steps;
  const wanted = new Set(names);
  for (const name of wanted) {
    const step = steps.find((candidate) => candidate.name === name);
    if (!step) throw new Error(`no step '${name}'; there are: ${steps.map((each) => each.name).join(' ')}`);
    step.after?.forEach((before) => wanted.add(before));
  }
  return steps.filter(({ name }) => wanted.has(name));
}

/**
 * Runs the steps, as many at a time as there are cores, each after those that it needs.
 *
 * @param {readonly Step[]} todo
 * @returns {Promise<number>} how many passed
 */
async function runAll(todo) {
  const waiting = [...todo];
  /** @type {Map<string, boolean>} */
  const ended = new Map();
  const width = Math.max(...todo.map(({ name }) => name.length));
  /** @type {Set<Promise<void>>} */
  const running = new Set();

  /** @param {Step} step */
  const runOne = async (step) => {
    const skipped = step.after?.some((name) => ended.get(name) === false) ?? false;
    const { ok, output, ms } = skipped
      ? { ok: false, output: `not run: needs ${step.after?.join(', ')}\n`, ms: 0 }
      : await run(step.command, { quiet: true });
    ended.set(step.name, ok);
    console.log(`${ok ? '✓' : '✗'} ${step.name.padEnd(width)} ${seconds(ms).padStart(7)}`);
    if (!ok) console.log(`\n$ ${step.command.join(' ')}\n${output.trimEnd()}\n`);
  };

  while (waiting.length + running.size > 0) {
    const next = waiting.findIndex(({ after = [] }) => after.every((name) => ended.has(name)));
    if (next < 0 || running.size >= availableParallelism()) {
      await Promise.race(running);
      continue;
    }
    const [step] = /** @type {[Step]} */ (waiting.splice(next, 1));
    const job = runOne(step).finally(() => running.delete(job));
    running.add(job);
  }
  return [...ended.values()].filter(Boolean).length;
}

const { positionals, values } = parseArgs({ allowPositionals: true, options: { report: { type: 'string' } } });
const startedAt = performance.now();
await rm(join(root, packDir), { recursive: true, force: true });
await mkdir(join(root, packDir), { recursive: true });
const todo = chosen(positionals);
const passed = await runAll(todo);
const failed = todo.length - passed;
console.log(`${passed} of ${todo.length} checks passed in ${seconds(performance.now() - startedAt)}`);
if (values.report !== undefined) await writeFile(values.report, JSON.stringify({ passed, failed }));
if (failed > 0) process.exitCode = 1;
