/**
 * Which kinds of value there are, how to recognise each (whatever realm or prototype trick it comes from), and how to take
 * apart and rebuild what is opaque. The codec, the copies and the keys all go by this one table.
 */

import { types } from 'node:util';

/** What a value is made of. `other`: everything that the cache cannot take apart. */
export type Shape =
  'plain' | 'bare' | 'array' | 'date' | 'regexp' | 'map' | 'set' | 'error' | 'bytes' | 'url' | 'params' | 'other';

/** One kind of object: its shape and the name of its class, which is what codec and keys write. */
export interface Kind {
  readonly shape: Shape;
  readonly name: string;
}

interface Builtin extends Kind {
  readonly prototype: object;
  /** How many prototypes an instance has; a subclass has more. */
  readonly depth: number;
  /** Whether the object really has what the built-in methods need; a prototype alone can be faked. */
  readonly genuine: (value: object) => boolean;
}

/** Nothing is nested deeper than this, so that whether a value can be kept does not depend on the stack of the moment. */
export const maxDepth = 500;

const plain: Kind = { shape: 'plain', name: 'Object' };
const bare: Kind = { shape: 'bare', name: 'bare' };
const array: Kind = { shape: 'array', name: 'Array' };
const other: Kind = { shape: 'other', name: 'other' };

interface Constructor {
  readonly name: string;
  readonly prototype: object;
}

const builtins: readonly Builtin[] = [
  builtin('date', Date, types.isDate),
  builtin('regexp', RegExp, types.isRegExp),
  builtin('map', Map, types.isMap),
  builtin('set', Set, types.isSet),
  ...[Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, AggregateError].map((error) =>
    builtin('error', error, types.isNativeError),
  ),
  ...typedArrays().map((view) => builtin('bytes', view, (value) => tagOf(value) === view.name && ownsItsBytes(value))),
  builtin('bytes', Buffer, (value) => types.isUint8Array(value) && ownsItsBytes(value)),
  builtin('bytes', DataView, (value) => types.isDataView(value) && ownsItsBytes(value)),
  builtin('bytes', ArrayBuffer, isFixed),
  builtin('url', URL, (value) => answers(() => (value as URL).href)),
  builtin('params', URLSearchParams, (value) => answers(() => (value as URLSearchParams).toString())),
];

const byPrototype = new Map<object, Builtin>(builtins.map((kind) => [kind.prototype, kind]));
const byName = new Map<string, Builtin>(builtins.map((kind) => [kind.name, kind]));

function builtin(shape: Shape, { name, prototype }: Constructor, genuine: Builtin['genuine']): Builtin {
  return { shape, name, prototype, depth: depthOf(prototype), genuine };
}

/** Float16Array exists from Node 24 on. */
function typedArrays(): Constructor[] {
  const bits = ['Int8', 'Uint8', 'Uint8Clamped', 'Int16', 'Uint16', 'Int32', 'Uint32', 'Float16', 'Float32', 'Float64'];
  const found = [...bits, 'BigInt64', 'BigUint64'].map((bit) => Reflect.get(globalThis, `${bit}Array`) as unknown);
  return found.filter((view) => view !== undefined) as Constructor[];
}

function depthOf(prototype: object): number {
  let depth = 0;
  for (let at: object | null = prototype; at !== null; at = Object.getPrototypeOf(at) as object | null) depth++;
  return depth;
}

function tagOf(value: object): unknown {
  return types.isTypedArray(value) ? value[Symbol.toStringTag] : undefined;
}

/** Memory that is shared between threads, or can be resized, is more than its bytes. */
function ownsItsBytes(value: object): boolean {
  return isFixed((value as ArrayBufferView).buffer);
}

function isFixed(value: object): boolean {
  return types.isArrayBuffer(value) && (value as { resizable?: boolean }).resizable !== true;
}

function answers(question: () => unknown): boolean {
  try {
    return typeof question() === 'string';
  } catch {
    return false;
  }
}

/** The kind of an object. Instances of subclasses, and objects that only pretend, are `other`. */
export function kindOf(value: object): Kind {
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype === Object.prototype) return plain;
  if (prototype === Array.prototype) return Array.isArray(value) ? array : other;
  if (prototype === null) return bare;
  const known = byPrototype.get(prototype);
  if (known !== undefined) return known.genuine(value) ? known : other;
  return kindFromElsewhere(value, prototype);
}

/** Another realm (a `vm` context, jest's environment, `structuredClone` there) has prototypes of its own. */
function kindFromElsewhere(value: object, prototype: object): Kind {
  const name = classNameOf(prototype);
  const depth = depthOf(prototype);
  if (name === 'Object' && depth === 1 && Object.hasOwn(prototype, '__lookupGetter__')) return plain;
  if (name === 'Array' && depth === 2 && Array.isArray(value)) return array;
  const like = byName.get(name);
  return like !== undefined && like.depth === depth && like.genuine(value) ? like : other;
}

/** The kind that a class inherits from, by its prototype; `plain` where that is `Object`. */
export function baseKind(prototype: object): Kind {
  for (let at: object | null = prototype; at !== null; at = Object.getPrototypeOf(at) as object | null) {
    const known = at === Array.prototype ? array : byPrototype.get(at);
    if (known !== undefined) return known;
  }
  return plain;
}

/** The built-in kind of that name, among those that are written by name. */
export function kindNamed(name: string): Kind | undefined {
  return byName.get(name);
}

/** Whether an array has exactly the elements that its length says: no hole, no further property. Costs 15 ns per element. */
export function isDense(value: readonly unknown[]): boolean {
  const keys = Object.keys(value);
  // Indices come first and in order, so the last key being the last index means that all of them are there.
  return keys.length === value.length && (keys.length === 0 || keys[keys.length - 1] === String(keys.length - 1));
}

/** The own enumerable keys of an array, as indices and names. Does not run over holes: an array can have 2^32 of them. */
export function arrayKeys(value: readonly unknown[]): { readonly indices: string[]; readonly names: string[] } {
  const keys = Object.keys(value);
  const isIndex = (key: string) => String(Number(key) >>> 0) === key && key !== '4294967295';
  const split = keys.findIndex((key) => !isIndex(key));
  return split < 0 ? { indices: keys, names: [] } : { indices: keys.slice(0, split), names: keys.slice(split) };
}

/** An array of holes. Beyond a few it is a hash table inside, as otherwise a few bytes of text would cost gigabytes. */
export function holes(length: number): unknown[] {
  const made: unknown[] = [];
  if (length > 64) made.length = 2 ** 32 - 1;
  made.length = length;
  return made;
}

/** Whether a built-in of this shape may carry properties of its own; those of a view are its elements. */
export function mayCarry(shape: Shape): boolean {
  return shape !== 'bytes';
}

/** Gives an object an ordinary property, whatever its prototype thinks of that name. */
export function define(target: object, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
}

// What an instance of a subclass contains is asked of the built-in class, as the subclass may have methods of its own.

/** The pairs of a Map. */
export function pairsOf(map: object): [key: unknown, value: unknown][] {
  return [...Map.prototype.entries.call(map)];
}

/** The items of a Set. */
export function itemsOf(set: object): unknown[] {
  return [...Set.prototype.values.call(set)];
}

/** The milliseconds of a Date, NaN if it is invalid. */
export function timeOf(date: object): number {
  return Date.prototype.getTime.call(date);
}

/** Source and flags of a RegExp. */
export function patternOf(regexp: object): [source: string, flags: string] {
  const ask = (name: string) => Reflect.get(RegExp.prototype, name, regexp) as string;
  return [ask('source'), ask('flags')];
}

/** The text of a URL or of URLSearchParams. */
export function addressOf(value: object, shape: 'url' | 'params'): string {
  return (shape === 'url' ? URL : URLSearchParams).prototype.toString.call(value);
}

/** The bytes of a view or buffer, not copied. */
export function bytesOf(value: object): Uint8Array {
  if (!ArrayBuffer.isView(value)) return new Uint8Array(value as ArrayBuffer);
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}

/** A view or buffer of the kind of that name over a copy of the bytes. Throws if they are not a whole number of elements. */
export function bytesAs(name: string, bytes: Uint8Array): object {
  const { buffer } = new Uint8Array(bytes);
  if (name === 'ArrayBuffer') return buffer;
  if (name === 'Buffer') return Buffer.from(buffer);
  const View = Reflect.get(globalThis, name) as new (buffer: ArrayBuffer) => object;
  return new View(buffer);
}

const hiddenInErrors = ['message', 'stack', 'cause', 'errors'] as const;

/** What an error has beside its enumerable properties. */
export function hiddenOf(error: object): [name: string, value: unknown][] {
  const own = hiddenInErrors.filter((name) => Object.hasOwn(error, name));
  const hidden = own.filter((name) => !Object.prototype.propertyIsEnumerable.call(error, name));
  return hidden.map((name) => [name, Reflect.get(error, name)]);
}

/** An error of the kind of that name, without message, stack or anything else of its own. */
export function blankError(name: string): Error {
  const made = new (Reflect.get(globalThis, name) as new (errors: []) => Error)([]);
  for (const own of hiddenInErrors) Reflect.deleteProperty(made, own);
  return made;
}

/** Gives an error one of the properties that {@link hiddenOf} tells; other names are refused. */
export function hide(error: Error, name: string, value: unknown): void {
  if (!(hiddenInErrors as readonly string[]).includes(name)) throw new TypeError(`an error does not hide ${name}`);
  Object.defineProperty(error, name, { value, writable: true, enumerable: false, configurable: true });
}

/** Why something of the shape `other`, or no object at all, has no content that could be kept. */
export type Opaque = 'instance' | 'stream' | 'function' | 'symbol' | 'promise';

/** Which of these it is, and how to call it in a message. */
export function opaque(value: unknown): { readonly kind: Opaque; readonly what: string } {
  if (typeof value === 'function') return { kind: 'function', what: 'a function' };
  if (typeof value === 'symbol') return { kind: 'symbol', what: 'a symbol' };
  const object = value as object;
  if (types.isPromise(object) || isMethod(object, 'then')) return { kind: 'promise', what: 'a promise' };
  if (isStream(object)) return { kind: 'stream', what: 'a stream or iterator' };
  return { kind: 'instance', what: `an instance of ${className(object)}` };
}

/** Enumerable properties under a symbol have no text; a hand-written iterator is the usual case. Undefined: there is none. */
export function symbolic(value: object): { readonly kind: Opaque; readonly what: string } | undefined {
  const symbols = Object.getOwnPropertySymbols(value);
  if (symbols.length === 0) return undefined;
  const found = symbols.find((symbol) => Object.prototype.propertyIsEnumerable.call(value, symbol));
  if (found === undefined) return undefined;
  if (isStream(value)) return { kind: 'stream', what: 'a stream or iterator' };
  return { kind: 'symbol', what: `an object with the property ${String(found)}` };
}

/** Whether reading it once uses it up. */
function isStream(value: object): boolean {
  if (Symbol.asyncIterator in value || 'bodyUsed' in value) return true;
  if (Symbol.iterator in value && isMethod(value, 'next')) return true;
  return isMethod(value, 'pipe') || isMethod(value, 'getReader');
}

function isMethod(value: object, name: string): boolean {
  return typeof Reflect.get(value, name) === 'function';
}

/** The name of an object's class, for people. */
export function className(value: object): string {
  const prototype = Object.getPrototypeOf(value) as object | null;
  return (prototype && classNameOf(prototype)) || 'a class without a name';
}

function classNameOf(prototype: object): string {
  const made = Reflect.get(prototype, 'constructor') as unknown;
  const name = typeof made === 'function' ? (made.name as unknown) : undefined;
  return typeof name === 'string' ? name : '';
}

/** One step into a value: a property, or a position. */
export type Step = string | number;

/** A place in a value as one writes it in code: `result.items[0].owner`. */
export function pathText(root: string, steps: readonly Step[]): string {
  const shown = steps.slice(0, 20).map(stepText).join('');
  return steps.length > 20 ? `${root}${shown}…` : root + shown;
}

function stepText(step: Step): string {
  if (typeof step === 'number') return `[${step}]`;
  return /^[A-Za-z_$][\w$]*$/.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`;
}
