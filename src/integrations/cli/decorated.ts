/** Finds the decorated methods of the classes that modules export. */

import { type CacheMetadata, cacheMetadata } from '../../decorators/metadata.js';

/** A decorated method, in the class that declares it. */
export interface DecoratedMethod {
  /** The first of the files through which it was found. */
  readonly file: string;
  /** `Products.find`. */
  readonly name: string;
  readonly metadata: CacheMetadata;
  /** Others of the classes that were found inherit from its class. */
  readonly isInherited: boolean;
}

export interface LoadedModule {
  readonly file: string;
  readonly exports: unknown;
}

/** Each method once. Private methods are seen by nobody. */
export function decoratedMethods(modules: readonly LoadedModule[]): DecoratedMethod[] {
  const fileOf = new Map<Class, string>();
  const parents = new Set<Class>();
  for (const { file, exports } of modules) {
    for (const found of classesIn(exports)) {
      for (const [depth, each] of chainOf(found).entries()) {
        if (depth > 0) parents.add(each);
        if (!fileOf.has(each)) fileOf.set(each, file);
      }
    }
  }
  return [...fileOf].flatMap(([own, file]) =>
    methodsOf(own).map(({ name, metadata }) => ({ file, name, metadata, isInherited: parents.has(own) })),
  );
}

type Class = (abstract new (...args: never[]) => unknown) & { readonly name: string; readonly prototype: object };

/** Classes, objects of classes, and both one level deeper: `default` of a CommonJS module is all of it. */
function classesIn(exports: unknown, depth = 0): Class[] {
  if (isClass(exports)) return [exports];
  if (typeof exports !== 'object' || exports === null) return [];
  const made: unknown = Object.getPrototypeOf(exports) === null ? undefined : exports.constructor;
  // `Object` of whatever realm has a prototype that has none
  const own = isClass(made) && Object.getPrototypeOf(made.prototype) !== null ? [made] : [];
  if (own.length > 0 || depth > 1) return own;
  return [...new Set(valuesOf(exports).flatMap((value) => classesIn(value, depth + 1)))];
}

/** A getter may throw, or be of a module that is still loading. */
function valuesOf(object: object): unknown[] {
  return Object.keys(object).map((key) => valueOf(object, key));
}

function valueOf(object: object, key: PropertyKey): unknown {
  try {
    return Reflect.get(object, key);
  } catch {
    return undefined;
  }
}

function isClass(value: unknown): value is Class {
  return typeof value === 'function' && typeof value.prototype === 'object' && value.prototype !== null;
}

/** The class, and those that it extends. */
function chainOf(start: Class): Class[] {
  const parent: unknown = Object.getPrototypeOf(start);
  return [start, ...(isClass(parent) ? chainOf(parent) : [])];
}

function methodsOf(own: Class): { readonly name: string; readonly metadata: CacheMetadata }[] {
  return [own.prototype, own].flatMap((holder) =>
    Reflect.ownKeys(holder).flatMap((key) => {
      const metadata = cacheMetadata(Object.getOwnPropertyDescriptor(holder, key)?.value);
      return metadata === undefined ? [] : [{ name: `${own.name}.${String(key)}`, metadata }];
    }),
  );
}
