/** A cache without its decorators: everything that can be done by hand. */

import type { Clock } from '../base/clock.js';
import { systemClock } from '../base/clock.js';
import { CacheConfigError } from '../base/errors.js';
import { type CacheEvents, Emitter, type Mismatch, type Outcome } from '../base/events.js';
import { type Audit, type CacheStats, type Insight, insight } from '../base/insight.js';
import { withDeadline } from '../policies/deadline.js';
import { valueCodec } from '../policies/codec.js';
import { Recorder } from '../policies/recording.js';
import type { Store } from '../stores/store.js';
import type { StoreTarget } from '../stores/uri.js';
import { Core } from './core.js';
import { atOnce, type MemoryFacts } from './audit.js';
import { CacheInsight } from './insight.js';
import { follow, type Following } from './follow.js';
import {
  type CachedMethodHandle,
  type InvalidationResult,
  type MethodHandle,
  methodHost,
  type MethodHost,
} from './host.js';
import { createMethodSource, Identities, type MethodSource } from './identity.js';
import { CachedManyMethod } from './many.js';
import { CachedMethod, formatOf, InvalidatingMethod, type InvalidatingMethodParts } from './method.js';
import { Names } from './names.js';
import type {
  Args,
  AsyncMethod,
  CachedOptions,
  CacheOptions,
  Change,
  ChangeEmitter,
  FollowOptions,
  MappedFollowOptions,
} from './options.js';
import { Outcomes } from './outcomes.js';
import {
  type AnyCachedOptions,
  type AnyInvalidatesOptions,
  cachedPolicy,
  type CacheSettings,
  cacheSettings,
  checkCachedOptions,
  checkedTags,
  invalidationPolicy,
} from './policy.js';
import { currentScope, currentSignal, transactionOf, withLastingScope, withScope } from './scope.js';
import { openStores } from './stores.js';
import { beforeTermination } from './termination.js';
import type { Told } from './transaction.js';
import { endVerifying, verified } from './verify.js';

/** What {@link CacheManager.explain} gives. */
export interface Explained<T> {
  /** What the function gave. */
  readonly value: T;
  /** Each cached call inside, in the order in which they were answered. */
  readonly calls: readonly Outcome[];
}

/** A plain function, cached. */
export type WrappedFunction<F extends AsyncMethod> = ((...args: Args<F>) => ReturnType<F>) & {
  /** Removes the entry of one call. */
  forget(...args: Args<F>): Promise<InvalidationResult>;
  /** Removes every entry of the function. */
  forgetAll(): Promise<InvalidationResult>;
  /** The key of a call, for debugging. */
  keyOf(...args: Args<F>): string;
};

/** The options of {@link CacheManager.getOrLoad}: those of `@Cached` that make sense for one key. */
export type LoadOptions<T, Tag extends string> = Omit<
  CachedOptions<undefined, () => Promise<T>, Tag>,
  'key' | 'name' | 'per'
>;

/** What a cache does, without its decorators. */
export class CacheManager<Tag extends string = string> {
  /** @internal */
  readonly [methodHost]: MethodHost = {
    cached: (source, options, where) => this.#cached(source, options, where),
    cachedMany: (source, options, where) => this.#cachedMany(source, options, where),
    invalidates: (source, options, where) => this.#invalidates(source, options, where),
  };
  /** @internal */
  readonly [insight]: Insight;
  readonly #core: Core;
  readonly #settings: CacheSettings;
  /** The longest that memory keeps an entry. */
  readonly #memoryTtlMs: number | undefined;
  readonly #identities: Identities;
  readonly #byHand: MethodSource;
  /** Called when there is nothing left to be flushed. */
  readonly #leaveTermination: () => void;
  readonly #followed = new Set<Following>();
  #closing: Promise<void> | undefined;

  /** `stores`: one, or several, nearest first. */
  constructor(stores: StoreTarget | readonly StoreTarget[], options: CacheOptions) {
    this.#settings = cacheSettings(options, 'createCache');
    const clock: Clock = options.clock ?? systemClock;
    const names = new Names(this.#settings.namespace, options.tagKinds);
    const events = new Emitter(this.#settings.namespace);
    const { throwsUndelivered, deadlineMs, waitUntil } = this.#settings;
    const report: Core['report'] = (problem) => this.#core.report(problem);
    const store = openStores({
      targets: [stores].flat(),
      settings: this.#settings,
      clock,
      names,
      report,
      warn: (code, message) => this.#core.warn(code, message),
      onRemoved: (removed, discard) => this.#core.forgetRemoved(removed, discard),
      onMeasured: (key, bytes) => this.#core.outcomes.measured(key, bytes),
      answer: (question) => told.answer(question),
    });
    const [nearest] = [stores].flat();
    this.#memoryTtlMs = nearest?.kind === 'memory' ? nearest.ttlMs : undefined;
    const maxEntries = memoryOf(store)?.maxEntries;
    const recorder = this.#settings.hasStatistics ? new Recorder({ maxEntries }) : undefined;
    this.#core = new Core({
      store,
      clock,
      names,
      events,
      outcomes: new Outcomes({ events, names, clock, keepsText: store.keeps === 'text', recorder }),
      throwsUndelivered,
      deadlineMs,
      waitUntil,
    });
    const told = new CacheInsight({
      core: this.#core,
      namespace: this.#settings.namespace,
      audit: () => this.#auditInSteps(),
      isEnabled: () => this.enabled,
      isCounted: recorder !== undefined,
    });
    this[insight] = told;
    this.#core.enabled = process.env['CACHETTE_DISABLED'] !== '1';
    const isShared = [stores].flat().some(({ kind }) => kind === 'backend');
    this.#leaveTermination = isShared ? beforeTermination(() => this.#flush()) : () => {};
    this.#identities = new Identities((code, message, method) => {
      this.#core.warn(code, message);
      if (method !== undefined) this.#core.outcomes.of(method).warnings.add(code);
    });
    this.#byHand = handSource('getOrLoad', () => Promise.resolve(undefined));
  }

  /** `false`: every call runs its method, and nothing is read or stored. Invalidations still reach the store. */
  get enabled(): boolean {
    return this.#core.enabled && this.#closing === undefined;
  }

  /** Turns the cache off and on again. */
  set enabled(enabled: boolean) {
    this.#core.enabled = enabled && this.#closing === undefined;
  }

  /**
   * Caches a plain function under `name`.
   *
   * @example
   * ```ts
   * import { createCache } from 'cachette';
   *
   * const cache = createCache();
   * const square = cache.wrap('square', async (n: number) => n * n, { ttl: '1h' });
   * await square(3); // 9
   * ```
   */
  wrap<F extends AsyncMethod>(
    name: string,
    fn: F,
    options: Omit<CachedOptions<undefined, F, Tag>, 'name' | 'per'> = {},
  ): WrappedFunction<F> {
    const where = `wrap('${name}')`;
    const handle = this.#cached(handSource(name, fn), { ...options, name, per: 'class' } as AnyCachedOptions, where);
    const wrapped = (...args: Args<F>): Promise<unknown> => handle.call(undefined, args);
    return Object.assign(wrapped, {
      forget: (...args: Args<F>) => handle.forget(undefined, args),
      forgetAll: () => handle.forgetAll(undefined),
      keyOf: (...args: Args<F>) => handle.keyOf(undefined, args),
    }) as unknown as WrappedFunction<F>;
  }

  /**
   * The value under `key`, or what `load` gives, which is stored. For code that is no method; `key` is any value that
   * identifies the call.
   *
   * @example
   * ```ts
   * import { createCache } from 'cachette';
   *
   * const cache = createCache();
   * const settings = await cache.getOrLoad('settings', async () => ({ theme: 'dark' }), { ttl: '1m', tags: 'settings' });
   * ```
   */
  getOrLoad<T>(key: unknown, load: () => Promise<T>, options: LoadOptions<T, Tag> = {}): Promise<T> {
    if (typeof load !== 'function') throw noFunction('getOrLoad', load, "getOrLoad('settings', async () => …)");
    const method = this.#handMethod(options as AnyCachedOptions);
    return method.callWith(undefined, [key], () => load()) as Promise<T>;
  }

  /** The value that `getOrLoad` stored under `key`, or undefined. */
  get(key: unknown): Promise<unknown> {
    return this.#handMethod({}).find(undefined, [key]);
  }

  /**
   * Makes every entry with one of these tags invalid, everywhere. After `done`, nobody gets a value that was computed from
   * the data before.
   *
   * @throws CacheConfigError if one of them is no tag
   */
  async invalidate(...tags: Tag[]): Promise<InvalidationResult> {
    return this.#invalidate(tags);
  }

  /**
   * Makes every entry with one of these tags count as expired, everywhere: it is loaded anew at the next call, and
   * `staleWhileRevalidate` and `staleIfError` may still serve it, as if its ttl had just passed. For data that are old, not
   * wrong; what is wrong is to be invalidated.
   *
   * @throws CacheConfigError if one of them is no tag
   *
   * @example
   * ```ts
   * import { createCache } from 'cachette';
   *
   * const cache = createCache();
   * const rates = cache.wrap('rates', async () => ({ eur: 1 }), { ttl: '1h', staleWhileRevalidate: '1h', tags: 'rates' });
   * await cache.expire('rates');
   * ```
   */
  async expire(...tags: Tag[]): Promise<InvalidationResult> {
    const names = this.#core.names.tags(checkedTags([...tags], 'expire'), false);
    return this.#invalidated({ tags, kind: 'expire' }, names);
  }

  /**
   * For the method that runs around, or the function given to `wrap` or `getOrLoad`: aborted when every caller has given up,
   * be it by `timeout.hard` or by an `AbortSignal` among its arguments. Elsewhere never.
   *
   * @example
   * ```ts
   * import { createCache } from 'cachette';
   *
   * const cache = createCache();
   * const page = cache.wrap('page', async (url: string) => (await fetch(url, { signal: cache.signal() })).text(), {
   *   timeout: { hard: '2s' },
   * });
   * ```
   */
  signal(): AbortSignal {
    return currentSignal();
  }

  /** Removes every entry of the namespace, and nothing outside it. */
  clear(): Promise<InvalidationResult> {
    return this.#clear();
  }

  /**
   * Invalidates what `source` says has changed, until it ends or `close()` is called: an async iterable of tags, or an emitter.
   * An item that is no change, and a source that ends or fails, invalidate everything and are told as an `error` event.
   *
   * @throws CacheConfigError if `source` is neither, or an option is wrong
   *
   * @example
   * ```ts
   * import { EventEmitter } from 'node:events';
   * import { createCache } from 'cachette';
   *
   * const cache = createCache();
   * const products = new EventEmitter();
   * const following = cache.follow(products, { event: 'saved', tags: ({ id }: { id: string }) => `product:${id}` });
   * products.emit('saved', { id: '1' });
   * await following.close();
   * ```
   */
  follow<Item>(source: AsyncIterable<Item> | ChangeEmitter, options: MappedFollowOptions<Item, Tag>): Following;
  follow(source: AsyncIterable<Change<Tag>> | ChangeEmitter, options?: FollowOptions): Following;
  follow(source: unknown, options: FollowOptions = {}): Following {
    if (this.#closing)
      throw new CacheConfigError({
        where: 'follow',
        what: 'the cache is closed',
        instead: 'give the source to one that is open',
      });
    const following = follow(source, options, {
      core: this.#core,
      deadlineMs: this.#settings.deadlineMs,
      invalidate: (tags) => this.invalidate(...(tags as Tag[])),
      clear: () => this.clear(),
    });
    this.#followed.add(following);
    void following.ended.then(() => this.#followed.delete(following));
    return following;
  }

  /**
   * Runs `fn`; cached calls inside run their methods, and nothing is read or stored. So do those that `fn` has left running, as in
   * `bypass(next)`. Returns what `fn` returns.
   */
  bypass<T>(fn: () => T): T {
    return withLastingScope({ mode: 'bypass' }, fn);
  }

  /** Runs `fn`; cached calls inside run their methods and store what they give. It reaches as far as {@link bypass}. */
  refresh<T>(fn: () => T): T {
    return withLastingScope({ mode: 'refresh' }, fn);
  }

  /**
   * Runs `fn`, which commits or rolls back data. What is invalidated or forgotten inside waits until `fn` has settled, also
   * where it throws, and resolves to `deferred` until then. A cached call inside gets an entry that nothing of that concerns, or
   * runs its method; nothing is stored, and no running method is shared. One inside another is part of the outermost.
   *
   * @example
   * ```ts
   * import { createCache } from 'cachette';
   *
   * const cache = createCache();
   * await cache.transaction(async () => {
   *   await cache.invalidate('product:1'); // { status: 'deferred' }
   * });
   * ```
   */
  transaction<T>(fn: () => Promise<T>): Promise<T> {
    return this.#core.transaction(fn);
  }

  /**
   * Runs `fn` and tells what each cached call inside did, and why.
   *
   * @example
   * ```ts
   * import { createCache } from 'cachette';
   *
   * const cache = createCache();
   * const { calls } = await cache.explain(() => cache.getOrLoad('greeting', async () => 'hello'));
   * calls[0]?.reason; // 'absent'
   * ```
   */
  async explain<T>(fn: () => Promise<T>): Promise<Explained<T>> {
    const calls: Outcome[] = [];
    const { listener: around } = currentScope();
    const listener = (outcome: Outcome): void => {
      calls.push(outcome);
      around?.(outcome);
    };
    const value = await withScope({ listener }, async () => fn());
    return { value, calls };
  }

  /** What was counted since the cache was made. */
  stats(): CacheStats {
    return this.#core.outcomes.stats();
  }

  /**
   * What could be better, in plain words, with what it would bring; and for each method the hit rate that other ttls and sizes
   * of memory would give. From a sample of the calls since the cache was made, in this process.
   *
   * @example
   * ```ts
   * import { createCache } from 'cachette';
   *
   * const cache = createCache();
   * for (const { what, change } of cache.audit().findings) console.log(`${what}: ${change}`);
   * ```
   */
  audit(): Audit {
    return atOnce(this.#auditInSteps());
  }

  #auditInSteps(): Generator<undefined, Audit> {
    const memory = memoryOf(this.#core.store);
    return this.#core.outcomes.auditInSteps(memory && { ...memory, ttlMs: this.#memoryTtlMs });
  }

  /**
   * Waits until every hit that `verify` has chosen so far is verified, and gives the mismatches that were found since the last call
   * of this, or since the cache was made. For the end of a test, before anything is put back: whoever calls it says that
   * what was written by now has been invalidated by now.
   *
   * @example
   * ```ts
   * import { createCache } from 'cachette';
   *
   * const cache = createCache('memory://', { defaults: { verify: 1 } });
   * await cache.verified(); // []
   * ```
   */
  verified(): Promise<readonly Mismatch[]> {
    return verified(this.#core);
  }

  /** Calls `listener` at each `event`; the returned function stops that. A listener that throws harms nobody. */
  on<K extends keyof CacheEvents>(event: K, listener: (value: CacheEvents[K]) => void): () => void {
    return this.#core.events.on(event, listener);
  }

  /** Ends writes and pending invalidations within the deadline, and closes what the cache opened. Calls then run their methods. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  #cached(source: MethodSource, options: AnyCachedOptions, where: string): CachedMethodHandle {
    checkCachedOptions(options, where);
    return this.#method(source, options, where);
  }

  #cachedMany(source: MethodSource, options: AnyCachedOptions, where: string): CachedMethodHandle {
    checkCachedOptions(options, where);
    return new CachedManyMethod(this.#core, this.#method(source, options, where), where);
  }

  #invalidates(source: MethodSource, options: AnyInvalidatesOptions, where: string): MethodHandle {
    const policy = invalidationPolicy(options, where);
    const cache: InvalidatingMethodParts['cache'] = {
      invalidate: (tags, write) => this.#invalidate(tags, write),
      clear: (write) => this.#clear(write),
    };
    return new InvalidatingMethod(source, { core: this.#core, policy, cache });
  }

  async #close(): Promise<void> {
    this.#core.enabled = false;
    this.#leaveTermination();
    await Promise.all([...this.#followed].map((following) => following.close()));
    await endVerifying(this.#core);
    await this.#settled();
    await this.#core.store.close();
  }

  async #flush(): Promise<void> {
    await this.#settled();
    await this.#core.store.flush();
  }

  /** Every operation has a deadline of its own; this is for a write that waits for another one. */
  async #settled(): Promise<void> {
    await withDeadline(this.#core.settled(), 4 * this.#settings.deadlineMs, this.#core).catch(() => undefined);
  }

  async #invalidate(tags: readonly string[], write?: number): Promise<InvalidationResult> {
    const names = this.#core.names.tags(checkedTags([...tags], 'invalidate'), true);
    return this.#invalidated({ tags, kind: 'invalidate' }, names, write);
  }

  #clear(write?: number): Promise<InvalidationResult> {
    return this.#invalidated({ tags: [], kind: 'invalidate' }, [this.#core.names.everything], write);
  }

  async #invalidated(told: Told, names: readonly string[], write?: number): Promise<InvalidationResult> {
    if (names.length === 0) return { status: 'done' };
    const { tags } = told;
    const transaction = transactionOf(this.#core);
    transaction?.tell(told);
    const status = await this.#core.invalidate(names, write);
    if (transaction) return { status };
    this.#core.tell(told, status);
    const what = tags.length === 0 ? 'clear()' : `The invalidation of ${tags.join(', ')}`;
    return this.#core.resultOf(status, what, tags);
  }

  #method(source: MethodSource, options: AnyCachedOptions, where: string): CachedMethod {
    const { defaults, maxStalenessMs } = this.#settings;
    const policy = cachedPolicy(options, { maxStaleness: maxStalenessMs, ...defaults }, where);
    const codec = this.#settings.codec ?? valueCodec(policy.revive);
    return new CachedMethod({
      core: this.#core,
      source,
      policy,
      identity: this.#identities.of(source, { name: policy.name, per: policy.per }),
      format: formatOf(policy, codec, this.#core),
      partition: policy.partitioned ? this.#settings.partition : undefined,
      isByHand: source === this.#byHand,
    });
  }

  /** The options of each `getOrLoad` are its own; its name is the same for all. */
  #handMethod(options: AnyCachedOptions): CachedMethod {
    checkCachedOptions(options, 'getOrLoad');
    return this.#method(this.#byHand, { ...options, name: 'getOrLoad', per: 'class' }, 'getOrLoad');
  }
}

function memoryOf(store: Store): MemoryFacts | undefined {
  const [first, ...behind] = store.state().stores;
  return first?.tier === 'memory' ? { ...first, isOnlyStore: behind.length === 0 } : undefined;
}

function handSource(name: string, original: AsyncMethod): MethodSource {
  if (typeof original === 'function') {
    return createMethodSource({ name, key: name, original, isStatic: false, isPrivate: false, home: undefined });
  }
  throw noFunction(`wrap('${name}')`, original, "wrap('name', async (…) => …, options)");
}

function noFunction(where: string, given: unknown, usage: string): CacheConfigError {
  return new CacheConfigError({ where, what: `${String(given)} is not a function`, instead: `write cache.${usage}` });
}
