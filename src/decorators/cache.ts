/** A cache as users have it: the manager with its decorators, and the default cache of those who need only one. */

import { CacheConfigError } from '../base/errors.js';
import {
  type CachedMethodHandle,
  type InvalidationResult,
  type MethodHandle,
  methodHost,
  type MethodHost,
} from '../cache/host.js';
import type { MethodSource } from '../cache/identity.js';
import { CacheManager, type WrappedFunction } from '../cache/manager.js';
import type { AllCalls, AsyncMethod, CachedOptions, CacheOptions, OneCall, TagOf } from '../cache/options.js';
import {
  type AnyCachedOptions,
  type AnyInvalidatesOptions,
  checkCachedOptions,
  checkInvalidatesOptions,
} from '../cache/policy.js';
import { parseStore, type StoreInput } from '../stores/uri.js';
import { makeCached, makeCachedMany } from './cached.js';
import { declareWrapped } from './declared.js';
import type { CachedFunction, CachedManyFunction, InvalidatesFunction } from './dialect.js';
import { makeInvalidates } from './invalidates.js';
import { findCachedMethod } from './metadata.js';

/** A cache. Make one with {@link createCache}. Its functions that are properties need no `this`. */
export class Cache<Tag extends string = string> extends CacheManager<Tag> {
  /** `@Cached`, bound to this cache. */
  readonly Cached: CachedFunction<Tag> = makeCached<Tag>(this[methodHost], () => this);
  /** `@CachedMany`, bound to this cache. */
  readonly CachedMany: CachedManyFunction<Tag> = makeCachedMany<Tag>(this[methodHost], () => this);
  /** `@Invalidates`, bound to this cache. */
  readonly Invalidates: InvalidatesFunction<Tag> = makeInvalidates<Tag>(this[methodHost], () => this);

  /**
   * Removes the entry of one call: `forget(service, 'find', [id])`, or `forget(this, this.#load, [id])` inside the class.
   * Strict in this process; another one that is computing may store its result afterwards. A tag is strict everywhere.
   * Of a `@CachedMany` method the entries of these ids: `forget(service, 'findMany', [[id]])`.
   *
   * @throws CacheConfigError if the method is not cached, or the call has no key
   */
  readonly forget: OneCall<Promise<InvalidationResult>> = (
    service: object,
    method: unknown,
    args: readonly unknown[],
  ) => cachedMethod(service, method, 'forget').forget(service, args);

  /**
   * Removes every entry of a method in the class of `service`.
   *
   * @throws CacheConfigError if the method is not cached
   */
  readonly forgetAll: AllCalls<Promise<InvalidationResult>> = (service: object, method: unknown) =>
    cachedMethod(service, method, 'forgetAll').forgetAll(service);

  /**
   * The key of a call, for debugging; of one id of a `@CachedMany` method `keyOf(service, 'findMany', [[id]])`.
   *
   * @throws CacheConfigError if the method is not cached, or the call has no key
   */
  readonly keyOf: OneCall<string> = (service: object, method: unknown, args: readonly unknown[]) =>
    cachedMethod(service, method, 'keyOf').keyOf(service, args);

  override wrap<F extends AsyncMethod>(
    name: string,
    fn: F,
    options: Omit<CachedOptions<undefined, F, Tag>, 'name' | 'per'> = {},
  ): WrappedFunction<F> {
    const wrapped = super.wrap(name, fn, options);
    declareWrapped({
      name,
      options: { ...options, name } as AnyCachedOptions,
      original: fn,
      wrapper: wrapped,
      cache: () => this,
    });
    return wrapped;
  }
}

function cachedMethod(service: object, method: unknown, where: string): CachedMethodHandle {
  const handle = findCachedMethod(service, method);
  if (handle) return handle;
  const name = typeof method === 'function' ? method.name : String(method);
  throw new CacheConfigError({
    where,
    what: `${name} is not a cached method of ${service.constructor.name}`,
    instead: `write @Cached('5m') above it, or name another method`,
  });
}

/**
 * Makes a cache.
 *
 * @param stores where entries live, nearest first: a URI such as `memory://?maxEntries=10000`, `redis://localhost:6379` or
 *   `memcached://localhost:11211`, a `Keyv`, or a Keyv store adapter. Default `memory://`. A server is connected to at once, in the
 *   background; `close()` ends that.
 * @throws CacheConfigError if the URI or an option is wrong
 *
 * @example
 * ```ts
 * import { createCache } from 'cachette';
 *
 * const cache = createCache('memory://?maxEntries=1000', { namespace: 'shop', defaults: { ttl: '1m' } });
 * ```
 */
export function createCache<const Kind extends string = never>(
  stores: StoreInput | readonly StoreInput[] = 'memory://',
  options: CacheOptions<Kind> = {},
): Cache<TagOf<Kind>> {
  const inputs = Array.isArray(stores) && stores.length === 0 ? ['memory://'] : [stores].flat();
  return new Cache<TagOf<Kind>>(
    inputs.map((input) => parseStore(input, 'createCache')),
    options,
  );
}

let standing: Cache | undefined;

/** The cache of the `Cached` and `Invalidates` that are imported; made at the first call from `CACHETTE_URL`, else `memory://`. */
export function defaultCache(): Cache {
  return (standing ??= createCache(process.env['CACHETTE_URL']));
}

/** Replaces the default cache, for all methods decorated so far too. The one before is not closed. */
export function setDefaultCache(cache: Cache<never>): void {
  // A cache that takes only some tags: its own decorators say which; the imported ones take any and check at run time.
  standing = cache as unknown as Cache;
}

/** A method of whatever cache is the default one when it is called. */
class DefaultMethod<Handle extends MethodHandle> implements MethodHandle {
  readonly source: MethodSource;
  readonly #make: (cache: Cache) => Handle;
  #cache: Cache | undefined;
  #handle: Handle | undefined;

  constructor(source: MethodSource, make: (cache: Cache) => Handle) {
    this.source = source;
    this.#make = make;
  }

  call(self: unknown, args: unknown[]): Promise<unknown> {
    return this.handle().call(self, args);
  }

  handle(): Handle {
    const cache = defaultCache();
    if (this.#handle === undefined || this.#cache !== cache) {
      this.#cache = cache;
      this.#handle = this.#make(cache);
    }
    return this.#handle;
  }
}

class DefaultCachedMethod extends DefaultMethod<CachedMethodHandle> implements CachedMethodHandle {
  forget(self: unknown, args: readonly unknown[]): Promise<InvalidationResult> {
    return this.handle().forget(self, args);
  }

  forgetAll(self: unknown): Promise<InvalidationResult> {
    return this.handle().forgetAll(self);
  }

  keyOf(self: unknown, args: readonly unknown[]): string {
    return this.handle().keyOf(self, args);
  }
}

/** Options are checked at decoration; the cache is made at the first call. */
const defaultHost: MethodHost = {
  cached(source: MethodSource, options: AnyCachedOptions, where: string) {
    checkCachedOptions(options, where);
    return new DefaultCachedMethod(source, (cache) => cache[methodHost].cached(source, options, where));
  },
  cachedMany(source: MethodSource, options: AnyCachedOptions, where: string) {
    checkCachedOptions(options, where);
    return new DefaultCachedMethod(source, (cache) => cache[methodHost].cachedMany(source, options, where));
  },
  invalidates(source: MethodSource, options: AnyInvalidatesOptions, where: string) {
    checkInvalidatesOptions(options, where);
    return new DefaultMethod(source, (cache) => cache[methodHost].invalidates(source, options, where));
  },
};

/**
 * Caches what a method resolves to, in the default cache.
 *
 * @example
 * ```ts
 * import { Cached } from 'cachette';
 *
 * class Products {
 *   @Cached('5m', { tags: (id) => `product:${id}` })
 *   async find(id: string): Promise<{ id: string }> { return { id }; }
 * }
 * ```
 */
export const Cached: CachedFunction = makeCached(defaultHost, () => standing);

/**
 * Caches each item that a method gives for its ids, in the default cache. The method runs for the missing ids alone.
 *
 * @example
 * ```ts
 * import { CachedMany } from 'cachette';
 *
 * class Products {
 *   @CachedMany('5m', { tags: (id) => `product:${id}` })
 *   async findMany(ids: string[]): Promise<{ id: string }[]> { return ids.map((id) => ({ id })); }
 * }
 * ```
 */
export const CachedMany: CachedManyFunction = makeCachedMany(defaultHost, () => standing);

/**
 * Invalidates tags after a method has settled, in the default cache.
 *
 * @example
 * ```ts
 * import { Invalidates } from 'cachette';
 *
 * class Products {
 *   @Invalidates((id) => `product:${id}`)
 *   async update(id: string, name: string): Promise<void> { }
 * }
 * ```
 */
export const Invalidates: InvalidatesFunction = makeInvalidates(defaultHost, () => standing);
