/**
 * What a method decorator is, in both dialects: legacy (`experimentalDecorators`) and standard. One function serves both
 * and looks at its second argument; behind this file nobody knows which one it was.
 */

import { CacheConfigError } from '../base/errors.js';
import type { Duration } from '../base/duration.js';
import type { MethodHandle } from '../cache/host.js';
import { attachWrapper, createMethodSource, type MethodSource } from '../cache/identity.js';
import type {
  Args,
  AsyncMethod,
  CachedManyOptions,
  CachedOptions,
  InvalidatesOptions,
  Many,
  ManyMethod,
} from '../cache/options.js';
import { copyMetadata } from './metadata.js';

/** A decorator for methods that return a promise, in both dialects. */
export type DualMethodDecorator<This, F extends AsyncMethod> = (
  target: This | F,
  context: string | symbol | ClassMethodDecoratorContext<This, F>,
  descriptor?: TypedPropertyDescriptor<F>,
) => void;

/** `@Cached`, bound to a cache. */
export interface CachedFunction<Tag extends string = string> {
  /**
   * Caches what the method resolves to.
   *
   * @param ttlOrOptions how long an entry lives, or all options
   * @param options the other options, after a ttl
   */
  <This, F extends AsyncMethod>(
    ttlOrOptions: Duration | CachedOptions<This, F, Tag>,
    options?: CachedOptions<This, F, Tag>,
  ): DualMethodDecorator<This, F>;
}

/** What a method has that takes one array of ids and nothing else; a second argument would be in no key. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- ids of any type
export type TakesIds<F> = Args<F> extends readonly [ids: readonly any[]] ? unknown : NeedsIds;

/** What no method has: the compiler shows it where a method has another shape. */
export interface NeedsIds {
  /** `@CachedMany` is for methods such as `async findMany(ids: string[])`. */
  readonly 'takes one array of ids': never;
}

/** A decorator for methods that take ids and give an item for each, in both dialects. */
export type DualManyDecorator<This, F extends ManyMethod> = (
  target: This | F,
  context: string | symbol | (ClassMethodDecoratorContext<This, F> & TakesIds<F>),
  descriptor?: TypedPropertyDescriptor<F> & TakesIds<F>,
) => void;

/** `@CachedMany`, bound to a cache. */
export interface CachedManyFunction<Tag extends string = string> {
  /**
   * Caches each item that the method gives under its id, and runs the method for the missing ones alone.
   *
   * @param ttlOrOptions how long an entry lives, or all options
   * @param options the other options, after a ttl
   */
  <This, F extends ManyMethod>(
    ttlOrOptions: Duration | CachedManyOptions<This, F, Tag>,
    options?: CachedManyOptions<This, F, Tag>,
  ): DualManyDecorator<This, F>;
}

/** `@Invalidates`, bound to a cache. */
export interface InvalidatesFunction<Tag extends string = string> {
  /**
   * Invalidates tags after the method has settled.
   *
   * @param tagsOrOptions tags, a function of the arguments that gives them, or all options
   */
  <This, F extends AsyncMethod>(
    tagsOrOptions: Many<Tag> | ((this: This, ...args: Args<F>) => Many<Tag>) | InvalidatesOptions<This, F, Tag>,
  ): DualMethodDecorator<This, F>;
}

/** A method that is being decorated. */
export interface DecoratedMethod {
  readonly source: MethodSource;
  /** For messages: `@Cached on Products.find`. */
  readonly where: string;
  /** What `service` has in the method's place now, whoever wrapped it. */
  readonly current: (service: object) => unknown;
  /** Tells, once it is known, each prototype or class that has the method. */
  readonly whenPlaced: (see: (holder: object) => void) => void;
}

// The types are checked where the decorator is written; here a method is a method.
type Decorate = (target: unknown, context: unknown, descriptor?: unknown) => unknown;

/**
 * A decorator that puts what `weave` makes in the place of the method.
 *
 * @param name for messages: `@Cached`
 */
export function methodDecorator(
  name: string,
  weave: (method: DecoratedMethod) => AsyncMethod,
): DualMethodDecorator<unknown, AsyncMethod> {
  const decorate: Decorate = (target, context, descriptor) => {
    if (isStandardContext(context)) return weave(standardMethod(name, target, context));
    const { method, own } = legacyMethod(name, target, context as PropertyKey | undefined, descriptor);
    own.value = weave(method);
    return own;
  };
  return decorate as DualMethodDecorator<unknown, AsyncMethod>;
}

/** The function that stands in the class from now on; with the name, length, properties and metadata of the original. */
export function wrapMethod(source: MethodSource, handle: MethodHandle): AsyncMethod {
  const { original } = source;
  // A method in an object literal, since such a function has no `prototype` and cannot be called with `new` either.
  // eslint-disable-next-line @typescript-eslint/unbound-method -- it is made to be called on other objects
  const { wrapper } = {
    wrapper(this: unknown, ...args: unknown[]): Promise<unknown> {
      return handle.call(this, args);
    },
  };
  Object.defineProperties(wrapper, ownProperties(original));
  copyMetadata(original, wrapper);
  attachWrapper(source, wrapper);
  return wrapper;
}

/** Without those that a function written with `function` has of its own. */
function ownProperties(original: object): PropertyDescriptorMap {
  const {
    prototype: _p,
    arguments: _a,
    caller: _c,
    ...own
  }: PropertyDescriptorMap = Object.getOwnPropertyDescriptors(original);
  return own;
}

/** Refuses `@Cached` without its parentheses: it would get what the decorator gets. */
export function refuseBare(name: string, args: readonly unknown[]): void {
  const [first, second] = args;
  const isKey = typeof second === 'string' || typeof second === 'symbol';
  const isLegacy = isClass(first) || (isKey && Object(first) === first);
  if (!isLegacy && !isStandardContext(second)) return;
  throw new CacheConfigError({
    where: name,
    what: 'it stands without parentheses',
    instead: name === '@Invalidates' ? `write ${name}('products')` : `write ${name}('5m')`,
  });
}

type StandardContext = ClassMethodDecoratorContext<object, AsyncMethod> | DecoratorContext;

function isStandardContext(context: unknown): context is StandardContext {
  return typeof context === 'object' && context !== null && 'kind' in context && 'name' in context;
}

function isClass(value: unknown): boolean {
  return typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value));
}

function standardMethod(name: string, original: unknown, context: StandardContext): DecoratedMethod {
  const where = `${name} on ${String(context.name ?? 'a class')}`;
  if (context.kind !== 'method') throw notAMethod(where, context.kind, context.name);
  const source = createMethodSource({
    name: String(context.name),
    key: context.name,
    original: asyncMethod(original, where),
    isStatic: context.static,
    isPrivate: context.private,
    home: undefined,
  });
  return {
    source,
    where,
    current: (service) => context.access.get(service),
    whenPlaced: (see) => {
      context.addInitializer(source.isStatic ? seeEach(see, (self) => self) : seeEach(see, Object.getPrototypeOf));
    },
  };
}

/**
 * Only an object under construction tells what class a standard method is in. This runs for each of them, so it costs one
 * comparison for all but the first.
 */
function seeEach(see: (holder: object) => void, holderOf: (self: object) => object) {
  let last: object | undefined;
  return function (this: unknown): void {
    const holder = holderOf(this as object);
    if (holder === last) return;
    last = holder;
    see(holder);
  };
}

interface LegacyMethod {
  readonly method: DecoratedMethod;
  readonly own: PropertyDescriptor;
}

function legacyMethod(name: string, target: unknown, key: PropertyKey | undefined, descriptor: unknown): LegacyMethod {
  const where = `${name} on ${legacyPlace(target, key)}`;
  const own = descriptor as PropertyDescriptor | number | undefined;
  if (typeof own === 'number') throw notAMethod(where, 'parameter', key);
  if (key === undefined) throw notAMethod(where, isClass(target) ? 'class' : 'function', key);
  if (own?.get ?? own?.set) throw notAMethod(where, 'accessor', key);
  if (typeof own?.value !== 'function') throw notAMethod(where, 'field', key);
  const home = target as object;
  const source = createMethodSource({
    name: String(key),
    key,
    original: asyncMethod(own.value, where),
    isStatic: typeof target === 'function',
    isPrivate: false,
    home,
  });
  const current = (service: object): unknown => Reflect.get(service, source.key);
  return { own, method: { source, where, current, whenPlaced: (see) => see(home) } };
}

/** `Products.find`; the class or function alone where there is no key. */
function legacyPlace(target: unknown, key: PropertyKey | undefined): string {
  const declaring: unknown = typeof target === 'function' ? target : (target as object | undefined)?.constructor;
  const name = (declaring as { name?: unknown } | undefined)?.name;
  const place = typeof name === 'string' && name !== '' ? name : 'a class without a name';
  return key === undefined ? place : `${place}.${String(key)}`;
}

function asyncMethod(original: unknown, where: string): AsyncMethod {
  const kind = Object.prototype.toString.call(original);
  if (kind !== '[object GeneratorFunction]' && kind !== '[object AsyncGeneratorFunction]')
    return original as AsyncMethod;
  throw new CacheConfigError({
    where,
    what: 'a generator can be read only once, so it cannot be cached',
    instead: 'write a method that returns a promise of an array',
  });
}

function notAMethod(where: string, kind: string, key: PropertyKey | undefined): CacheConfigError {
  return new CacheConfigError({
    where,
    what: `this is ${kind === 'accessor' ? 'an' : 'a'} ${kind}, not a method`,
    instead: insteadOf(kind, String(key)),
  });
}

function insteadOf(kind: string, key: string): string {
  if (kind === 'function') return "write cache.wrap('name', fn, options)";
  if (kind === 'class' || kind === 'parameter') return 'decorate the methods that are to be cached';
  return `write a method, async ${key}(…) { … }`;
}
