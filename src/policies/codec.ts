/**
 * How a value becomes text and comes back exactly, whoever may have written the text.
 *
 * JSON trees are written as plain JSON. Anything else is `~` and JSON in which a string that starts with `~` has a meaning:
 * `~u` undefined, `~N` NaN, `~I` `~J` the infinities, `~0` minus zero, `~n…` a bigint (hexadecimal, as decimal ones take
 * quadratic time to read), `~d…` a Date, `~r…` the object with that number, `~~…` a string that itself starts with `~`. An
 * array whose first element starts with `~:` is an object of that kind. Objects are numbered in the order in which writer
 * and reader alike come across them.
 */

import { endianness } from 'node:os';
import {
  type Kind,
  type Opaque,
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
  kindNamed,
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

export type { Class, Revivable, RevivableClass } from './revive.js';

/** Writes values as text. `decode(encode(value))` is the value again; text that is not its own makes `decode` throw. */
export interface Codec {
  /** Names the format; part of what is stored, so that a text is never read by a codec that did not write it. */
  readonly id: string;
  /** Throws if what would come back would be something else. The text must be valid Unicode. */
  encode(value: unknown): string;
  /** Throws if it did not write the text. The text comes from a store: it is not to be trusted. */
  decode(text: string): unknown;
}

/** A value that cannot be kept, because what would come back would be something else. */
export class UnstorableError extends Error {
  /** `codec`: too deep, too large, or it throws when it is read. */
  readonly kind: Opaque | 'codec';
  /** Where it is, for example `result.items[0].owner`. */
  readonly path: string;
  /** For example `an instance of Owner`. */
  readonly what: string;

  constructor(kind: Opaque | 'codec', at: { path: string; what: string }, options?: ErrorOptions) {
    super(`${at.path} is ${at.what}, which cannot be stored`, options);
    this.kind = kind;
    this.path = at.path;
    this.what = at.what;
  }
}
UnstorableError.prototype.name = 'UnstorableError';

/** The {@link UnstorableError} for whatever was thrown while the value at `path` was read. */
export function unstorable(error: unknown, path: string): UnstorableError {
  if (error instanceof UnstorableError) return error;
  const deep = error instanceof RangeError;
  const what = deep ? 'nested too deeply or too large' : `something that throws when it is read (${String(error)})`;
  return new UnstorableError('codec', { path, what }, { cause: error });
}

/** The default codec. Instances of the classes in `revive` come back as instances; those of other classes are refused. */
export function valueCodec(revive: readonly Revivable[]): Codec {
  const registry = registryOf(revive);
  return {
    // The bytes of a Float64Array are the machine's.
    id: endianness() === 'LE' ? 'json1' : 'json1be',
    encode: (value) => new Writer(registry).text(value),
    decode: (text) => decode(text, registry),
  };
}

const tilde = 0x7e;
const colon = 0x3a;

/** Gives each value what JSON is to write in its place: itself wherever possible, so that plain trees are never copied. */
class Writer {
  readonly #registry: Registry;
  readonly #steps: Step[] = [];
  /** The numbers of the objects met. Made with the second object, as most values have few. */
  #numbers: Map<object, number> | undefined;
  #first: object | undefined;
  #depth = 0;
  /** Instances whose `fromPlain` will not have been called yet when this place is read. */
  #open: Set<object> | undefined;

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  text(value: unknown): string {
    try {
      const written = this.#write(value);
      const json = JSON.stringify(written);
      return written === value ? json : `~${json}`;
    } catch (error) {
      throw unstorable(error, this.#path());
    }
  }

  #path(): string {
    return pathText('result', this.#steps.slice(0, this.#depth));
  }

  #write(value: unknown): unknown {
    switch (typeof value) {
      case 'string':
        return value.charCodeAt(0) === tilde ? `~${value}` : value;
      case 'number':
        return writtenNumber(value);
      case 'boolean':
        return value;
      case 'undefined':
        return '~u';
      case 'bigint':
        return `~n${value.toString(16)}`;
      case 'object':
        return value === null ? null : this.#object(value);
      default:
        return this.#refuse(opaque(value));
    }
  }

  #refuse({ kind, what }: { readonly kind: UnstorableError['kind']; readonly what: string }): never {
    throw new UnstorableError(kind, { path: this.#path(), what });
  }

  /** Writes what `step` leads to. */
  #into(step: Step, value: unknown): unknown {
    if (this.#depth === maxDepth) throw new RangeError(`deeper than ${maxDepth}`);
    this.#steps[this.#depth++] = step;
    const written = this.#write(value);
    this.#depth--;
    return written;
  }

  #object(value: object): unknown {
    const number = this.#meet(value);
    if (number !== undefined) return this.#reference(value, number);
    const kind = kindOf(value);
    if (kind.shape === 'plain') return this.#members(value);
    if (kind.shape === 'array') return this.#array(value as unknown[]);
    return kind.shape === 'other' || kind.shape === 'bare' ? this.#instance(value, kind) : this.#builtin(value, kind);
  }

  /** The number that the object has already, or undefined at the first time. */
  #meet(value: object): number | undefined {
    if (this.#first === undefined) {
      this.#first = value;
      return undefined;
    }
    this.#numbers ??= new Map([[this.#first, 0]]);
    const number = this.#numbers.get(value);
    if (number === undefined) this.#numbers.set(value, this.#numbers.size);
    return number;
  }

  #reference(value: object, number: number): string {
    if (this.#open?.has(value) === true)
      this.#refuse({ kind: 'codec', what: 'an instance whose plain form contains itself' });
    return `~r${number}`;
  }

  /** The object itself, or a copy where something in it is written differently. */
  #members(source: object): object {
    const symbol = symbolic(source);
    if (symbol !== undefined) this.#refuse(symbol);
    const from = source as Record<string, unknown>;
    let copy: Record<string, unknown> | undefined;
    for (const key of Object.keys(source)) {
      const value = from[key];
      const written = isPlainScalar(value) ? value : this.#into(key, value);
      // A spread copies an own `__proto__` as what it is, and then the assignment finds an own property.
      if (written !== value) (copy ??= { ...from })[key] = written;
    }
    return copy ?? source;
  }

  #array(source: unknown[]): unknown[] {
    const symbol = symbolic(source);
    if (symbol !== undefined) this.#refuse(symbol);
    return isDense(source) ? this.#elements(source) : this.#oddArray(source);
  }

  #elements(source: unknown[]): unknown[] {
    let copy: unknown[] | undefined;
    for (let index = 0; index < source.length; index++) {
      const value = source[index];
      const written = isPlainScalar(value) ? value : this.#into(index, value);
      if (written !== value) (copy ??= Object.values(source))[index] = written;
    }
    return copy ?? source;
  }

  #oddArray(source: unknown[]): unknown[] {
    const { indices, names } = arrayKeys(source);
    const elements = indices.flatMap((index) => [Number(index), this.#into(Number(index), source[Number(index)])]);
    return this.#carrying(source, names, ['~:holes', source.length, ...elements]) as unknown[];
  }

  #carrying(source: object, names: string[], written: unknown[] | string): unknown[] | string {
    return names.length === 0
      ? written
      : ['~:with', written, this.#named(names.map((name) => [name, Reflect.get(source, name)]))];
  }

  #named(properties: [name: string, value: unknown][]): object {
    const written: object = {};
    for (const [name, value] of properties) define(written, name, this.#into(name, value));
    return written;
  }

  #instance(value: object, kind: Kind): unknown {
    const revived = this.#registry.byPrototype.get(Object.getPrototypeOf(value) as object);
    if (revived !== undefined) return this.#revivable(value, revived);
    if (kind.shape === 'bare') return ['~:bare', this.#copied(value)];
    return this.#refuse(opaque(value));
  }

  #revivable(value: object, { name, base, by }: Revived): unknown {
    if (by !== undefined) return ['~:from', name, this.#plainForm(value, by)];
    if (base.shape === 'plain') return ['~:class', name, this.#copied(value)];
    if (base.shape !== 'array') return ['~:class', name, this.#builtin(value, base)];
    const elements = this.#array(value as unknown[]);
    return ['~:class', name, elements === value ? Object.values(elements) : elements];
  }

  #plainForm(value: object, by: NonNullable<Revived['by']>): unknown {
    (this.#open ??= new Set()).add(value);
    const written = this.#write(by.toPlain(value));
    this.#open.delete(value);
    return written;
  }

  /** Copied in any case, as JSON would call a `toJSON` of the prototype. */
  #copied(value: object): object {
    const written = this.#members(value);
    return written === value ? { ...value } : written;
  }

  #builtin(value: object, kind: Kind): unknown {
    const written = this.#content(value, kind);
    return this.#carrying(value, mayCarry(kind.shape) ? Object.keys(value) : [], written);
  }

  #content(value: object, { shape, name }: Kind): unknown[] | string {
    switch (shape) {
      case 'date':
        return `~d${timeOf(value)}`;
      case 'regexp':
        return ['~:RegExp', ...patternOf(value)];
      case 'map':
        return ['~:Map', ...this.#pairs(value)];
      case 'set':
        return ['~:Set', ...itemsOf(value).map((item, index) => this.#into(index, item))];
      case 'error':
        return [`~:${name}`, this.#named(hiddenOf(value))];
      case 'bytes':
        return [`~:${name}`, Buffer.from(bytesOf(value)).toString('base64')];
      default:
        return [`~:${name}`, addressOf(value, shape as 'url' | 'params')];
    }
  }

  #pairs(map: object): unknown[] {
    return pairsOf(map).flatMap(([key, value], index) => [this.#into(index, key), this.#into(index, value)]);
  }
}

/** What needs no writing; spares a call for the most frequent properties. */
function isPlainScalar(value: unknown): boolean {
  if (typeof value === 'string') return value.charCodeAt(0) !== tilde;
  if (typeof value === 'number') return isPlainNumber(value);
  return typeof value === 'boolean' || value === null;
}

/** Finite, and not minus zero. */
function isPlainNumber(value: number): boolean {
  return value - value === 0 && (value !== 0 || 1 / value > 0);
}

function writtenNumber(value: number): number | string {
  if (isPlainNumber(value)) return value;
  if (value === 0) return '~0';
  if (Number.isNaN(value)) return '~N';
  return value > 0 ? '~I' : '~J';
}

function decode(text: string, registry: Registry): unknown {
  if (text.charCodeAt(0) !== tilde) return JSON.parse(text) as unknown;
  try {
    return new Reader(registry).read(JSON.parse(text.slice(1)));
  } catch (error) {
    throw error instanceof Error ? error : new Error('a class could not be revived', { cause: error });
  }
}

/** Stands for an object that is numbered but not made yet. */
const pending: object = {};

/** Turns what JSON has read into the value, in place. The text may be hostile: nothing in it is called, set or trusted. */
class Reader {
  readonly #registry: Registry;
  readonly #objects: object[] = [];

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  read(node: unknown): unknown {
    if (typeof node === 'string') return node.charCodeAt(0) === tilde ? this.#marked(node) : node;
    if (typeof node !== 'object' || node === null) return node;
    return Array.isArray(node) ? this.#array(node) : this.#members(this.#met(node));
  }

  #met<T extends object>(value: T): T {
    this.#objects.push(value);
    return value;
  }

  #marked(node: string): unknown {
    switch (node[1]) {
      case '~':
        return node.slice(1);
      case 'd':
        return this.#met(new Date(Number(node.slice(2))));
      case 'n':
        return readBigint(node.slice(2));
      case 'r':
        return this.#known(node.slice(2));
      default:
        return readScalar(node);
    }
  }

  #known(number: string): object {
    const found = this.#objects[Number(number)];
    if (found === undefined || found === pending) throw new Error(`there is no object ${number.slice(0, 20)} yet`);
    return found;
  }

  /** Assigning is safe here: each key is an own property already, `__proto__` too. */
  #members<T extends object>(node: T): T {
    const into = node as Record<string, unknown>;
    for (const key of Object.keys(node)) {
      const value = into[key];
      const read = this.read(value);
      if (read !== value) into[key] = read;
    }
    return node;
  }

  #array(node: unknown[]): object {
    const tag = node[0];
    if (typeof tag !== 'string' || tag.charCodeAt(0) !== tilde || tag.charCodeAt(1) !== colon) {
      return this.#elements(this.#met(node));
    }
    return this.#tagged(tag.slice(2), node);
  }

  #elements(node: unknown[]): unknown[] {
    for (let index = 0; index < node.length; index++) {
      const value = node[index];
      const read = this.read(value);
      if (read !== value) node[index] = read;
    }
    return node;
  }

  #tagged(tag: string, node: unknown[]): object {
    switch (tag) {
      case 'bare':
        return Object.setPrototypeOf(this.#members(this.#met(recordIn(node[1]))), null) as object;
      case 'holes':
        return this.#holes(node);
      case 'with':
        return this.#with(this.read(node[1]), recordIn(node[2]));
      case 'class':
        return this.#class(this.#revived(node[1], true), node[2]);
      case 'from':
        return this.#from(this.#revived(node[1], false), node[2]);
      default:
        return this.#builtin(kindNamed(tag), node);
    }
  }

  #holes(node: unknown[]): object {
    const made = this.#met(holes(lengthIn(node[1])));
    for (let at = 2; at < node.length; at += 2) made[indexIn(node[at], made.length)] = this.read(node[at + 1]);
    return made;
  }

  #with(target: unknown, properties: object): object {
    if (typeof target !== 'object' || target === null || kindOf(target).shape === 'other') {
      throw new Error('nothing there to carry properties');
    }
    for (const [name, value] of Object.entries(properties)) define(target, name, this.read(value));
    return target;
  }

  #revived(name: unknown, isByProperties: boolean): Revived {
    const revived = this.#registry.byName.get(name as string);
    if (revived === undefined) throw new Error(`no class ${String(name).slice(0, 100)} to revive`);
    if ((revived.by === undefined) !== isByProperties) throw new Error(`${revived.name} is stored in another way`);
    return revived;
  }

  #class({ name, base, prototype }: Revived, node: unknown): object {
    const content = this.read(node);
    const kind = typeof content === 'object' && content !== null ? kindOf(content) : undefined;
    if (kind?.name !== base.name) throw new Error(`${name} is stored as something else`);
    return Object.setPrototypeOf(content, prototype) as object;
  }

  #from(revived: Revived, node: unknown): object {
    const number = this.#objects.push(pending) - 1;
    return (this.#objects[number] = fromPlainForm(revived, this.read(node)));
  }

  #builtin(kind: Kind | undefined, node: unknown[]): object {
    switch (kind?.shape) {
      case 'map':
        return this.#map(node);
      case 'set':
        return this.#set(node);
      case 'error':
        return this.#error(kind.name, recordIn(node[1]));
      case 'regexp':
        return this.#met(new RegExp(textIn(node[1]), textIn(node[2])));
      case 'bytes':
        return this.#met(bytesAs(kind.name, Buffer.from(textIn(node[1]), 'base64')));
      case 'url':
        return this.#met(new URL(textIn(node[1])));
      case 'params':
        return this.#met(new URLSearchParams(textIn(node[1])));
      default:
        throw new Error('the text names a kind that does not exist');
    }
  }

  #map(node: unknown[]): object {
    const made = this.#met(new Map<unknown, unknown>());
    for (let at = 1; at < node.length; at += 2) made.set(this.read(node[at]), this.read(node[at + 1]));
    return made;
  }

  #set(node: unknown[]): object {
    const made = this.#met(new Set<unknown>());
    for (let at = 1; at < node.length; at++) made.add(this.read(node[at]));
    return made;
  }

  #error(name: string, hidden: object): object {
    const made = this.#met(blankError(name));
    for (const [key, value] of Object.entries(hidden)) hide(made, key, this.read(value));
    return made;
  }
}

function readScalar(node: string): unknown {
  switch (node) {
    case '~u':
      return undefined;
    case '~0':
      return -0;
    case '~N':
      return NaN;
    case '~I':
      return Infinity;
    case '~J':
      return -Infinity;
    default:
      throw new Error(`${node.slice(0, 20)} means nothing`);
  }
}

function readBigint(digits: string): bigint {
  return digits.startsWith('-') ? -BigInt(`0x${digits.slice(1)}`) : BigInt(`0x${digits}`);
}

function recordIn(node: unknown): object {
  if (typeof node === 'object' && node !== null && !Array.isArray(node)) return node;
  throw new Error('an object is missing in the text');
}

function textIn(node: unknown): string {
  if (typeof node === 'string') return node;
  throw new Error('a string is missing in the text');
}

function lengthIn(node: unknown): number {
  if (typeof node === 'number' && node >>> 0 === node) return node;
  throw new Error('a length is missing in the text');
}

function indexIn(node: unknown, length: number): number {
  const index = lengthIn(node);
  if (index < length) return index;
  throw new Error('an index is beyond the array');
}
