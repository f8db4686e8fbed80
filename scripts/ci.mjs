/**
 * What .ci/run does once the packages are installed: the servers, the tests, the checks, the build, what an import costs,
 * the example, some of the races and of the measurements, and the tests on the other Node versions. Goes on after a failure,
 * so that one run shows all of them. The last line counts: each test is one, and so is each check and each step that is no
 * test.
 */

import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { countTests, none, sum } from './jest-results.mjs';
import { root, run, seconds } from './run.mjs';
import { testOnNodes } from './test-nodes.mjs';

const minutes = 60_000;

/**
 * A command that is one thing.
 *
 * @param {readonly [string, ...string[]]} command
 * @param {number} timeoutMs
 */
async function single(command, timeoutMs) {
  const { ok } = await run(command, { timeoutMs });
  return ok ? { ...none, passed: 1 } : { ...none, failed: 1 };
}

async function checks() {
  const report = join(root, '.cache', 'check-results.json');
  await rm(report, { force: true });
  const { ok } = await run(['npm', 'run', '-s', 'check', '--', '--report', report], { timeoutMs: 10 * minutes });
  const counts = { ...none, ...JSON.parse(await readFile(report, 'utf8').catch(() => '{}')) };
  return ok || counts.failed > 0 ? counts : { ...counts, failed: 1 };
}

const tools = ['core', 'legacy', 'standard'];

/** @type {readonly { readonly name: string, readonly go: () => Promise<import('./jest-results.mjs').Counts> }[]} */
const stages = [
  { name: 'servers', go: () => single(['npm', 'run', '-s', 'servers:get'], 10 * minutes) },
  { name: 'tests', go: () => countTests(['npm', 'test', '--', '--ci'], { timeoutMs: 20 * minutes }) },
  // One file at a time: some have eight processes at work.
  {
    name: 'long tests',
    go: () =>
      countTests(['npx', 'jest', '--ci', '--selectProjects', 'long', '--runInBand'], { timeoutMs: 20 * minutes }),
  },
  { name: 'checks', go: checks },
  { name: 'build', go: () => single(['npm', 'run', '-s', 'build'], 5 * minutes) },
  // Twice the limit that holds where nothing else runs: here other programs slow the processor down.
  { name: 'import', go: () => single(['npm', 'run', '-s', 'bench:import', '--', '--limit', '60'], 5 * minutes) },
  { name: 'example', go: () => single(['npm', '-s', 'start', '--', '--seconds', '3', '--inspect'], 5 * minutes) },
  { name: 'race', go: () => single(['npm', 'run', '-s', 'race', '--', '--programs', '720000'], 40 * minutes) },
  { name: 'bench', go: () => single(['npm', 'run', '-s', 'bench', '--', '--quick'], 10 * minutes) },
  {
    name: 'tests on Node 22 and 24',
    go: () => testOnNodes(['22', '24'], ['--ci', '--selectProjects', ...tools], { timeoutMs: 15 * minutes }),
  },
];

let total = none;
for (const { name, go } of stages) {
  console.log(`\n=== ${name}`);
  const startedAt = performance.now();
  const counts = await go().catch((/** @type {unknown} */ error) => {
    console.error(error);
    return { ...none, failed: 1 };
  });
  total = sum(total, counts);
  console.log(
    `=== ${name}: ${counts.passed} passed, ${counts.failed} failed in ${seconds(performance.now() - startedAt)}`,
  );
}

const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : '';
console.log(`\n${total.passed} passed, ${total.failed} failed${skipped}`);
process.exitCode = total.failed > 0 ? 1 : 0;
