/** How a cached value is kept apart from its callers: what is copied, what is frozen, and which way of copying is fast enough. */

import { UnstorableError, unstorable } from './codec.js';
import {
  type Kind,
  type Step,
  addressOf,
  arrayKeys,
  blankError,
  bytesAs,
  bytesOf,
  define,
  hiddenOf,
  hide,
  holes,
  isDense,
  itemsOf,
  kindOf,
  maxDepth,
  mayCarry,
  opaque,
  pairsOf,
  pathText,
  patternOf,
  symbolic,
  timeOf,
} from './kinds.js';
import { type Registry, type Revivable, type Revived, fromPlainForm, registryOf } from './revive.js';

/**
 * - `isolated`: each caller has its own copy.
 * - `frozen`: all callers have the same deep-frozen object. A value with something in it that freezing does not stop from
 *   changing (`Map`, `Set`, `Date`, `RegExp`, typed arrays, `Buffer`, `URL`, a class with `toPlain`) is copied per caller,
 *   unfrozen, as if it were `isolated`.
 * - `shared`: all callers have the object that the method returned. It may be of any class; only what is used up by
 *   reading (streams, iterators, promises) is refused.
 */
export type Copies = 'isolated' | 'frozen' | 'shared';

/** A value as it was when the snapshot was taken. */
export interface Snapshot {
  /** The master. Never handed out, never changed. */
  readonly value: unknown;
  /** Makes what a caller gets of the master; the same function for all values of a kind. */
  readonly copier: Copier;
  /** What a caller gets. */
  copy(): unknown;
}

export type Copier = (master: unknown) => unknown;

/** Takes a snapshot. Throws an {@link UnstorableError} for what the codec would refuse, so that all tiers agree. */
export function snapshot(value: unknown, copies: Copies, revive: readonly Revivable[]): Snapshot {
  if (copies === 'shared') return shared(value);
  if (typeof value !== 'object' || value === null) return primitive(value);
  const registry = registryOf(revive);
  const cloner = new Cloner(registry);
  const master = cloner.clone(value);
  if (copies === 'frozen' && cloner.freezable) return new Taken(deepFreeze(master), same);
  return new Taken(master, cloner.isTree ? tree : graphOf(registry));
}

function primitive(value: unknown): Snapshot {
  if (typeof value !== 'function' && typeof value !== 'symbol') return new Taken(value, same);
  const { kind, what } = opaque(value);
  throw new UnstorableError(kind, { path: 'result', what });
}

class Taken implements Snapshot {
  readonly value: unknown;
  readonly copier: Copier;

  constructor(value: unknown, copier: Copier) {
    this.value = value;
    this.copier = copier;
  }

  copy(): unknown {
    return this.copier(this.value);
  }
}

const same: Copier = (master) => master;
const tree: Copier = (master) => cloneTree(master as object);
const graphs = new WeakMap<Registry, Copier>();

/** Copies whatever can be copied; one for all values of a method. */
function graphOf(registry: Registry): Copier {
  let graph = graphs.get(registry);
  if (!graph) graphs.set(registry, (graph = (master) => new Cloner(registry).clone(master)));
  return graph;
}

/**
 * Copies a master that is known to be a tree of plain objects, dense arrays and built-in objects without properties of their
 * own. Runs at every hit: a spread copies an object of ten properties several times as fast as any loop.
 */
function cloneTree(node: object): object {
  if (Array.isArray(node)) return cloneElements(node as unknown[]);
  const prototype = Object.getPrototypeOf(node) as object;
  if (prototype === Object.prototype) return cloneMembers(node);
  return prototype === Date.prototype ? new Date(timeOf(node)) : cloneBuiltin(node);
}

function cloneMembers(node: object): object {
  const copy = { ...node } as Record<string, unknown>;
  for (const key in copy) {
    const value = copy[key];
    // Asked only for nested objects, as it costs; somebody may have added to Object.prototype.
    if (typeof value === 'object' && value !== null && Object.hasOwn(copy, key)) copy[key] = cloneTree(value);
  }
  return copy;
}

function cloneElements(node: unknown[]): unknown[] {
  const copy = node.slice();
  for (let index = 0; index < copy.length; index++) {
    const value = copy[index];
    if (typeof value === 'object' && value !== null) copy[index] = cloneTree(value);
  }
  return copy;
}

/** A slice of numbers stays an array of numbers, which takes a third of the memory; but a class decides what its slices are. */
function elementsOf(dense: unknown[]): unknown[] {
  const isPlain = Object.getPrototypeOf(dense) === Array.prototype && !Object.hasOwn(dense, 'constructor');
  return isPlain ? dense.slice() : Object.values(dense);
}

function cloneBuiltin(node: object): object {
  const kind = kindOf(node);
  if (kind.shape === 'map') return new Map(pairsOf(node).map(([key, value]) => [treeOrSame(key), treeOrSame(value)]));
  if (kind.shape === 'set') return new Set(itemsOf(node).map(treeOrSame));
  return cloneLeaf(node, kind);
}

function treeOrSame(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? cloneTree(value) : value;
}

/** Copies an object without children. */
function cloneLeaf(value: object, { shape, name }: Kind): object {
  switch (shape) {
    case 'date':
      return new Date(timeOf(value));
    case 'regexp':
      return new RegExp(...patternOf(value));
    case 'bytes':
      return bytesAs(name, bytesOf(value));
    case 'url':
      return new URL(addressOf(value, shape));
    default:
      return new URLSearchParams(addressOf(value, 'params'));
  }
}

/** Copies anything that can be kept, checks it on the way, and remembers what would make a faster way wrong. */
class Cloner {
  /** Whether {@link cloneTree} copies the result faithfully. */
  isTree = true;
  /** Whether freezing its properties keeps the result from changing. */
  freezable = true;
  readonly #registry: Registry;
  readonly #copies = new Map<object, object | undefined>();
  readonly #steps: Step[] = [];
  #depth = 0;

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  clone(value: unknown): unknown {
    try {
      return this.#copy(value);
    } catch (error) {
      throw unstorable(error, this.#path());
    }
  }

  #path(): string {
    return pathText('result', this.#steps.slice(0, this.#depth));
  }

  #refuse({ kind, what }: { readonly kind: UnstorableError['kind']; readonly what: string }): never {
    throw new UnstorableError(kind, { path: this.#path(), what });
  }

  #copy(value: unknown): unknown {
    if (typeof value === 'object' && value !== null) return this.#object(value);
    if (typeof value === 'function' || typeof value === 'symbol') this.#refuse(opaque(value));
    return value;
  }

  /** Copies what `step` leads to. */
  #into(step: Step, value: unknown): unknown {
    if (isStatic(value)) return value;
    if (this.#depth === maxDepth) throw new RangeError(`deeper than ${maxDepth}`);
    this.#steps[this.#depth++] = step;
    const copy = this.#copy(value);
    this.#depth--;
    return copy;
  }

  #object(value: object): object {
    if (this.#copies.has(value)) return this.#again(value);
    const kind = kindOf(value);
    if (kind.shape === 'plain') return this.#members(value, { ...value });
    if (kind.shape === 'array') return this.#array(value as unknown[]);
    return kind.shape === 'other' || kind.shape === 'bare' ? this.#instance(value, kind) : this.#builtin(value, kind);
  }

  #again(value: object): object {
    this.isTree = false;
    const copy = this.#copies.get(value);
    return copy ?? this.#refuse({ kind: 'codec', what: 'an instance whose plain form contains itself' });
  }

  #met<T extends object>(value: object, copy: T): T {
    this.#copies.set(value, copy);
    return copy;
  }

  /** `copy` has the properties of `source` already, `__proto__` too, so that no assignment meets a setter. */
  #members<T extends object>(source: object, copy: T): T {
    const symbol = symbolic(source);
    if (symbol !== undefined) this.#refuse(symbol);
    this.#copies.set(source, copy);
    const into = copy as Record<string, unknown>;
    for (const key of Object.keys(copy)) {
      const value = into[key];
      if (!isStatic(value)) into[key] = this.#into(key, value);
    }
    return copy;
  }

  #array(source: unknown[]): object {
    const symbol = symbolic(source);
    if (symbol !== undefined) this.#refuse(symbol);
    return isDense(source) ? this.#elements(source) : this.#oddArray(source);
  }

  #elements(source: unknown[]): unknown[] {
    const copy = this.#met<unknown[]>(source, elementsOf(source));
    for (let index = 0; index < copy.length; index++) {
      const value = copy[index];
      if (!isStatic(value)) copy[index] = this.#into(index, value);
    }
    return copy;
  }

  #oddArray(source: unknown[]): unknown[] {
    this.isTree = false;
    const copy = this.#met(source, holes(source.length));
    const { indices, names } = arrayKeys(source);
    for (const index of indices) copy[Number(index)] = this.#into(Number(index), source[Number(index)]);
    return this.#carry(source, names, copy);
  }

  #carry<T extends object>(source: object, names: readonly string[], copy: T): T {
    for (const name of names) define(copy, name, this.#into(name, Reflect.get(source, name)));
    return copy;
  }

  #instance(value: object, kind: Kind): object {
    this.isTree = false;
    const revived = this.#registry.byPrototype.get(Object.getPrototypeOf(value) as object);
    if (revived !== undefined) return this.#revivable(value, revived);
    if (kind.shape === 'bare') return this.#members(value, withPrototype(value, null));
    return this.#refuse(opaque(value));
  }

  #revivable(value: object, revived: Revived): object {
    const { base, prototype, by } = revived;
    if (by !== undefined) return this.#byPlain(value, revived, by);
    if (base.shape === 'plain') return this.#members(value, withPrototype(value, prototype));
    const copy = base.shape === 'array' ? this.#array(value as unknown[]) : this.#builtin(value, base);
    return Object.setPrototypeOf(copy, prototype) as object;
  }

  #byPlain(value: object, revived: Revived, by: NonNullable<Revived['by']>): object {
    this.freezable = false;
    this.#copies.set(value, undefined);
    return this.#met(value, fromPlainForm(revived, this.#copy(by.toPlain(value))));
  }

  #builtin(value: object, kind: Kind): object {
    const copy = this.#content(value, kind);
    const names = mayCarry(kind.shape) ? Object.keys(value) : [];
    if (names.length > 0) this.isTree = false;
    return this.#carry(value, names, copy);
  }

  #content(value: object, kind: Kind): object {
    if (kind.shape === 'error') return this.#error(value, kind.name);
    this.freezable = false;
    if (kind.shape === 'map') return this.#map(value);
    if (kind.shape === 'set') return this.#set(value);
    return this.#met(value, cloneLeaf(value, kind));
  }

  #map(source: object): object {
    const copy = this.#met(source, new Map<unknown, unknown>());
    pairsOf(source).forEach(([key, value], index) => copy.set(this.#into(index, key), this.#into(index, value)));
    return copy;
  }

  #set(source: object): object {
    const copy = this.#met(source, new Set<unknown>());
    itemsOf(source).forEach((item, index) => copy.add(this.#into(index, item)));
    return copy;
  }

  #error(source: object, name: string): object {
    this.isTree = false;
    const copy = this.#met(source, blankError(name));
    for (const [key, value] of hiddenOf(source)) hide(copy, key, this.#into(key, value));
    return copy;
  }
}

/** Whether the value can be kept and is its own copy. */
function isStatic(value: unknown): boolean {
  const type = typeof value;
  return type === 'object' ? value === null : type !== 'function' && type !== 'symbol';
}

/** The own properties of `source` on another prototype. A spread defines them, where assigning would run setters. */
function withPrototype(source: object, prototype: object | null): object {
  return Object.setPrototypeOf({ ...source }, prototype) as object;
}

/** Freezes a master in which only properties can change. */
function deepFreeze(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  const hidden = kindOf(value).shape === 'error' || value instanceof Error ? hiddenOf(value) : [];
  for (const [, inner] of hidden) deepFreeze(inner);
  for (const inner of Object.values(value)) deepFreeze(inner);
  return value;
}

/** Looks for what is used up by reading, in plain containers only: an instance may hold half of the process. */
function shared(value: unknown): Snapshot {
  const seen = new Set<unknown>();
  const look = (at: unknown, steps: Step[]): void => {
    if (typeof at !== 'object' || at === null || seen.has(at)) return;
    seen.add(at);
    const { shape } = kindOf(at);
    const used = shape === 'other' ? opaque(at) : symbolic(at);
    if (used?.kind === 'stream' || used?.kind === 'promise') {
      throw new UnstorableError(used.kind, { path: pathText('result', steps), what: used.what });
    }
    if (shape !== 'plain' && shape !== 'bare' && shape !== 'array') return;
    for (const [key, inner] of Object.entries(at)) look(inner, [...steps, shape === 'array' ? Number(key) : key]);
  };
  try {
    look(value, []);
  } catch (error) {
    throw unstorable(error, 'result');
  }
  return new Taken(value, same);
}

const objectBytes = 56;
const slotBytes = 8;

/**
 * About how many bytes of memory a value takes, for limits on size. Within a factor of two for ordinary data; what an
 * instance keeps in private fields or closures is not seen. Objects met twice count once.
 */
export function approximateBytes(value: unknown): number {
  const seen = new Set<object>();
  const waiting: unknown[] = [value];
  let bytes = 0;
  while (waiting.length > 0) {
    const next = waiting.pop();
    if (typeof next !== 'object' || next === null) bytes += primitiveBytes(next);
    else if (!seen.has(next)) {
      seen.add(next);
      bytes += objectBytes + ownBytes(next, waiting);
    }
  }
  return bytes;
}

function primitiveBytes(value: unknown): number {
  if (typeof value === 'string') return slotBytes + 16 + value.length * (isWide(value) ? 2 : 1);
  if (typeof value === 'bigint') return slotBytes + 16 + value.toString(16).length / 2;
  return slotBytes;
}

/** V8 takes two bytes per character as soon as one character needs them; three places tell nearly always. */
function isWide(text: string): boolean {
  const last = text.length - 1;
  return text.charCodeAt(0) > 0xff || text.charCodeAt(last >> 1) > 0xff || text.charCodeAt(last) > 0xff;
}

/** What the object takes beside itself; its children go to `waiting`. */
function ownBytes(value: object, waiting: unknown[]): number {
  const { shape } = kindOf(value);
  if (shape === 'bytes') return bytesOf(value).byteLength;
  if (shape === 'url' || shape === 'params') return 2 * addressOf(value, shape).length;
  if (shape === 'map') for (const pair of pairsOf(value)) waiting.push(...pair);
  if (shape === 'set') for (const item of itemsOf(value)) waiting.push(item);
  if (shape === 'error') for (const [, inner] of hiddenOf(value)) waiting.push(inner);
  for (const inner of Object.values(value)) waiting.push(inner);
  return 0;
}
