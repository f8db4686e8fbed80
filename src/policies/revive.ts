/** Which classes may be stored, and how an instance of one is found by its object or by the name in a text. */

import { CacheConfigError } from '../base/errors.js';
import { baseKind, type Kind } from './kinds.js';

/** A class. `any`: only then is every class assignable, and an `instance` parameter of the user's own type compiles. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- see above
export type Class<T = any> = abstract new (...args: any[]) => T;

/**
 * A class whose instances may be stored and come back as instances.
 *
 * The class alone: all own enumerable properties are kept and the prototype is restored; the constructor does not run. For
 * a class with `#private` state that would lose the state without a word, so give the second form. `name` is what stands
 * in the store, by default the name of the class: give one where builds rename classes.
 *
 * @example
 * ```ts
 * class Money {
 *   #cents: bigint;
 *   constructor(cents: bigint) { this.#cents = cents; }
 *   get cents() { return this.#cents; }
 * }
 * const money = { class: Money, toPlain: (m: Money) => m.cents, fromPlain: (cents: unknown) => new Money(cents as bigint) };
 * ```
 */
export type Revivable = Class | RevivableClass;

/** See {@link Revivable}. `toPlain` may give anything that can be stored itself. */
export interface RevivableClass {
  /** The class, whose instances are told by their prototype. */
  readonly class: Class;
  /** What a store calls it. Default: the name of the class, which minification may change. */
  readonly name?: string | undefined;
  /** `any`: the instance has the type that the user's function names. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- see above
  toPlain(instance: any): unknown;
  /** Receives what `toPlain` gave, or, from a store that somebody else has written to, anything at all. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- see above
  fromPlain(plain: any): unknown;
}

/** One class of a registry. */
export interface Revived {
  readonly name: string;
  readonly prototype: object;
  /** The built-in kind that it extends, or `plain`. */
  readonly base: Kind;
  /** Undefined: the properties are all there is. */
  readonly by: Pick<RevivableClass, 'toPlain' | 'fromPlain'> | undefined;
}

/** The classes of one list, ready to be looked up. */
export interface Registry {
  readonly byPrototype: ReadonlyMap<object, Revived>;
  readonly byName: ReadonlyMap<string, Revived>;
}

const noClasses: Registry = { byPrototype: new Map(), byName: new Map() };
const registries = new WeakMap<readonly Revivable[], Registry>();

/** The registry of a list, made once per list. */
export function registryOf(revive: readonly Revivable[]): Registry {
  if (revive.length === 0) return noClasses;
  let registry = registries.get(revive);
  if (registry === undefined) registries.set(revive, (registry = createRegistry(revive)));
  return registry;
}

function createRegistry(revive: readonly Revivable[]): Registry {
  const byPrototype = new Map<object, Revived>();
  const byName = new Map<string, Revived>();
  for (const entry of revive.map(revivedBy)) {
    if (entry.name === '') throw complaint('a class without a name');
    if (byName.has(entry.name)) throw complaint(`two classes with the name '${entry.name}'`);
    byPrototype.set(entry.prototype, entry);
    byName.set(entry.name, entry);
  }
  return { byPrototype, byName };
}

function revivedBy(entry: Revivable): Revived {
  const isClass = typeof entry === 'function';
  const of = isClass ? entry : entry.class;
  const prototype = of.prototype as object;
  const name = (isClass ? undefined : entry.name) ?? of.name;
  return { name, prototype, base: baseKind(prototype), by: isClass ? undefined : entry };
}

/** The instance, by the user's own function. Throws if that gives no object. */
export function fromPlainForm({ name, by }: Revived, plain: unknown): object {
  const made = by?.fromPlain(plain);
  if (typeof made !== 'object' || made === null) throw new TypeError(`fromPlain of ${name} gave no object`);
  return made;
}

function complaint(what: string): CacheConfigError {
  return new CacheConfigError({
    where: 'revive',
    what: `there is ${what}`,
    instead: "write { class: C, name: 'unique', toPlain, fromPlain }",
  });
}
