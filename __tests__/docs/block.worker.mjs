/** Runs the module of one script in a thread of its own, and tells when all of it has run. */

import { isDeepStrictEqual, inspect } from 'node:util';
import { parentPort, workerData } from 'node:worker_threads';

const { module, ends } = workerData;

/**
 * @param {unknown} actual
 * @param {unknown} expected
 * @returns {boolean}
 */
function hasAll(actual, expected) {
  if (typeof expected !== 'object' || expected === null) return Object.is(actual, expected);
  if (typeof actual !== 'object' || actual === null) return false;
  return Object.entries(expected).every(([key, value]) => hasAll(Reflect.get(actual, key), value));
}

/** @param {(actual: unknown, expected: unknown) => boolean} same */
const check =
  (same) => (/** @type {string} */ place, /** @type {unknown} */ actual, /** @type {unknown} */ expected) => {
    if (same(actual, expected)) return actual;
    throw new Error(`${place}: the value is ${inspect(actual)}, and what is shown is ${inspect(expected)}`);
  };

Object.assign(globalThis, { __shows: check(isDeepStrictEqual), __showsSome: check(hasAll) });

await import(module);
parentPort?.postMessage('done');
// an open connection would keep the thread alive; what was left to itself has a moment to fail
if (!ends) setTimeout(() => process.exit(), 20);
