/** `@Cached`: how its arguments are read, and that a method has only one. */

import { CacheConfigError } from '../base/errors.js';
import type { CachedMethodHandle, MethodHost } from '../cache/host.js';
import type { AsyncMethod } from '../cache/options.js';
import { checkCachedOptions, type AnyCachedOptions } from '../cache/policy.js';
import {
  methodDecorator,
  refuseBare,
  wrapMethod,
  type CachedFunction,
  type DecoratedMethod,
  type DualMethodDecorator,
} from './dialect.js';
import { cacheMetadata, hasPlace, recordCached, rememberPlace } from './metadata.js';

/** The `@Cached` of a cache. It needs no `this`. */
export function makeCached<Tag extends string = string>(host: MethodHost): CachedFunction<Tag> {
  const cached = (...args: unknown[]): DualMethodDecorator<unknown, AsyncMethod> => {
    refuseBare('@Cached', args);
    const options = cachedOptions(args);
    return methodDecorator('@Cached', (method) => weave(host, method, options));
  };
  // The public type says what the arguments are; the decorated method's own types say the rest.
  return cached as CachedFunction<Tag>;
}

function cachedOptions([first, second = {}]: unknown[]): AnyCachedOptions {
  const isTtl = typeof first !== 'object' || first === null;
  if (isTtl) {
    if (first === undefined) throw withoutTtl();
    checkCachedOptions(second, '@Cached');
    if ((second as AnyCachedOptions).ttl !== undefined) throw twoTtls();
  }
  const options = isTtl ? { ...(second as AnyCachedOptions), ttl: first } : { ...first };
  checkCachedOptions(options, '@Cached');
  return options as AnyCachedOptions;
}

function weave(host: MethodHost, method: DecoratedMethod, options: AnyCachedOptions): AsyncMethod {
  refuseSecond(method);
  const handle = host.cached(method.source, options, method.where);
  const wrapper = wrapMethod(method.source, handle);
  recordCached(wrapper, options, handle);
  remember(method, handle);
  return wrapper;
}

function remember({ source, current, whenPlaced }: DecoratedMethod, handle: CachedMethodHandle): void {
  const place = { key: source.key, handle, current };
  whenPlaced((holder) => rememberPlace(holder, place));
}

function refuseSecond({ source, where }: DecoratedMethod): void {
  const isHidden = source.home !== undefined && hasPlace(source.home, source.key);
  if (!isHidden && cacheMetadata(source.original)?.cached === undefined) return;
  throw new CacheConfigError({
    where,
    what: 'the method has a second @Cached',
    instead: 'write one, with the options of both',
  });
}

function withoutTtl(): CacheConfigError {
  return new CacheConfigError({
    where: '@Cached',
    what: 'there is neither a ttl nor are there options',
    instead: "write @Cached('5m'), or @Cached({}) for the cache's default",
  });
}

function twoTtls(): CacheConfigError {
  return new CacheConfigError({
    where: '@Cached',
    what: 'there are two ttls',
    instead: 'write it either before the options or in them',
  });
}
