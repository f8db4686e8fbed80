/**
 * What was recorded about decorated methods, and how a method is found again: by itself, by its name, or behind another
 * decorator's wrapper. The one file that knows of reflect-metadata.
 */

import 'reflect-metadata';
import type { CachedMethodHandle } from '../cache/host.js';
import type { AnyCachedOptions, AnyInvalidatesOptions } from '../cache/policy.js';

/** What the decorators of a method said. */
export interface CacheMetadata {
  /** The options of `@Cached`, with the `ttl` among them. */
  readonly cached?: Readonly<AnyCachedOptions> | undefined;
  /** The options of `@CachedMany`, likewise; they are those of one element. */
  readonly cachedMany?: Readonly<AnyCachedOptions> | undefined;
  /** The options of each `@Invalidates`, innermost first. */
  readonly invalidates?: readonly Readonly<AnyInvalidatesOptions>[] | undefined;
}

/** A place where a cached method stands, also where another decorator's wrapper hides it. */
export interface CachedPlace {
  readonly key: PropertyKey;
  readonly handle: CachedMethodHandle;
  /** What `service` has there; may throw for an object that has no such private method. */
  readonly current: (service: object) => unknown;
}

// Symbol.for: the ESM and the CommonJS copy of this package read each other's records.
const metadataKey = Symbol.for('cachette.metadata');
const handleKey = Symbol.for('cachette.method');

/** By prototype or class. */
const places = new WeakMap<object, CachedPlace[]>();

/**
 * What the decorators of this package recorded about `method`, or undefined where there are none.
 *
 * @example
 * ```ts
 * import { createCache, cacheMetadata } from 'cachette';
 *
 * const cache = createCache('memory://');
 * class Products {
 *   @cache.Cached('5m', { tags: 'products' })
 *   async list(): Promise<string[]> { return []; }
 * }
 *
 * cacheMetadata(Products.prototype.list)?.cached?.ttl; // '5m'
 * ```
 */
export function cacheMetadata(method: unknown): CacheMetadata | undefined {
  if (typeof method !== 'function') return undefined;
  return Reflect.getOwnMetadata(metadataKey, method) as CacheMetadata | undefined;
}

/** Copies all metadata of `from`, whoever wrote them: routes and guards are found on the wrapper too. */
export function copyMetadata(from: object, to: object): void {
  for (const key of Reflect.getOwnMetadataKeys(from) as unknown[]) {
    Reflect.defineMetadata(key, Reflect.getOwnMetadata(key, from), to);
  }
}

/** Records `@Cached` on its wrapper. */
export function recordCached(wrapper: object, options: AnyCachedOptions, handle: CachedMethodHandle): void {
  Reflect.defineMetadata(handleKey, handle, wrapper);
  record(wrapper, { ...cacheMetadata(wrapper), cached: Object.freeze(options) });
}

/** Records `@CachedMany` on its wrapper. */
export function recordCachedMany(wrapper: object, options: AnyCachedOptions, handle: CachedMethodHandle): void {
  Reflect.defineMetadata(handleKey, handle, wrapper);
  record(wrapper, { ...cacheMetadata(wrapper), cachedMany: Object.freeze(options) });
}

/** Records `@Invalidates` on its wrapper. */
export function recordInvalidates(wrapper: object, options: AnyInvalidatesOptions): void {
  const earlier = cacheMetadata(wrapper);
  record(wrapper, { ...earlier, invalidates: [...(earlier?.invalidates ?? []), Object.freeze(options)] });
}

function record(wrapper: object, metadata: CacheMetadata): void {
  Reflect.defineMetadata(metadataKey, Object.freeze(metadata), wrapper);
}

/** Remembers that `place` is in `holder`, a prototype or class. */
export function rememberPlace(holder: object, place: CachedPlace): void {
  const known = places.get(holder);
  if (known === undefined) places.set(holder, [place]);
  else if (!known.includes(place)) known.push(place);
}

/** Whether `holder` itself has a cached method under `key`. */
export function hasPlace(holder: object, key: PropertyKey): boolean {
  return places.get(holder)?.some((place) => place.key === key) ?? false;
}

/**
 * The cached method that `method` means on `service`: its name, or the function itself as in `this.#load`. Undefined where
 * there is none.
 */
export function findCachedMethod(service: object, method: unknown): CachedMethodHandle | undefined {
  if (typeof method === 'function')
    return handleOf(method) ?? findPlace(service, (place) => stands(place, service, method));
  const key = method as PropertyKey;
  return handleOf(Reflect.get(service, key)) ?? findPlace(service, (place) => place.key === key);
}

function handleOf(method: unknown): CachedMethodHandle | undefined {
  if (typeof method !== 'function') return undefined;
  return Reflect.getOwnMetadata(handleKey, method) as CachedMethodHandle | undefined;
}

/** A class's own methods come before inherited ones; among those of one holder the last one is the most derived. */
function findPlace(service: object, fits: (place: CachedPlace) => boolean): CachedMethodHandle | undefined {
  for (let holder: object | null = service; holder !== null; holder = Object.getPrototypeOf(holder) as object | null) {
    const found = places.get(holder)?.findLast(fits);
    if (found !== undefined) return found.handle;
  }
  return undefined;
}

function stands(place: CachedPlace, service: object, method: unknown): boolean {
  try {
    return place.current(service) === method;
  } catch {
    return false;
  }
}
