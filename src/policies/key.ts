/** How the arguments of a call become a key: the same for equal arguments, never the same for different ones, and legal for every server. */

import { crypto } from './crypto.js';
import {
  type Kind,
  type Step,
  addressOf,
  arrayKeys,
  bytesOf,
  className,
  hiddenOf,
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

/**
 * An object with a method of this name identifies itself in keys.
 *
 * @example
 * ```ts
 * import { cacheIdentity } from 'cachette';
 *
 * class Tenant {
 *   constructor(readonly id: string) {}
 *   [cacheIdentity]() { return this.id; }
 * }
 * ```
 */
export const cacheIdentity: unique symbol = Symbol.for('cachette.identity') as never;

/** An argument that nothing can be said about that would be the same for an equal one. */
export class UnkeyableError extends Error {
  /** Where it is, for example `arguments[0].db`. */
  readonly path: string;
  /** For example `a function`. */
  readonly what: string;

  constructor(path: string, what: string, options?: ErrorOptions) {
    super(
      `${path} is ${what}, which cannot be part of a key: give \`key\`, or the object a [cacheIdentity]()`,
      options,
    );
    this.path = path;
    this.what = what;
  }
}
UnkeyableError.prototype.name = 'UnkeyableError';

const maxPrefix = 120;
const maxReadable = 100;
/** 24 characters of base64url are 144 bits. */
const digestLength = 24;

/** Visible ASCII without `~`, which marks that a hash follows. */
const legal = /^[!-}]*$/;
/** The same without quote and backslash: a string that stands in a key as it is. */
const legalInQuotes = /^[!-&(-[\]-}]*$/;

/**
 * The key of a call. `prefix`: {@link segment}s joined by `:`; different prefixes of the same number of segments never meet.
 *
 * Short and legal arguments are readable in the key, others begin readably and end in `~` and a hash of 144 bits. At most
 * 250 bytes, visible ASCII only. Throws an {@link UnkeyableError}.
 */
export function entryKey(prefix: string, args: readonly unknown[]): string {
  return (args.length === 1 ? plainKey(prefix, args[0]) : undefined) ?? fullKey(prefix, args);
}

/** What {@link fullKey} gives for one short string or one integer, without the way there. */
function plainKey(prefix: string, only: unknown): string | undefined {
  if (prefix.length > maxPrefix) return undefined;
  if (typeof only === 'string') {
    return only.length <= maxReadable - 2 && legalInQuotes.test(only) ? `${prefix}:'${only}'` : undefined;
  }
  return Number.isSafeInteger(only) && !Object.is(only, -0) ? `${prefix}:${only as number}` : undefined;
}

function fullKey(prefix: string, args: readonly unknown[]): string {
  const text = canonical(args);
  return `${shortPrefix(prefix)}:${shorten(text, maxReadable, text)}`;
}

function shortPrefix(prefix: string): string {
  return shorten(prefix, maxPrefix, prefix);
}

/** The text if it is short and legal; else as much of it as is, and a hash of `whole`, which has to be well-formed. */
function shorten(text: string, most: number, whole: string): string {
  if (text.length <= most && legal.test(text)) return text;
  const beginning = text.slice(0, most - 1 - digestLength).replace(/[^!-}]/g, '_');
  return `${beginning}~${crypto().hash('sha256', whole, 'base64url').slice(0, digestLength)}`;
}

/** The key of a tag's generation: any text, readable where it can be. Unlike an argument it stands without quotes. */
export function generationKey(prefix: string, tag: string): string {
  const readable = tag.length <= maxReadable && legal.test(tag);
  return `${shortPrefix(prefix)}:${readable ? tag : shorten(tag, maxReadable, quoted(tag))}`;
}

const ordinary = /^[\w.$@/+=,;!?#&()[\]{}<>|^*-]*$/;

/**
 * One part of a prefix, without loss: letters, digits and most signs stand for themselves, everything else is
 * percent-encoded, `:` too. Braces stay, so that a namespace `{shop}` is a hash tag of Redis Cluster.
 */
export function segment(text: string): string {
  return ordinary.test(text) ? text : text.replace(/[^\w.$@/+=,;!?#&()[\]{}<>|^*-]/gu, percentEncoded);
}

function percentEncoded(character: string): string {
  if (loneSurrogate.test(character)) return `%u${character.charCodeAt(0).toString(16)}`;
  return [...Buffer.from(character)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
}

/**
 * The arguments of a call as text: equal texts mean equal arguments.
 *
 * The same: an object with its properties in any order, with a property that is undefined or without it, with or without
 * `Object.prototype`; a call with trailing undefined arguments or without them. An AbortSignal counts as undefined. In a
 * `Map` and a `Set` the order counts, as who takes one may go by it. Of an Error all but the stack counts. `toJSON` is not
 * called.
 *
 * @throws UnkeyableError for functions, symbols, promises, streams, cycles, and instances of classes without
 * {@link cacheIdentity}
 */
export function canonical(values: readonly unknown[]): string {
  return new Scribe().list(values);
}

/** So much is no identification any more; bounds the time for structures that share their parts over and over. */
const maxParts = 250_000;

class Scribe {
  readonly #steps: Step[] = [];
  readonly #above: object[] = [];
  #depth = 0;
  #parts = 0;

  list(values: readonly unknown[]): string {
    try {
      return this.#list(values);
    } catch (error) {
      if (error instanceof UnkeyableError) throw error;
      const what =
        error instanceof RangeError ? 'nested too deeply or too large' : 'something that throws when it is read';
      throw new UnkeyableError(this.#path(), what, { cause: error });
    }
  }

  #path(): string {
    return pathText('arguments', this.#steps.slice(0, this.#depth));
  }

  #refuse(what: string): never {
    throw new UnkeyableError(this.#path(), what);
  }

  #list(values: readonly unknown[]): string {
    let length = values.length;
    while (length > 0 && isOmitted(values[length - 1])) length--;
    let text = '';
    for (let index = 0; index < length; index++) {
      const part = this.#into(index, values[index]);
      text = index === 0 ? part : `${text},${part}`;
    }
    return text;
  }

  #into(step: Step, value: unknown): string {
    if (this.#depth === maxDepth || ++this.#parts > maxParts) throw new RangeError('too much');
    this.#steps[this.#depth++] = step;
    const text = this.#value(value);
    this.#depth--;
    return text;
  }

  #value(value: unknown): string {
    switch (typeof value) {
      case 'string':
        return quoted(value);
      case 'number':
        return Object.is(value, -0) ? '-0' : String(value);
      case 'bigint':
        return `${value}n`;
      case 'boolean':
      case 'undefined':
        return String(value);
      case 'object':
        return value === null ? 'null' : this.#object(value);
      default:
        return this.#identified(value as object) ?? this.#refuse(opaque(value).what);
    }
  }

  /** The name of the class is part of it, as a user and an order may both call themselves 1. */
  #identified(value: object): string | undefined {
    const identify = (value as { [cacheIdentity]?: unknown })[cacheIdentity];
    if (typeof identify !== 'function') return undefined;
    const identity: unknown = identify.call(value);
    if (typeof identity !== 'string') this.#refuse('an object whose [cacheIdentity]() gives no string');
    return `@${quoted(className(value))}${quoted(identity)}`;
  }

  #object(value: object): string {
    if (this.#above.includes(value)) this.#refuse('part of itself');
    this.#above.push(value);
    const text = this.#identified(value) ?? this.#content(value, kindOf(value));
    this.#above.pop();
    return text;
  }

  #content(value: object, kind: Kind): string {
    switch (kind.shape) {
      case 'plain':
      case 'bare':
        return this.#members(value, Object.keys(value));
      case 'array':
        return this.#array(value as unknown[]);
      case 'other':
        return isAbortSignal(value) ? 'undefined' : this.#refuse(opaque(value).what);
      default:
        return kind.name + this.#builtin(value, kind) + this.#carried(value, kind);
    }
  }

  #members(value: object, keys: string[]): string {
    const symbol = symbolic(value);
    if (symbol !== undefined) this.#refuse(symbol.what);
    let text = '';
    for (const key of inOrder(keys)) {
      const member = (value as Record<string, unknown>)[key];
      if (isOmitted(member)) continue;
      text += `${text === '' ? '' : ','}${keyText(key)}:${this.#into(key, member)}`;
    }
    return `{${text}}`;
  }

  #array(value: unknown[]): string {
    if (isDense(value)) return `[${value.map((item, index) => this.#into(index, item)).join()}]`;
    const { indices, names } = arrayKeys(value);
    const elements = indices.map((index) => `${index}:${this.#into(Number(index), value[Number(index)])}`);
    return `Array(${value.length}){${elements.join()}}${this.#members(value, names)}`;
  }

  #carried(value: object, { shape }: Kind): string {
    const names = mayCarry(shape) ? Object.keys(value) : [];
    return names.length === 0 ? '' : this.#members(value, names);
  }

  #builtin(value: object, { shape }: Kind): string {
    switch (shape) {
      case 'date':
        return `(${dateText(timeOf(value))})`;
      case 'regexp':
        return `(${patternOf(value).map(quoted).join()},${(value as RegExp).lastIndex})`;
      case 'map':
        return `(${pairsOf(value)
          .map((pair, index) => this.#pair(index, pair))
          .join()})`;
      case 'set':
        return `(${itemsOf(value)
          .map((item, index) => this.#into(index, item))
          .join()})`;
      case 'error':
        return `(${this.#hidden(hiddenOf(value))})`;
      case 'bytes':
        return `(${Buffer.from(bytesOf(value)).toString('base64url')})`;
      default:
        return `(${quoted(addressOf(value, shape as 'url' | 'params'))})`;
    }
  }

  #pair(index: number, [key, value]: [unknown, unknown]): string {
    return `${this.#into(index, key)}=>${this.#into(index, value)}`;
  }

  #hidden(properties: [name: string, value: unknown][]): string {
    const counted = properties.filter(([name]) => name !== 'stack');
    return counted.map(([name, value]) => `${name}:${this.#into(name, value)}`).join();
  }
}

function quoted(text: string): string {
  if (legalInQuotes.test(text)) return `'${text}'`;
  return `'${text.replace(/[\\']/g, '\\$&').replace(loneSurrogates, escaped)}'`;
}

const loneSurrogate = /\p{Surrogate}/u;
const loneSurrogates = /\p{Surrogate}/gu;

/** In UTF-8, which is what is hashed, all lone surrogates are the same. */
function escaped(surrogate: string): string {
  return `\\u${surrogate.charCodeAt(0).toString(16)}`;
}

/** Sorting costs more than all the rest for a few keys, and literals are often written in order. */
function inOrder(keys: string[]): string[] {
  let last = '';
  for (const key of keys) {
    if (key < last) return keys.sort();
    last = key;
  }
  return keys;
}

const identifier = /^[A-Za-z_$][\w$]*$/;

function keyText(key: string): string {
  return identifier.test(key) ? key : quoted(key);
}

function dateText(time: number): string {
  return Number.isNaN(time) ? 'NaN' : new Date(time).toISOString();
}

function isOmitted(value: unknown): boolean {
  return value === undefined || isAbortSignal(value);
}

/** Also the signals of polyfills and of other realms. */
/** Also one of another realm. */
export function isAbortSignal(value: unknown): value is AbortSignal {
  if (typeof value !== 'object' || value === null) return false;
  if (value instanceof AbortSignal) return true;
  return kindOf(value).shape === 'other' && Object.prototype.toString.call(value) === '[object AbortSignal]';
}
