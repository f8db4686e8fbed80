/** Finds what modules have decorated and wrapped: by the list that decorators write, and by the classes that are exported. */

import { insight, type Insight } from '../../base/insight.js';
import type { AnyCachedOptions, AnyInvalidatesOptions } from '../../cache/policy.js';
import type { Declared } from '../../decorators/declared.js';
import { type CacheMetadata, cacheMetadata } from '../../decorators/metadata.js';

/** A decorated method, in the class that declares it, or a wrapped function. */
export interface DecoratedMethod {
  /** The first of the files through which it was found. */
  readonly file: string;
  /** `Products.find`; `find` where nobody tells the class; the name of a wrapped function. */
  readonly name: string;
  /** Undefined where nobody tells it, and for a wrapped function. */
  readonly className: string | undefined;
  readonly cached: Decoration<AnyCachedOptions> | undefined;
  readonly invalidates: readonly Decoration<AnyInvalidatesOptions>[];
  readonly isWrapped: boolean;
  /** The text of what was decorated. */
  readonly text: string;
  /** The classes that inherit it, of those that were found. */
  readonly heirs: readonly string[];
}

/** `cache`: the same for decorators of the same cache, or of two that share a namespace on a store; undefined if unknown. */
export interface Decoration<Options> {
  readonly options: Readonly<Options>;
  readonly cache: unknown;
}

export interface LoadedModule {
  readonly file: string;
  readonly exports: unknown;
  /** What was decorated while it was loaded. */
  readonly declared: readonly Declared[];
}

/** Each method once. */
export function decoratedMethods(modules: readonly LoadedModule[]): DecoratedMethod[] {
  const layers = layersOf(modules);
  const classes = classesOf(modules, layers);
  const found = [...classes].flatMap(([own, file]) => methodsOf(own, { file, classes: [...classes.keys()], layers }));
  const placed = new Set(found.flatMap(({ layer }) => layer ?? []));
  const others = layers.filter((layer) => !placed.has(layer)).map(methodOfLayers);
  return [...found.map(({ method }) => method), ...others];
}

// ------------------------------------------------------------------------------------------- what was declared

/** The decorators of one method, the outermost first. */
interface Layers {
  readonly file: string;
  readonly all: readonly [Declared, ...Declared[]];
}

function layersOf(modules: readonly LoadedModule[]): Layers[] {
  const all = modules.flatMap(({ declared }) => declared);
  const byWrapper = new Map(all.map((each) => [each.wrapper, each]));
  const inner = new Set(all.map(({ original }) => byWrapper.get(original)));
  return modules.flatMap(({ file, declared }) =>
    declared
      .filter((each) => !inner.has(each))
      .map((each) => ({ file, all: [each, ...below(each, byWrapper)] as const })),
  );
}

function below({ original }: Declared, byWrapper: ReadonlyMap<object, Declared>): Declared[] {
  const next = byWrapper.get(original);
  return next === undefined ? [] : [next, ...below(next, byWrapper)];
}

/** Of one that stands in no class that was found. */
function methodOfLayers({ file, all }: Layers): DecoratedMethod {
  const [{ kind, name }] = all;
  const declaring = all.flatMap(({ holders }) => holders)[0];
  const className = declaring === undefined ? undefined : classOf(declaring).name;
  const shown = className === undefined ? name : `${className}.${name}`;
  return { ...decorations(all), file, name: shown, className, isWrapped: kind === 'wrapped', heirs: [] };
}

function decorations(all: Layers['all']): Pick<DecoratedMethod, 'cached' | 'invalidates' | 'text'> {
  const cached = all.find(({ kind }) => kind !== 'invalidates');
  const invalidates = all.filter(({ kind }) => kind === 'invalidates');
  const of = <Options>({ options, cache }: Declared): Decoration<Options> => {
    // What it is was said by the kind.
    return { options: options as Options, cache: cacheId(cache()) };
  };
  return { cached: cached && of(cached), invalidates: invalidates.map((each) => of(each)), text: textOf(all.at(-1)) };
}

function textOf(declared: Declared | undefined): string {
  const original: unknown = declared?.original;
  return typeof original === 'function' ? Function.prototype.toString.call(original) : '';
}

/** Caches that share their entries are one; without a shared store each is its own. */
function cacheId(cache: object | undefined): unknown {
  const insightOf = (cache as { readonly [insight]?: Insight } | undefined)?.[insight];
  if (insightOf === undefined) return undefined;
  const { namespace, stores } = insightOf.snapshot();
  const shared = stores.filter(({ tier }) => tier === 'store').map(({ name }) => name);
  return shared.length === 0 ? cache : JSON.stringify([namespace, ...shared]);
}

// ------------------------------------------------------------------------------------------- classes

type Class = (abstract new (...args: never[]) => unknown) & { readonly name: string; readonly prototype: object };

/** Those that are exported, those that have told of themselves, and those that they extend; with the file of each. */
function classesOf(modules: readonly LoadedModule[], layers: readonly Layers[]): Map<Class, string> {
  const known = layers.flatMap(({ file, all }) =>
    all.flatMap(({ holders }) => holders.map((holder) => ({ file, found: classOf(holder) }))),
  );
  const exported = modules.flatMap(({ file, exports }) => classesIn(exports).map((found) => ({ file, found })));
  const fileOf = new Map<Class, string>();
  for (const { file, found } of [...exported, ...known])
    for (const each of chainOf(found)) if (!fileOf.has(each)) fileOf.set(each, file);
  return fileOf;
}

function classOf(holder: object): Class {
  return (typeof holder === 'function' ? holder : holder.constructor) as Class;
}

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

// ------------------------------------------------------------------------------------------- their methods

interface Surroundings {
  readonly file: string;
  readonly classes: readonly Class[];
  readonly layers: readonly Layers[];
}

interface Found {
  readonly method: DecoratedMethod;
  /** Undefined for one that was decorated before anybody listed it, or by another version. */
  readonly layer: Layers | undefined;
}

function methodsOf(own: Class, surroundings: Surroundings): Found[] {
  return [own.prototype, own].flatMap((holder) =>
    Reflect.ownKeys(holder).flatMap((key) => {
      const value: unknown = Object.getOwnPropertyDescriptor(holder, key)?.value;
      const metadata = cacheMetadata(value);
      return metadata === undefined ? [] : [methodOf(own, { holder, key, metadata }, surroundings)];
    }),
  );
}

interface Place {
  readonly holder: object;
  readonly key: PropertyKey;
  readonly metadata: CacheMetadata;
}

/** Other decorators copy metadata to their own wrappers: by those it is found again. */
function methodOf(own: Class, { holder, key, metadata }: Place, { file, classes, layers }: Surroundings): Found {
  const layer = layers.find(({ all: [outermost] }) => cacheMetadata(outermost.wrapper) === metadata);
  const isStatic = holder === own;
  const heirs = classes
    .filter((each) => each !== own && inherits(each, { own, key, isStatic }))
    .map(({ name }) => name);
  const said = layer === undefined ? fromMetadata(metadata) : decorations(layer.all);
  const method = { ...said, file, name: `${own.name}.${String(key)}`, className: own.name, isWrapped: false, heirs };
  return { method, layer };
}

/** The nearest class of its chain that has one is `own`. */
function inherits(heir: Class, { own, key, isStatic }: { own: Class; key: PropertyKey; isStatic: boolean }): boolean {
  return chainOf(heir).find((each) => Object.hasOwn(isStatic ? each : each.prototype, key)) === own;
}

function fromMetadata({ cached, cachedMany, invalidates = [] }: CacheMetadata): ReturnType<typeof decorations> {
  const options = cached ?? cachedMany;
  return {
    cached: options && { options, cache: undefined },
    invalidates: invalidates.map((each) => ({ options: each, cache: undefined })),
    text: '',
  };
}
