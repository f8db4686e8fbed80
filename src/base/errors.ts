/** What can go wrong in a way that a caller sees. Everything else the cache keeps to itself. */

const brand = Symbol.for('cachette.error');

/** The `code` of each kind of error. */
export type CacheErrorCode = 'CACHE_CONFIG' | 'CACHE_INVALIDATION' | 'CACHE_TIMEOUT';

/** The base of all errors of this package. Two copies of the package recognise each other's by {@link isCacheError}. */
export class CacheError extends Error {
  /** A literal to switch on. */
  readonly code: CacheErrorCode;

  constructor(code: CacheErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    Object.defineProperty(this, brand, { value: true });
  }
}

/** What a {@link CacheConfigError} says: where the mistake is, what it is, and what to write instead. */
export interface ConfigComplaint {
  /** For example `@Cached on Products.find` or `createCache`. */
  readonly where: string;
  /** What is wrong, with the offending value in it; never a password. */
  readonly what: string;
  /** What to write instead, as an imperative or, where it is a guess, as a question. */
  readonly instead: string;
}

/**
 * A mistake in how the cache is used, thrown when it is made: at decoration, at creation, or at the call that cannot
 * mean anything.
 *
 * @example
 * ```ts
 * import { Cached, isCacheConfigError } from 'cachette';
 *
 * try {
 *   Cached('5 minutes' as '5m');
 * } catch (error) {
 *   if (isCacheConfigError(error)) console.log(error.instead.slice(0, 22)); // => 'write a duration such '
 * }
 * ```
 */
export class CacheConfigError extends CacheError {
  declare readonly code: 'CACHE_CONFIG';
  /** What to write instead. */
  readonly instead: string;

  constructor({ where, what, instead }: ConfigComplaint, options?: ErrorOptions) {
    super('CACHE_CONFIG', `${where}: ${what}; ${instead}${instead.endsWith('?') ? '' : '.'}`, options);
    this.instead = instead;
  }
}

/**
 * An invalidation could not be delivered, and `onInvalidationFailure` is `'throw'`. The data have changed all the same: the
 * method has run. What was to be invalidated is refused in this process, and delivered as soon as that is possible.
 *
 * @example
 * ```ts
 * import { createCache, isInvalidationError } from 'cachette';
 *
 * const cache = createCache('redis://localhost:1', { deadline: '50ms', onInvalidationFailure: 'throw' });
 * try {
 *   await cache.invalidate('product:1');
 * } catch (error) {
 *   if (isInvalidationError(error)) console.log(error.tags); // => ['product:1']
 * }
 * ```
 */
export class InvalidationError extends CacheError {
  declare readonly code: 'CACHE_INVALIDATION';
  /** What was to be invalidated; empty where that was everything. */
  readonly tags: readonly string[];

  constructor(tags: readonly string[], what: string) {
    super('CACHE_INVALIDATION', `${what} could not be delivered; it is refused in this process until it is.`);
    this.tags = tags;
  }
}

/**
 * The method has not settled within `timeout.hard`. It goes on, and what it gives is stored.
 *
 * @example
 * ```ts
 * import { createCache, isCacheTimeoutError } from 'cachette';
 *
 * const cache = createCache();
 * const slow = cache.wrap('slow', () => new Promise((resolve) => setTimeout(resolve, 1_000)), { timeout: { hard: '20ms' } });
 * try {
 *   await slow();
 * } catch (error) {
 *   if (isCacheTimeoutError(error)) console.log(error.timeoutMs); // => 20
 * }
 * ```
 */
export class CacheTimeoutError extends CacheError {
  declare readonly code: 'CACHE_TIMEOUT';
  /** How long the caller has waited, in milliseconds. */
  readonly timeoutMs: number;

  constructor(method: string, timeoutMs: number) {
    super(
      'CACHE_TIMEOUT',
      `${method} has given no result within ${timeoutMs} ms; it goes on, and its result is stored.`,
    );
    this.timeoutMs = timeoutMs;
  }
}

// A class's name is lost under minification; the name of an error is read by people and by loggers.
CacheError.prototype.name = 'CacheError';
CacheConfigError.prototype.name = 'CacheConfigError';
InvalidationError.prototype.name = 'InvalidationError';
CacheTimeoutError.prototype.name = 'CacheTimeoutError';

/** Whether `error` comes from this package, also from another copy of it. */
export function isCacheError(error: unknown): error is CacheError {
  return typeof error === 'object' && error !== null && brand in error;
}

/** Whether `error` is a {@link CacheConfigError}, also one from another copy of this package. */
export function isCacheConfigError(error: unknown): error is CacheConfigError {
  return isCacheError(error) && error.code === 'CACHE_CONFIG';
}

/** Whether `error` is an {@link InvalidationError}, also one from another copy of this package. */
export function isInvalidationError(error: unknown): error is InvalidationError {
  return isCacheError(error) && error.code === 'CACHE_INVALIDATION';
}

/** Whether `error` is a {@link CacheTimeoutError}, also one from another copy of this package. */
export function isCacheTimeoutError(error: unknown): error is CacheTimeoutError {
  return isCacheError(error) && error.code === 'CACHE_TIMEOUT';
}
