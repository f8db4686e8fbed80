/** `@Invalidates`: how its argument is read. */

import type { MethodHost } from '../cache/host.js';
import type { AsyncMethod } from '../cache/options.js';
import { checkInvalidatesOptions, type AnyInvalidatesOptions } from '../cache/policy.js';
import { declareMethod } from './declared.js';
import {
  methodDecorator,
  refuseBare,
  wrapMethod,
  type DecoratedMethod,
  type DualMethodDecorator,
  type InvalidatesFunction,
} from './dialect.js';
import { recordInvalidates } from './metadata.js';

/** The `@Invalidates` of a cache. It needs no `this`. */
export function makeInvalidates<Tag extends string = string>(
  host: MethodHost,
  cache: () => object | undefined = () => undefined,
): InvalidatesFunction<Tag> {
  const invalidates = (...args: unknown[]): DualMethodDecorator<unknown, AsyncMethod> => {
    refuseBare('@Invalidates', args);
    const options = invalidatesOptions(args[0]);
    return methodDecorator('@Invalidates', (method) => {
      const wrapper = weave(host, method, options);
      declareMethod(method, { kind: 'invalidates', options, wrapper, cache });
      return wrapper;
    });
  };
  // The public type says what the argument is; the decorated method's own types say the rest.
  return invalidates as InvalidatesFunction<Tag>;
}

function invalidatesOptions(tagsOrOptions: unknown): AnyInvalidatesOptions {
  const isOptions = typeof tagsOrOptions === 'object' && tagsOrOptions !== null && !Array.isArray(tagsOrOptions);
  const options = isOptions ? { ...tagsOrOptions } : { tags: tagsOrOptions };
  checkInvalidatesOptions(options, '@Invalidates');
  return options as AnyInvalidatesOptions;
}

/** Around or inside a `@Cached` of the same method it is simply one more layer: a hit runs nothing that is inside. */
function weave(host: MethodHost, { source, where }: DecoratedMethod, options: AnyInvalidatesOptions): AsyncMethod {
  const wrapper = wrapMethod(source, host.invalidates(source, options, where));
  recordInvalidates(wrapper, options);
  return wrapper;
}
