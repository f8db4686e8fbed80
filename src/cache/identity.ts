/**
 * Which class and method a call belongs to: names that are the same in every process, and that no two methods share.
 * The class is the runtime class, so that `UserRepo` and `OrderRepo` never share what they inherit from `Repository`.
 */

import { textOf } from '../base/text.js';
import { crypto } from '../policies/crypto.js';
import { cacheIdentity } from '../policies/key.js';
import type { AsyncMethod } from './options.js';
import type { Policy } from './policy.js';

/** A decorated method, before anything is known of the object it is called on. */
export interface MethodSource {
  /** `find`, `#load`, `Symbol(find)`. */
  readonly name: string;
  /** What it is stored under in its class. */
  readonly key: PropertyKey;
  readonly original: AsyncMethod;
  readonly isStatic: boolean;
  readonly isPrivate: boolean;
  /** The prototype or class that declares it, where the dialect tells (legacy). */
  readonly home: object | undefined;
  /** What stands in the class instead of `original`; see {@link attachWrapper}. */
  readonly wrapper: AsyncMethod | undefined;
  /** Counts up with each decorated method and each claimed name, so that "decorated after" can be asked. */
  readonly born: number;
}

/** How one method wants to be named: the options `name` and `per`. */
export type MethodNaming = Pick<Policy, 'name' | 'per'>;

/** The call has a name that no other method of this cache has. */
export interface Identified {
  readonly kind: 'identified';
  /** `Products.find`, before escaping. */
  readonly id: string;
  /** Which object, where objects do not share entries. */
  readonly instance: string | undefined;
  /** Nobody else can ever know `instance`: entries are of no use outside this process. */
  readonly isLocal: boolean;
}

/** The call cannot be named safely, and is not cached. */
export interface Unidentified {
  readonly kind: 'unidentified';
  /** What is wrong and what to write; has been warned about once. */
  readonly warning: string;
}

/** Receives each warning once; `method`: where it concerns the calls of one. */
export type Warn = (code: string, message: string, method?: string) => void;

let sequence = 0;
const sources = new WeakMap<object, MethodSource>();

/** Makes the record of a decorated method. */
export function createMethodSource(method: Omit<MethodSource, 'wrapper' | 'born'>): MethodSource {
  return { ...method, wrapper: undefined, born: ++sequence };
}

/** Tells `source` what stands in its class, so that it is found there. */
export function attachWrapper(source: MethodSource, wrapper: AsyncMethod): void {
  (source as { wrapper: AsyncMethod }).wrapper = wrapper;
  sources.set(wrapper, source);
}

/** All names given in one cache. */
export class Identities {
  readonly #claims = new Claims();
  readonly #methods = new WeakMap<MethodSource, MethodIdentity>();
  readonly #warn: Warn;

  constructor(warn: Warn) {
    this.#warn = warn;
  }

  /** The names of one method; hold on to it where calls are frequent. A method has one naming per cache. */
  of(source: MethodSource, naming: MethodNaming): MethodIdentity {
    let method = this.#methods.get(source);
    if (method === undefined) {
      method = new MethodIdentity(source, naming, this.#claims, this.#warn);
      this.#methods.set(source, method);
    }
    return method;
  }
}

/** One method's names: one per runtime class, or the one that its options give. */
export class MethodIdentity {
  readonly #source: MethodSource;
  readonly #naming: MethodNaming;
  readonly #claims: Claims;
  readonly #warn: Warn;
  readonly #seats = new WeakMap<object, Seat>();
  readonly #shared: Seat | undefined;
  readonly #perClass: boolean;
  #detached: Unidentified | undefined;
  // The class seen last, so that a call costs one comparison. It keeps at most one class per method alive.
  #lastClass: object | undefined;
  #lastSeat: Seat | undefined;

  constructor(source: MethodSource, naming: MethodNaming, claims: Claims, warn: Warn) {
    this.#source = source;
    this.#naming = naming;
    this.#claims = claims;
    this.#warn = warn;
    this.#perClass = source.isStatic || naming.per === 'class';
    this.#shared = naming.name === undefined ? undefined : new Seat(naming.name, namedClaimant(source));
  }

  resolve(self: unknown): Identified | Unidentified {
    const seat = this.#shared ?? this.#seatOf(self);
    if (seat === undefined) return this.#withoutClass();
    const named = seat.claimant.answer ?? this.#claim(seat);
    return this.#perClass || named.kind === 'unidentified' ? named : this.#ofInstance(seat, named, self);
  }

  /** What `self` would be named, whoever else has that name: for people. Claims nothing and warns of nothing. */
  nameOf(self: unknown): string | undefined {
    return (this.#shared ?? this.#seatOf(self))?.id;
  }

  #seatOf(self: unknown): Seat | undefined {
    const runtimeClass = this.#source.isStatic ? self : constructorOf(self);
    if (runtimeClass === this.#lastClass && runtimeClass !== undefined) return this.#lastSeat;
    if (typeof runtimeClass !== 'function') return undefined;
    const seat = this.#seats.get(runtimeClass) ?? this.#newSeat(runtimeClass as Class);
    this.#lastClass = runtimeClass;
    this.#lastSeat = seat;
    return seat;
  }

  #newSeat(runtimeClass: Class): Seat | undefined {
    const name = classNameOf(runtimeClass);
    if (name === undefined) return undefined;
    const seat = new Seat(idOf(this.#source, runtimeClass, name), claimantOf(this.#source, runtimeClass));
    this.#seats.set(runtimeClass, seat);
    return seat;
  }

  #withoutClass(): Unidentified {
    return (this.#detached ??= this.#refuse(
      'no-class-name',
      `${this.#source.name} was called on no object, or on one whose class has no name that is the same in every ` +
        "process, and is not cached there; write `name: '…'` in the options of @Cached",
    ));
  }

  #claim(seat: Seat): Identified | Unidentified {
    const { id, claimant } = seat;
    const verdict = this.#claims.take(id, claimant);
    if (verdict === 'granted') return (claimant.answer = identified(id, undefined, false));
    const refused = this.#refuse('name-taken', `${id} ${complaints[verdict]}; ${give}`);
    if (verdict === 'contested') this.#claims.contest(id, refused);
    return (claimant.answer = refused);
  }

  #ofInstance(seat: Seat, named: Identified, self: unknown): Identified | Unidentified {
    const { per } = this.#naming;
    if (typeof per === 'function') return this.#ofGiven(seat, () => per(self));
    if (!isObject(self)) return per === 'instance' ? this.#withoutObject(seat) : named;
    const own = (self as { [cacheIdentity]?: unknown })[cacheIdentity];
    if (typeof own === 'function') return this.#ofGiven(seat, () => own.call(self) as unknown);
    if (per === 'instance') return seat.ofInstance(localIdentityOf(self), true);
    this.#noticeInstance(seat, self);
    return named;
  }

  #ofGiven(seat: Seat, ask: () => unknown): Identified | Unidentified {
    try {
      const instance = ask();
      if (typeof instance === 'string') return seat.ofInstance(instance, false);
      return this.#withoutIdentity(seat, `gave ${instance === null ? 'null' : typeof instance}`);
    } catch (error) {
      return this.#withoutIdentity(seat, `threw ${textOf(error)}`);
    }
  }

  #withoutIdentity(seat: Seat, what: string): Unidentified {
    return (seat.withoutInstance ??= this.#refuse(
      'no-identity',
      `the identity of an object ${what}, and ${seat.id} is not cached there; ` +
        '`per` and [cacheIdentity]() must return a string',
    ));
  }

  #withoutObject(seat: Seat): Unidentified {
    return (seat.withoutInstance ??= this.#refuse(
      'no-identity',
      `${seat.id} is cached per instance and was called on no object; call it on its object`,
    ));
  }

  /** Two objects of a class may well hold different data, such as two tenants' connections, and share entries here. */
  #noticeInstance(seat: Seat, self: object): void {
    if (seat.hasSeveral || seat.only === self) return;
    if (seat.only === undefined) {
      seat.only = self;
      return;
    }
    seat.only = undefined;
    seat.hasSeveral = true;
    this.#warn(
      'many-instances',
      `a second object calls ${seat.id} and shares its entries with the first; write \`per: 'class'\` if the objects ` +
        "are interchangeable, `per: 'instance'` or a [cacheIdentity]() method if they are not",
      seat.id,
    );
  }

  #refuse(code: string, warning: string): Unidentified {
    this.#warn(code, warning);
    return Object.freeze({ kind: 'unidentified', warning });
  }
}

/**
 * What one runtime class's calls of one method come to. It may hold an object of that class, so only a WeakMap keyed by
 * the class may hold a seat.
 */
class Seat {
  readonly id: string;
  readonly claimant: Claimant;
  /** The only object seen so far. */
  only: object | undefined;
  hasSeveral = false;
  withoutInstance: Unidentified | undefined;
  #last: Identified | undefined;

  constructor(id: string, claimant: Claimant) {
    this.id = id;
    this.claimant = claimant;
  }

  ofInstance(instance: string, isLocal: boolean): Identified {
    if (this.#last?.instance !== instance) this.#last = identified(this.id, instance, isLocal);
    return this.#last;
  }
}

/** Who wants a name. Holds nothing of the class but a fingerprint, since names live as long as the cache. */
interface Claimant {
  /** Equal for a method and for the same method evaluated again. */
  readonly fingerprint: string;
  readonly born: number;
  /** Whether methods with the same fingerprint share the name without question: the user wrote it. */
  readonly isGiven: boolean;
  /** When it got its name; `Infinity` where nobody can have it any more. */
  claimedAt: number;
  /** It had the name until the class was evaluated again. */
  isReplaced: boolean;
  answer: Identified | Unidentified | undefined;
}

type Verdict = 'granted' | 'other' | 'twin' | 'contested';

const give = "write `name: '…'` in the options of @Cached";

const complaints = {
  other: 'is the name of another method or class in this cache too, and this one is not cached',
  twin: 'belongs to several classes with the same name and source, and only the first is cached',
  contested: 'belongs to several classes with the same name and source, and none of them is cached any more',
} as const;

/** Who has which name: the net under all rules of naming. */
class Claims {
  readonly #holders = new Map<string, Claimant>();

  /**
   * A class that a hot reload evaluated again takes the name over. Two classes that a factory made from one source look
   * just like that but hold different data. They are told apart by time: a reload decorates again after the first class
   * was called, and the first class is not called again. Where that guess turns out wrong, neither is cached any more.
   */
  take(id: string, claimant: Claimant): Verdict {
    const holder = this.#holders.get(id);
    if (holder !== undefined && holder.fingerprint !== claimant.fingerprint) return 'other';
    if (holder !== undefined && !claimant.isGiven) {
      if (claimant.isReplaced || holder.claimedAt === Infinity) return 'contested';
      if (claimant.born < holder.claimedAt) return 'twin';
      holder.isReplaced = true;
      holder.answer = undefined;
    }
    this.#holders.set(id, claimant);
    claimant.claimedAt = ++sequence;
    return 'granted';
  }

  /** Takes the name from who has it; nobody gets it again. */
  contest(id: string, answer: Unidentified): void {
    const holder = this.#holders.get(id);
    if (holder === undefined) return;
    holder.answer = answer;
    holder.claimedAt = Infinity;
  }
}

// A class: anything that can stand in `constructor`.
type Class = (...args: never[]) => unknown;

function constructorOf(self: unknown): unknown {
  return isObject(self) ? self.constructor : undefined;
}

function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

/** What compilers call `export default class { … }`: such a class is named by its file, so it has no name. */
const unnamed = new Set<unknown>(['', 'default', 'default_1']);

function classNameOf(runtimeClass: Class): string | undefined {
  const { name, prototype } = runtimeClass as { name: unknown; prototype?: unknown };
  if (typeof name !== 'string' || unnamed.has(name)) return undefined;
  const isPlainObject = name === 'Object' && isObject(prototype) && Object.getPrototypeOf(prototype) === null;
  return isPlainObject ? undefined : name;
}

function idOf(source: MethodSource, runtimeClass: Class, className: string): string {
  const suffix = source.isPrivate ? privateSuffix(source, runtimeClass) : suffixOf(source, runtimeClass);
  return `${className}.${source.name}${suffix}`;
}

/**
 * Nothing tells which class of a chain declares a private method, and each may have its own of that name. A static one
 * can only be called on the class that declares it, and a class that extends nothing is the one.
 */
function privateSuffix(source: MethodSource, runtimeClass: Class): string {
  return source.isStatic || parentOf(runtimeClass) === undefined ? '' : `^${digest(sourceTextOf(source)).slice(0, 8)}`;
}

/**
 * Empty for the method that the class itself would find. An overridden one that is reached by `super` has the name of its
 * class as suffix, or, where other decorators hide which class that is, a hash of its text: both are the same everywhere.
 */
function suffixOf(source: MethodSource, runtimeClass: Class): string {
  const { key, isStatic } = source;
  const found = declarations(isStatic ? runtimeClass : prototypeOf(runtimeClass), key);
  const home = found.find((holder) => holder === source.home) ?? found.find((holder) => holds(holder, source));
  if (found.length > 0 && (home ?? (found.length === 1 ? found[0] : undefined)) === found[0]) {
    return isStatic && key in prototypeOf(runtimeClass) ? '^static' : '';
  }
  const declaring = home === undefined ? undefined : classNameOf((isStatic ? home : home.constructor) as Class);
  return `^${declaring ?? digest(sourceTextOf(source)).slice(0, 8)}`;
}

/** The objects of the prototype chain that have `key` themselves, nearest first. */
function declarations(start: object, key: PropertyKey): object[] {
  const found: object[] = [];
  for (let holder: object | null = start; holder !== null; holder = Object.getPrototypeOf(holder) as object | null) {
    if (Object.hasOwn(holder, key)) found.push(holder);
  }
  return found;
}

/** Whether the method in `holder` is the wrapper of `source`, or a wrapper of ours around it. */
function holds(holder: object, source: MethodSource): boolean {
  let method: unknown = Object.getOwnPropertyDescriptor(holder, source.key)?.value;
  while (isObject(method)) {
    if (method === source.wrapper) return true;
    method = sources.get(method)?.original;
  }
  return false;
}

function prototypeOf(runtimeClass: Class): object {
  return (runtimeClass as { prototype?: object }).prototype ?? runtimeClass;
}

function parentOf(runtimeClass: Class): Class | undefined {
  const parent: unknown = Object.getPrototypeOf(runtimeClass);
  // Function.prototype is a function too, and the only one above which there is no other.
  return typeof parent === 'function' && typeof Object.getPrototypeOf(parent) === 'function'
    ? (parent as Class)
    : undefined;
}

/** A name that the user wrote stands for the method, whatever the class. */
function namedClaimant(source: MethodSource): Claimant {
  return claimant(source, `given ${sourceMark(source)}`, true);
}

function claimantOf(source: MethodSource, runtimeClass: Class): Claimant {
  return claimant(source, `${sourceMark(source)} of ${fingerprintOf(runtimeClass)}`, false);
}

function claimant(source: MethodSource, fingerprint: string, isGiven: boolean): Claimant {
  return { fingerprint, born: source.born, isGiven, claimedAt: 0, isReplaced: false, answer: undefined };
}

function sourceMark(source: MethodSource): string {
  return `${source.isStatic ? 'static ' : ''}${source.name} ${digest(sourceTextOf(source))}`;
}

/** The text of the method as it was written, under all decorators of ours. */
function sourceTextOf(source: MethodSource): string {
  const inner = sources.get(source.original);
  return inner === undefined ? Function.prototype.toString.call(source.original) : sourceTextOf(inner);
}

const fingerprints = new WeakMap<object, string>();

/** Equal for classes evaluated from the same source over parents of the same source. */
function fingerprintOf(runtimeClass: Class): string {
  const known = fingerprints.get(runtimeClass);
  if (known !== undefined) return known;
  const parent = parentOf(runtimeClass);
  const above = parent === undefined ? '' : fingerprintOf(parent);
  const made = digest(`${above} ${Function.prototype.toString.call(runtimeClass)}`);
  fingerprints.set(runtimeClass, made);
  return made;
}

function digest(text: string): string {
  return crypto().createHash('sha256').update(text).digest('base64url').slice(0, 22);
}

function identified(id: string, instance: string | undefined, isLocal: boolean): Identified {
  return Object.freeze({ kind: 'identified', id, instance, isLocal });
}

const localIdentities = new WeakMap<object, string>();
let processIdentity: string | undefined;

function localIdentityOf(self: object): string {
  let identity = localIdentities.get(self);
  if (identity === undefined) {
    processIdentity ??= crypto().randomBytes(12).toString('base64url');
    identity = `${processIdentity}-${++sequence}`;
    localIdentities.set(self, identity);
  }
  return identity;
}
