/** What users write as options, and the complete, checked policy that the rest of the cache works with. */

import type { Clock } from '../base/clock.js';
import type { Duration } from '../base/duration.js';
import type { Codec, Revivable } from '../policies/codec.js';
import type { Copies } from '../policies/copies.js';
import type { Bus } from '../stores/bus.js';

/** A method that returns a promise. `any` is what inference from an arbitrary method needs; it reaches no user. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- see above
export type AsyncMethod = (this: any, ...args: any[]) => PromiseLike<any>;
/** The arguments of `F`. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- `this` of any type
export type Args<F> = F extends (this: any, ...args: infer A extends readonly any[]) => any ? A : never;
/** What the promise of `F` resolves to. */
export type Result<F extends AsyncMethod> = Awaited<ReturnType<F>>;
/** One, or several. */
export type Many<T> = T | readonly T[];

/** When an old value covers a failure of the method. */
export interface StaleIfError {
  /** How long after its expiry a value may be served. */
  for: Duration;
  /** Whether this error may be covered; `false` for one that is an answer, such as "not found". Default: every error. */
  when?: ((error: unknown) => boolean) | undefined;
  /** After a failure the method is not tried again for so long, call by call. Default `'1s'`. */
  backOff?: Duration | undefined;
}

/** How long a call may wait for its method. At least one of the two. */
export interface CacheTimeout {
  /** From then on a stale value is served, if there is one that `staleWhileRevalidate` or `staleIfError` allow. Default none. */
  soft?: Duration | undefined;
  /** From then on the call rejects with a `CacheTimeoutError`, and `cache.signal()` is aborted. Default none. */
  hard?: Duration | undefined;
}

/** Which failures of the method are kept, to be thrown again. */
export interface ErrorCaching {
  /** How long one is kept. */
  ttl: Duration;
  /** Whether this error is kept. Default: every error. */
  when?: ((error: unknown) => boolean) | undefined;
}

/** The options that do not depend on a method's types: what `defaults` and shared policies are made of. */
export interface CachePolicy {
  /** `true`: each hit restarts `ttl`. Default `false`. */
  sliding?: boolean | undefined;
  /** The longest that an entry lives, from writing, however often it is read. Default none. */
  maxLifetime?: Duration | undefined;
  /** Taken off `ttl` at random: a number is a fraction of it (0 to 1), a string a duration. Default `0`. */
  jitter?: number | Extract<Duration, string> | undefined;
  /** For so long after its expiry an entry is served while a new one is loaded in the background. Default: not at all. */
  staleWhileRevalidate?: Duration | undefined;
  /** For so long after its expiry an entry is served where the method fails. Default: not at all. */
  staleIfError?: Duration | StaleIfError | undefined;
  /** The part of `ttl` (above 0, below 1) after which a hit loads a new value in the background. Default: none. */
  refreshAhead?: number | undefined;
  /** How long a call waits for the method, which goes on and stores what it gives. Default: for as long as it takes. */
  timeout?: CacheTimeout | undefined;
  /** Keeps failures of the method for a short while and throws the same kind of error again. Default: none is kept. */
  errors?: ErrorCaching | undefined;
  /**
   * For this fraction of hits (0 to 1) the method also runs in the background; a result that differs, although nothing has
   * invalidated the entry, is a `mismatch` event: a forgotten `@Invalidates` found. Default `0`.
   */
  verify?: number | undefined;
  /** Take over the tags of cached calls made inside the method. Default `true`. */
  inheritTags?: boolean | undefined;
  /** `'isolated'`: each caller has its own copy; `'frozen'`: deep-frozen; `'shared'`: the same object. Default `'isolated'`. */
  copies?: Copies | undefined;
  /**
   * How long a hit in memory may trust what this process knows of its tags; `0` asks the shared store each time, also for
   * the cached calls inside. Default: as long as that is never stale.
   */
  maxStaleness?: Duration | undefined;
  /**
   * `'fleet'`: one process computes for all, where the store can lease (Redis, memcached); the others wait for the value.
   * Default `'process'`: one compute in each process.
   */
  singleFlight?: 'process' | 'fleet' | undefined;
  /** Classes whose instances may be stored and come back as instances. Default none. */
  revive?: readonly Revivable[] | undefined;
  /** `false`: the method is the same for all tenants. Default: the cache's partition. */
  partition?: false | undefined;
}

/** What `defaults` may hold: any option that does not depend on a method's types. */
export interface CacheDefaults extends CachePolicy {
  /** How long an entry lives. Default `'5m'`. */
  ttl?: Duration | undefined;
  /** Whether instances share entries. Default `'class'`; unstated, a second instance makes one warning. */
  per?: 'class' | 'instance' | undefined;
  /** A constant that is part of every key: change it when the shape of the results changes. Default none. */
  version?: string | number | undefined;
}

/** What tells whether a value is still the current one: the same as before, and it is. */
export type Version = string | number | Date;

/** The options of `@Cached`. `This` and `F` are inferred from the method. */
export interface CachedOptions<This, F extends AsyncMethod, Tag extends string = string> extends CachePolicy {
  /** How long an entry lives, from writing; a function decides by the result. Default: the cache's, else `'5m'`. */
  ttl?: Duration | ((this: This, result: Result<F>, ...args: Args<F>) => Duration) | undefined;
  /**
   * A constant is part of the key: change it when the shape of the result changes. A function is asked at each call: an entry
   * is served only while it gives what it gave before the entry was computed, be that a number or a time stamp. Default none.
   */
  version?: string | number | ((this: This, ...args: Args<F>) => Version | PromiseLike<Version>) | undefined;
  /** What makes the entry wrong: known from the arguments. Default none. */
  tags?: Many<Tag> | ((this: This, ...args: Args<F>) => Many<Tag>) | undefined;
  /** Tags that only the result tells. Default none. */
  resultTags?: Many<Tag> | ((this: This, result: Result<F>, ...args: Args<F>) => Many<Tag>) | undefined;
  /** What identifies the call instead of all its arguments. Default: all arguments. */
  key?: ((this: This, ...args: Args<F>) => unknown) | undefined;
  /** Replaces `Class.method` in the key. Default: the runtime class and the method. */
  name?: string | undefined;
  /** Whether instances share entries. Default `'class'`; unstated, a second instance makes one warning. */
  per?: 'class' | 'instance' | ((self: This) => string) | undefined;
  /** Whether to use the cache for this call at all. Default always. */
  when?: ((this: This, ...args: Args<F>) => boolean) | undefined;
  /** Whether to store the result. Default always. */
  storeWhen?: ((this: This, result: Result<F>, ...args: Args<F>) => boolean) | undefined;
}

/** A method that takes ids and gives an item for each, in their order. `any` as in {@link AsyncMethod}. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- see there
export type ManyMethod = (this: any, ids: any) => PromiseLike<readonly any[]>;
/** What identifies an element of `F`. */
export type IdOf<F> = Args<F> extends readonly [ids: readonly (infer Id)[]] ? Id : never;
/** What `F` gives for an id. */
export type ItemOf<F extends AsyncMethod> = Result<F> extends readonly (infer Item)[] ? Item : never;
/** A method that is like `F`, for one element. */
export type ElementOf<F extends AsyncMethod> = (id: IdOf<F>) => Promise<ItemOf<F>>;

/**
 * The options of `@CachedMany`: those of `@Cached`, for one element. `tags`, `key` and `when` are functions of its `id`; `ttl`,
 * `resultTags` and `storeWhen` of its `item` and `id`. `This` and `F` are inferred from the method.
 */
export type CachedManyOptions<This, F extends ManyMethod, Tag extends string = string> = CachedOptions<
  This,
  ElementOf<F>,
  Tag
>;

/** The options of `@Invalidates`. */
export interface InvalidatesOptions<This, F extends AsyncMethod, Tag extends string = string> {
  /** Tags known from the arguments. */
  tags?: Many<Tag> | ((this: This, ...args: Args<F>) => Many<Tag>) | undefined;
  /** Tags that only the result tells; used on success only. */
  resultTags?: Many<Tag> | ((this: This, result: Result<F>, ...args: Args<F>) => Many<Tag>) | undefined;
  /** `'settled'`: also when the method throws, as a write that timed out may have been committed. Default `'settled'`. */
  on?: 'settled' | 'success' | undefined;
}

/** The options of `createCache`. */
export interface CacheOptions<Kind extends string = string> {
  /** The first part of every key, so that applications can share a server. Default `'cachette'`. */
  namespace?: string | undefined;
  /** Defaults for every method. */
  defaults?: CacheDefaults | undefined;
  /** The tenant, read at each call; `undefined` means do not cache. Tags are not partitioned. Default: one partition. */
  partition?: (() => string | undefined) | undefined;
  /** The first parts of all tags (`product` of `product:1`), so that a misspelt tag does not compile. */
  tagKinds?: readonly Kind[] | undefined;
  /** The longest that one store operation may take. Default `'250ms'`. */
  deadline?: Duration | undefined;
  /** `maxStaleness` of every method that says nothing else. Default: as long as memory is never stale. */
  maxStaleness?: Duration | undefined;
  /** How long memory may serve, while the shared store gives no answer, what was valid a moment ago; `0`: not at all. Default `'10s'`. */
  outageGrace?: Duration | undefined;
  /** What an invalidation does that cannot be delivered: resolve to `deferred`, or reject. Default `'defer'`. */
  onInvalidationFailure?: 'defer' | 'throw' | undefined;
  /**
   * Is given each piece of work that goes on after a call was answered, so that a serverless platform does not freeze the
   * process before it is done. Default: nobody is told.
   */
  waitUntil?: ((work: Promise<unknown>) => void) | undefined;
  /** `false`: nothing is counted, and `stats()` and `audit()` have nothing to tell; events go on. Default `true`. */
  statistics?: boolean | undefined;
  /** What carries invalidations to the memory of other processes; `false`: nothing. Default: Redis itself, where it is the store. */
  bus?: Bus | false | undefined;
  /** How values are written to a shared store. Default: JSON, extended so that every supported value comes back exactly. */
  codec?: Codec | undefined;
  /** Where the time is read. Default: `Date.now()`. */
  clock?: Clock | undefined;
}

/** What a feed says: the data behind these tags have changed, or anything may have. */
export type Change<Tag extends string = string> =
  | Many<Tag>
  | {
      /** Everything is invalidated. */
      readonly clear: true;
    };

/** What emits changes: an `EventEmitter`, or what looks like one. */
export type ChangeEmitter =
  | {
      /** Adds a listener. */
      on(event: string, listener: (item: unknown) => void): unknown;
      /** Takes it away. */
      off(event: string, listener: (item: unknown) => void): unknown;
    }
  | {
      /** Adds a listener. */
      addListener(event: string, listener: (item: unknown) => void): unknown;
      /** Takes it away. */
      removeListener(event: string, listener: (item: unknown) => void): unknown;
    };

/** The options of `follow`. */
export interface FollowOptions {
  /** The event of an emitter. Default `'change'`. */
  event?: string | undefined;
}

/** The options of `follow` for a source that gives something else than changes. */
export interface MappedFollowOptions<Item, Tag extends string = string> extends FollowOptions {
  /** The change that an item means. An empty array: none. */
  tags: (item: Item) => Change<Tag>;
}

/** The tags of a cache with these `tagKinds`: `product` and `product:1` for the kind `product`; any string without kinds. */
export type TagOf<Kind extends string> = [Kind] extends [never] ? string : Kind | `${Kind}:${string}`;

/** The names of those methods of `S` that return a promise. */
export type AsyncNames<S> = { [K in keyof S]-?: S[K] extends AsyncMethod ? K : never }[keyof S];

/** Does something with one call of a method, by its name or, where that is private, by the function itself. */
export interface OneCall<Done> {
  <S extends object, K extends AsyncNames<S>>(service: S, method: K, args: Args<S[K]>): Done;
  <F extends AsyncMethod>(service: object, method: F, args: Args<F>): Done;
}

/** Does something with all calls of a method, by its name or, where that is private, by the function itself. */
export interface AllCalls<Done> {
  <S extends object, K extends AsyncNames<S>>(service: S, method: K): Done;
  (service: object, method: AsyncMethod): Done;
}
