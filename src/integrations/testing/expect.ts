/** Says what became of a cached call where a test expected something else. Knows how an outcome reads as a sentence. */

import type { Outcome } from '../../base/events.js';
import type { Cache } from '../../decorators/cache.js';

/** What a test expects of a call. */
interface Expected {
  readonly status: 'hit' | 'miss';
  /** Undefined: any. */
  readonly reason: string | undefined;
}

/** A cached call was not answered as expected. No `AssertionError`: what runners make of those hides the message. */
export class ExpectationError extends Error {
  /** What became of the call; undefined where no cached call was made. */
  readonly outcome: Outcome | undefined;

  constructor(message: string, outcome: Outcome | undefined) {
    super(message);
    this.name = 'ExpectationError';
    this.outcome = outcome;
  }
}

/**
 * Runs a call and expects the first cached call inside to be a hit: answered from the cache without running the method, and with no
 * stale value.
 *
 * @returns what the call gives
 * @throws ExpectationError if it was something else, with what it was and why; what the call throws
 *
 * @example
 * ```ts
 * import { createCache } from 'cachette';
 * import { expectHit } from 'cachette/testing';
 *
 * const cache = createCache();
 * const price = cache.wrap('price', async (id: string) => 10);
 * await price('1');
 * console.log(await expectHit(cache, () => price('1'))); // => 10
 * ```
 */
export function expectHit<T>(cache: Cache<never>, call: () => Promise<T>): Promise<T> {
  return expectOutcome(cache, call, { status: 'hit', reason: undefined });
}

/**
 * Runs a call and expects the first cached call inside to be a miss: the method ran for it, or it joined one that was running.
 *
 * @param reason why, as in `Outcome.reason`: `'absent'`, `'expired'`, `'invalidated: product:1'`. Default: any.
 * @returns what the call gives
 * @throws ExpectationError if it was something else, with what it was and why; what the call throws
 *
 * @example
 * ```ts
 * import { createCache } from 'cachette';
 * import { expectMiss } from 'cachette/testing';
 *
 * const cache = createCache();
 * const price = cache.wrap('price', async (id: string) => 10, { tags: (id) => `product:${id}` });
 * await expectMiss(cache, () => price('1'), 'absent');
 * await cache.invalidate('product:1');
 * console.log(await expectMiss(cache, () => price('1'), 'invalidated: product:1')); // => 10
 * ```
 */
export function expectMiss<T>(cache: Cache<never>, call: () => Promise<T>, reason?: string): Promise<T> {
  return expectOutcome(cache, call, { status: 'miss', reason });
}

async function expectOutcome<T>(cache: Cache<never>, call: () => Promise<T>, expected: Expected): Promise<T> {
  const { value, calls } = await cache.explain(call);
  const [first] = calls;
  if (first && isAsExpected(first, expected)) return value;
  throw new ExpectationError(complaint(first, expected), first);
}

function isAsExpected({ status, reason }: Outcome, expected: Expected): boolean {
  return status === expected.status && (expected.reason ?? reason) === reason;
}

function complaint(outcome: Outcome | undefined, { status, reason }: Expected): string {
  const wanted = reason === undefined ? `a ${status}` : `a ${status} (${reason})`;
  if (!outcome) return `no cached call was made, and ${wanted} was expected`;
  return `${outcome.method} was ${shown(outcome)}, and ${wanted} was expected`;
}

function shown({ status, reason, ageMs }: Outcome): string {
  const details = ageMs === undefined ? reason : `${reason}, ${Math.round(ageMs)} ms old`;
  return status === 'stale' ? `stale (${details})` : `a ${status} (${details})`;
}
