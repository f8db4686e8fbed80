/** What a decorator and the cache say to each other: the seam between the wrapped method and everything behind it. */

import { CacheConfigError } from '../base/errors.js';
import type { MethodSource } from './identity.js';
import type { AnyCachedOptions, AnyInvalidatesOptions } from './policy.js';

/** What runs instead of a decorated method. */
export interface MethodHandle {
  readonly source: MethodSource;
  call(self: unknown, args: unknown[]): Promise<unknown>;
}

/**
 * What an invalidation came to. `deferred`: the store did not acknowledge it, and it is refused in this process until it does;
 * or it waits for the end of a transaction.
 */
export interface InvalidationResult {
  /** `done`: nobody gets what was computed before. */
  readonly status: 'done' | 'deferred';
}

/** What runs instead of a cached method, and what `forget` and `keyOf` look for. */
export interface CachedMethodHandle extends MethodHandle {
  /** Removes the entry of one call. */
  forget(self: unknown, args: readonly unknown[]): Promise<InvalidationResult>;
  /** Removes all entries of the method in the runtime class of `self`. */
  forgetAll(self: unknown): Promise<InvalidationResult>;
  /** @throws CacheConfigError if the call has no key */
  keyOf(self: unknown, args: readonly unknown[]): string;
}

/** The cache, as its decorators see it. `where` is for messages: `@Cached on Products.find`. */
export interface MethodHost {
  /** @throws CacheConfigError */
  cached(source: MethodSource, options: AnyCachedOptions, where: string): CachedMethodHandle;
  /** The same for a method that takes ids and gives items; the options are those of one element. @throws CacheConfigError */
  cachedMany(source: MethodSource, options: AnyCachedOptions, where: string): CachedMethodHandle;
  /** @throws CacheConfigError */
  invalidates(source: MethodSource, options: AnyInvalidatesOptions, where: string): MethodHandle;
}

/** Under this a cache keeps its host, out of its users' sight. The same in every copy of this package. */
export const methodHost: unique symbol = Symbol.for('cachette.host') as never;

/**
 * Runs the decorated method itself. What it throws passes through as it is.
 *
 * @throws CacheConfigError if it returned no promise: its callers would suddenly get one
 */
export function runOriginal(source: MethodSource, self: unknown, args: readonly unknown[]): PromiseLike<unknown> {
  const returned: unknown = source.original.apply(self, args as unknown[]);
  if (isThenable(returned)) return returned;
  throw new CacheConfigError({
    where: source.name,
    what: 'the decorated method returned no promise',
    instead: `write async ${source.name}(…)`,
  });
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
    typeof (value as { then?: unknown }).then === 'function'
  );
}
