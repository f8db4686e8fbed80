/** Applies decorators as compilers do, in both dialects, without decorator syntax; and a cache that caches nothing. */

import { type CachedMethodHandle, type MethodHandle, type MethodHost, runOriginal } from '../../src/cache/host.js';
import type { MethodSource } from '../../src/cache/identity.js';

export type Dialect = 'legacy' | 'standard';
// Whatever a compiler would accept above a method.
type Decorator = (...args: never[]) => unknown;

export const dialects: readonly Dialect[] = ['legacy', 'standard'];

/** Does to `owner[key]` what a decorator above it does; the last of several is the innermost. */
export function apply(dialect: Dialect, owner: object, key: string | symbol, ...decorators: Decorator[]): Construct {
  const initializers: Initializer[] = [];
  for (const decorator of decorators.reverse()) {
    if (dialect === 'legacy') applyLegacy(decorator, owner, key);
    else applyStandard(decorator, owner, key, initializers);
  }
  const construct: Construct = (self) => {
    for (const initializer of initializers) initializer.call(self);
    return self;
  };
  // Those of a static method run when the class is complete.
  if (typeof owner === 'function') construct(owner);
  return construct;
}

type Initializer = (this: unknown) => void;
/** Does to a new object what its constructor does. */
export type Construct = <T>(self: T) => T;

function applyLegacy(decorator: Decorator, owner: object, key: string | symbol): void {
  const descriptor = Object.getOwnPropertyDescriptor(owner, key);
  const returned = (decorator as (...args: unknown[]) => unknown)(owner, key, descriptor) as
    PropertyDescriptor | undefined;
  Object.defineProperty(owner, key, returned ?? descriptor ?? {});
}

function applyStandard(decorator: Decorator, owner: object, key: string | symbol, initializers: Initializer[]): void {
  const context = standardContext({ name: key, static: typeof owner === 'function', initializers });
  const value = Reflect.get(owner, key) as unknown;
  const returned = (decorator as (...args: unknown[]) => unknown)(value, context) ?? value;
  Object.defineProperty(owner, key, { value: returned, configurable: true, writable: true });
}

interface ContextParts {
  readonly name: string | symbol;
  readonly kind?: string;
  readonly static?: boolean;
  readonly private?: boolean;
  readonly get?: (self: unknown) => unknown;
  readonly initializers?: Initializer[];
}

export function standardContext(parts: ContextParts): object {
  const { name, initializers = [] } = parts;
  const get = parts.get ?? ((self: unknown) => Reflect.get(self as object, name) as unknown);
  return {
    kind: 'method',
    static: false,
    private: false,
    ...parts,
    access: { get, has: () => true },
    addInitializer: (initializer: Initializer) => initializers.push(initializer),
  };
}

export interface Seen {
  readonly kind: 'cached' | 'cachedMany' | 'invalidates';
  readonly source: MethodSource;
  readonly options: object;
  readonly where: string;
}

/** Tells what it was asked to do, and at each call runs the method. */
export function fakeHost() {
  const seen: Seen[] = [];
  const calls: string[] = [];
  const handle = (kind: Seen['kind'], source: MethodSource): MethodHandle => ({
    source,
    async call(self, args) {
      calls.push(`${kind} ${source.name}`);
      return runOriginal(source, self, args);
    },
  });
  const host: MethodHost = {
    cached(source, options, where) {
      seen.push({ kind: 'cached', source, options, where });
      return handle('cached', source) as CachedMethodHandle;
    },
    cachedMany(source, options, where) {
      seen.push({ kind: 'cachedMany', source, options, where });
      return handle('cachedMany', source) as CachedMethodHandle;
    },
    invalidates(source, options, where) {
      seen.push({ kind: 'invalidates', source, options, where });
      return handle('invalidates', source);
    },
  };
  return { host, seen, calls };
}
