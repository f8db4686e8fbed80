/** Counts what a jest run has shown, from the report that it writes. */

import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { root, run } from './run.mjs';

/**
 * @typedef {object} Counts
 * @property {number} passed
 * @property {number} failed
 * @property {number} skipped
 */

/** @type {Counts} */
export const none = { passed: 0, failed: 0, skipped: 0 };

/**
 * @param {Counts} a
 * @param {Counts} b
 * @returns {Counts}
 */
export function sum(a, b) {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped };
}

/**
 * Runs jest and counts. A file that does not load, and a run that ends badly or shows no test, count as one failure each.
 *
 * @param {readonly [string, ...string[]]} jest the command, without what makes it report
 * @param {import('./run.mjs').RunOptions} [options]
 * @returns {Promise<Counts>}
 */
export async function countTests(jest, options) {
  const report = join(root, '.cache', 'jest-results.json');
  await rm(report, { force: true });
  const { ok } = await run([...jest, '--json', `--outputFile=${report}`], options);
  const text = await readFile(report, 'utf8').catch(() => '{}');
  const results = JSON.parse(text);
  const passed = results.numPassedTests ?? 0;
  const failed = (results.numFailedTests ?? 0) + (results.numRuntimeErrorTestSuites ?? 0);
  const skipped = (results.numPendingTests ?? 0) + (results.numTodoTests ?? 0);
  const endedBadly = failed === 0 && (!ok || passed === 0);
  return { passed, failed: failed + (endedBadly ? 1 : 0), skipped };
}
