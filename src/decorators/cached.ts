/** `@Cached` and `@CachedMany`: how their arguments are read, and that a method has only one of them. */

import { CacheConfigError } from '../base/errors.js';
import type { CachedMethodHandle, MethodHost } from '../cache/host.js';
import type { AsyncMethod } from '../cache/options.js';
import { checkCachedOptions, type AnyCachedOptions } from '../cache/policy.js';
import { declareMethod } from './declared.js';
import {
  methodDecorator,
  refuseBare,
  wrapMethod,
  type CachedFunction,
  type CachedManyFunction,
  type DecoratedMethod,
  type DualMethodDecorator,
} from './dialect.js';
import { cacheMetadata, hasPlace, recordCached, recordCachedMany, rememberPlace } from './metadata.js';

/** What the two decorators do not share. */
interface Kind {
  readonly kind: 'cached' | 'cachedMany';
  readonly name: '@Cached' | '@CachedMany';
  readonly handle: (host: MethodHost, method: DecoratedMethod, options: AnyCachedOptions) => CachedMethodHandle;
  readonly record: typeof recordCached;
}

const one: Kind = {
  kind: 'cached',
  name: '@Cached',
  handle: (host, { source, where }, options) => host.cached(source, options, where),
  record: recordCached,
};

const many: Kind = {
  kind: 'cachedMany',
  name: '@CachedMany',
  handle: (host, { source, where }, options) => host.cachedMany(source, options, where),
  record: recordCachedMany,
};

/** Whose decorator it is; undefined for the default cache where there is none yet. */
type CacheOf = () => object | undefined;

const unset: CacheOf = () => undefined;

/** The `@Cached` of a cache. It needs no `this`. */
export function makeCached<Tag extends string = string>(host: MethodHost, cache: CacheOf = unset): CachedFunction<Tag> {
  // The public type says what the arguments are; the decorated method's own types say the rest.
  return make(host, one, cache) as CachedFunction<Tag>;
}

/** The `@CachedMany` of a cache. It needs no `this`. */
export function makeCachedMany<Tag extends string = string>(
  host: MethodHost,
  cache: CacheOf = unset,
): CachedManyFunction<Tag> {
  return make(host, many, cache) as CachedManyFunction<Tag>;
}

function make(host: MethodHost, kind: Kind, cache: CacheOf): unknown {
  return (...args: unknown[]): DualMethodDecorator<unknown, AsyncMethod> => {
    refuseBare(kind.name, args);
    const options = cachedOptions(kind.name, args);
    const weave = weaver(host, kind, options);
    return methodDecorator(kind.name, (method) => {
      const wrapper = weave(method);
      declareMethod(method, { kind: kind.kind, options, wrapper, cache });
      return wrapper;
    });
  };
}

function weaver(host: MethodHost, kind: Kind, options: AnyCachedOptions): (method: DecoratedMethod) => AsyncMethod {
  return (method) => {
    refuseSecond(kind.name, method);
    const handle = kind.handle(host, method, options);
    const wrapper = wrapMethod(method.source, handle);
    kind.record(wrapper, options, handle);
    remember(method, handle);
    return wrapper;
  };
}

function cachedOptions(name: Kind['name'], [first, second = {}]: unknown[]): AnyCachedOptions {
  const isTtl = typeof first !== 'object' || first === null;
  if (isTtl) {
    if (first === undefined) throw withoutTtl(name);
    checkCachedOptions(second, name);
    if ((second as AnyCachedOptions).ttl !== undefined) throw twoTtls(name);
  }
  const options = isTtl ? { ...(second as AnyCachedOptions), ttl: first } : { ...first };
  checkCachedOptions(options, name);
  return options as AnyCachedOptions;
}

function remember({ source, current, whenPlaced }: DecoratedMethod, handle: CachedMethodHandle): void {
  const place = { key: source.key, handle, current };
  whenPlaced((holder) => rememberPlace(holder, place));
}

function refuseSecond(name: Kind['name'], { source, where }: DecoratedMethod): void {
  const isHidden = source.home !== undefined && hasPlace(source.home, source.key);
  const { cached, cachedMany } = cacheMetadata(source.original) ?? {};
  if (!isHidden && !cached && !cachedMany) return;
  const isOther = name === '@Cached' ? cachedMany : cached;
  throw new CacheConfigError({
    where,
    what: isOther ? 'the method has both @Cached and @CachedMany' : `the method has a second ${name}`,
    instead: 'write one, with the options of both',
  });
}

function withoutTtl(name: Kind['name']): CacheConfigError {
  return new CacheConfigError({
    where: name,
    what: 'there is neither a ttl nor are there options',
    instead: `write ${name}('5m'), or ${name}({}) for the cache's default`,
  });
}

function twoTtls(name: Kind['name']): CacheConfigError {
  return new CacheConfigError({
    where: name,
    what: 'there are two ttls',
    instead: 'write it either before the options or in them',
  });
}
