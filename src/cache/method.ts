/** One decorated method in one cache: from a call to its key, and straight to the answer where memory has it. */

import { CacheConfigError, isInvalidationError } from '../base/errors.js';
import { textOf } from '../base/text.js';
import { type PayloadFormat, payloadFormat } from '../policies/payload.js';
import { freshnessOf, isAging } from '../policies/freshness.js';
import { UnkeyableError } from '../policies/key.js';
import type { LocalHit } from '../stores/store.js';
import { Call, inherit, slide } from './call.js';
import type { Run, Subject } from './compute.js';
import type { Core } from './core.js';
import { type CachedMethodHandle, type InvalidationResult, runOriginal } from './host.js';
import type { Identified, MethodIdentity, MethodSource } from './identity.js';
import type { Counts } from './counts.js';
import type { AnsweredCall } from './outcomes.js';
import type { InvalidationPolicy, Policy } from './policy.js';
import { refresh } from './refresh.js';
import { verify } from './verify.js';
import { currentScope, type Scope, transactionOf } from './scope.js';
import { withSignal } from './signals.js';

/** Where a method's entries lie, per name that it has. */
interface Place {
  readonly identified: Identified;
  readonly counts: Counts;
  readonly methodGeneration: string;
  /** Of the keys without a partition. */
  readonly prefix: string;
  /**
   * Keys without a partition, by an only argument. A key that is made anew is hashed anew when it is looked up, which
   * costs more than all the rest of a hit in memory.
   */
  readonly keys: Map<string | number, string>;
}

/** A method with more keys than this begins to remember them afresh. */
const rememberedKeys = 10_000;

interface KeyedCall {
  readonly key: string;
  readonly place: Place;
}

/** A key, or why there is none. */
type Keyed = KeyedCall | { readonly key: undefined; readonly reason: string };

/** A call that has a key. */
interface CalledWith {
  readonly key: string;
  readonly self: unknown;
  readonly args: readonly unknown[];
}

export interface CachedMethodParts {
  readonly core: Core;
  readonly source: MethodSource;
  readonly policy: Policy;
  readonly identity: MethodIdentity;
  readonly format: PayloadFormat;
  /** Undefined where the cache has no partitions or this method is the same in all of them. */
  readonly partition: (() => string | undefined) | undefined;
  /** Each call may have options of its own. Default: a method, whose calls have the same. */
  readonly isByHand?: boolean;
}

export class CachedMethod implements CachedMethodHandle {
  readonly source: MethodSource;
  readonly #core: Core;
  readonly #policy: Policy;
  readonly #identity: MethodIdentity;
  readonly #format: PayloadFormat;
  readonly #partition: (() => string | undefined) | undefined;
  /** The generations of tags that are the same for each call; undefined where a function tells them. */
  readonly #fixedNames: readonly string[] | undefined;
  readonly #isByHand: boolean;
  readonly #places = new Map<string, Place>();
  #lastPlace: Place | undefined;

  constructor(parts: CachedMethodParts) {
    this.source = parts.source;
    this.#core = parts.core;
    this.#policy = parts.policy;
    this.#identity = parts.identity;
    this.#format = parts.format;
    this.#partition = parts.partition;
    this.#fixedNames = parts.policy.fixedTags?.map((tag) => parts.core.names.tag(tag));
    this.#isByHand = parts.isByHand ?? false;
  }

  call(self: unknown, args: unknown[]): Promise<unknown> {
    return this.callWith(self, args, undefined);
  }

  /** The same with another function to run instead of the method. What a hit has no use for is not made for it. */
  callWith(self: unknown, args: unknown[], other: Run | undefined): Promise<unknown> {
    const scope = currentScope();
    const unused = this.#whyUnused(scope, self, args);
    if (unused !== undefined) return this.#runPlain(scope, { self, run: other ?? this.#runOf(self, args) }, unused);
    const keyed = this.#keyed(self, args);
    if (keyed.key === undefined)
      return this.#runPlain(scope, { self, run: other ?? this.#runOf(self, args) }, keyed.reason);
    const { key, place } = keyed;
    const now = this.#core.clock.now();
    const local = this.#mayPeek(scope) ? this.#peek(scope, key, now, { self, args }) : undefined;
    if (local && this.#policy.refreshAhead !== undefined && this.#isDue(local, now))
      refresh(this.#core, this.#subject(place, { key, self, args }, other), local.entry);
    const served = local && this.#serve(local, scope, keyed, now);
    if (served && this.#policy.verify > 0)
      verify(this.#core, this.#subject(place, { key, self, args }, other), local.entry);
    return served ?? this.#callStore(scope, this.#subject(place, { key, self, args }, other));
  }

  /** The method, for one call. */
  #runOf(self: unknown, args: readonly unknown[]): Run {
    return (signal) => runOriginal(this.source, self, signal ? withSignal(args, signal) : args);
  }

  /** Inside a transaction an entry is held against what is pending there, and its window does not slide. */
  #mayPeek(scope: Scope): boolean {
    return scope.mode === 'cached' && !this.#policy.versionOf && !transactionOf(this.#core, scope);
  }

  /** The value of a call if there is a valid entry; the method does not run. */
  async find(self: unknown, args: readonly unknown[]): Promise<unknown> {
    const keyed = this.#core.enabled ? this.#keyed(self, args) : undefined;
    if (keyed?.key === undefined) return undefined;
    const run = (): Promise<undefined> => Promise.resolve(undefined);
    const subject = this.#subject(keyed.place, { key: keyed.key, self, args }, run);
    const scope = currentScope();
    const found = await new Call(this.#core, subject, scope).find();
    if (!found) inherit(this.#core, scope, undefined);
    return found?.value;
  }

  async forget(self: unknown, args: readonly unknown[]): Promise<InvalidationResult> {
    const key = this.keyOf(self, args);
    const isInside = transactionOf(this.#core) !== undefined;
    const status = await this.#core.forget(key);
    return isInside ? { status } : this.#core.resultOf(status, `The removal of ${key}`);
  }

  async forgetAll(self: unknown): Promise<InvalidationResult> {
    const place = this.#place(self);
    if (typeof place === 'string') throw this.#noKey(place);
    const isInside = transactionOf(this.#core) !== undefined;
    const status = await this.#core.invalidate([place.methodGeneration]);
    if (isInside) return { status };
    return this.#core.resultOf(status, `The removal of every entry of ${place.identified.id}`);
  }

  keyOf(self: unknown, args: readonly unknown[]): string {
    const keyed = this.#keyed(self, args);
    if (keyed.key === undefined) throw this.#noKey(keyed.reason);
    return keyed.key;
  }

  #noKey(reason: string): CacheConfigError {
    const what = `the call has no key: ${reason}`;
    return new CacheConfigError({ where: this.#policy.where, what, instead: 'such calls are never cached' });
  }

  #subject(place: Place, { key, self, args }: CalledWith, other: Run | undefined): Subject {
    return {
      policy: this.#policy,
      format: this.#format,
      method: place.identified.id,
      methodGeneration: place.methodGeneration,
      counts: place.counts,
      key,
      self,
      args,
      keyNow: () => this.#keyed(self, args).key,
      run: other ?? this.#runOf(self, args),
    };
  }

  /** The tags of a call are the user's to tell; where that fails, the call is made without the cache. */
  #callStore(scope: Scope, subject: Subject): Promise<unknown> {
    let call: Call;
    try {
      call = new Call(this.#core, subject, scope);
    } catch (error) {
      return this.#runPlain(scope, subject, this.#callbackFailed(error));
    }
    return call.answer();
  }

  #peek(
    { isStrong }: Scope,
    key: string,
    now: number,
    { self, args }: Pick<CalledWith, 'self' | 'args'>,
  ): LocalHit | undefined {
    const local = this.#core.store.peek(key, now, isStrong ? 0 : this.#policy.maxStalenessMs);
    // Which version is the current one only the method's own function knows.
    if (!local || local.entry.version !== undefined) return undefined;
    const names = this.#namesBeyondKey(self, args);
    if (names === undefined) return undefined;
    for (const name of names) if (!local.carries(name)) return undefined;
    return local;
  }

  /**
   * An entry may have been stored without a tag that this call has, and an invalidation would not find it: by an earlier
   * version of the program, by another function of the same name, by `getOrLoad` with other options, by a call whose
   * arguments are the same only to `key`. Undefined where the tags cannot be told.
   */
  #namesBeyondKey(self: unknown, args: readonly unknown[]): readonly string[] | undefined {
    if (this.#fixedNames) return this.#fixedNames;
    if (!this.#isByHand && !this.#policy.hasOwnKey) return [];
    try {
      return this.#policy.tags(self, args).map((tag) => this.#core.names.tag(tag));
    } catch {
      return undefined;
    }
  }

  #isDue(local: LocalHit, now: number): boolean {
    const { store } = this.#core;
    const { entry } = local;
    if (!isAging(entry, now, this.#policy.refreshAhead)) return false;
    const chance = store.canLease ? undefined : 1 - Math.random();
    const condition = {
      entry,
      remainingMs: local.remainingMs(now),
      flaw: undefined,
      now,
      chance,
    };
    const freshness = freshnessOf(condition, this.#policy);
    return freshness.state === 'fresh' && freshness.isDue;
  }

  /** Undefined if no copy can be made, as a class's own `fromPlain` may fail; the read path tells of it. */
  #serve(hit: LocalHit, scope: Scope, { key, place }: KeyedCall, now: number): Promise<unknown> | undefined {
    const { entry } = hit;
    const { payload, isError } = entry;
    let value: unknown;
    try {
      value = payload?.copy();
    } catch {
      return undefined;
    }
    if (hit.slides)
      this.#core.inBackground(slide(this.#core, { key, format: this.#format }, entry, this.#core.writes.changes));
    if (scope.inheritance) inherit(this.#core, scope, entry.generations);
    this.#core.outcomes.tellLocal({
      method: place.identified.id,
      counts: place.counts,
      key,
      reason: isError ? 'error kept' : 'fresh',
      entry,
      hit,
      now,
      listener: scope.listener,
    });
    return isError ? Promise.reject(value) : Promise.resolve(value);
  }

  #whyUnused({ mode }: Scope, self: unknown, args: readonly unknown[]): string | undefined {
    if (!this.#core.enabled) return 'disabled';
    if (mode === 'bypass') return 'bypass';
    const { when } = this.#policy;
    if (!when) return undefined;
    try {
      return when(self, args) ? undefined : 'when';
    } catch (error) {
      return this.#callbackFailed(error);
    }
  }

  #keyed(self: unknown, args: readonly unknown[]): Keyed {
    try {
      const place = this.#place(self);
      if (typeof place === 'string') return { key: undefined, reason: place };
      const identifying = this.#policy.keyed(self, args);
      if (!this.#partition) return { key: this.#unpartitioned(place, identifying), place };
      const prefix = this.#partitioned(place, this.#partition());
      if (prefix === undefined) return { key: undefined, reason: 'no partition' };
      return { key: this.#core.names.entry(prefix, identifying), place };
    } catch (error) {
      if (!(error instanceof UnkeyableError)) return { key: undefined, reason: this.#callbackFailed(error) };
      this.#core.warn(
        'unkeyable',
        `${this.#policy.where}: calls are not cached, as ${error.path} is ${error.what}; ` +
          'give `key`, or a [cacheIdentity]() method to its class',
      );
      return { key: undefined, reason: 'unkeyable' };
    }
  }

  #unpartitioned({ keys, prefix }: Place, identifying: readonly unknown[]): string {
    const only = identifying.length === 1 ? identifying[0] : undefined;
    if (!isMemorable(only)) return this.#core.names.entry(prefix, identifying);
    let key = keys.get(only);
    if (key === undefined) {
      key = this.#core.names.entry(prefix, identifying);
      if (keys.size >= rememberedKeys) keys.clear();
      keys.set(only, key);
    }
    return key;
  }

  #partitioned({ identified }: Place, partition: string | undefined): string | undefined {
    if (partition === undefined) return undefined;
    return this.#core.names.entryPrefix({ ...this.#entryPlace(identified), partition });
  }

  /** The place of this object's entries, or the word for why it has none. */
  #place(self: unknown): Place | string {
    const identified = this.#identity.resolve(self);
    if (identified.kind === 'unidentified') return 'naming';
    if (this.#lastPlace?.identified === identified) return this.#lastPlace;
    return (this.#lastPlace = this.#findPlace(identified));
  }

  #findPlace(identified: Identified): Place {
    const { names, outcomes } = this.#core;
    const known = this.#places.get(identified.id);
    if (known?.identified === identified) return known;
    const place = {
      identified,
      counts: outcomes.of(identified.id, this.#isByHand ? undefined : this.#policy),
      methodGeneration: names.method(identified.id),
      prefix: names.entryPrefix({ ...this.#entryPlace(identified), partition: undefined }),
      keys: new Map<string | number, string>(),
    };
    // One per class; those of single objects would never end.
    if (identified.instance === undefined) this.#places.set(identified.id, place);
    return place;
  }

  #entryPlace({ id, instance }: Identified): { id: string; instance: string | undefined; version: string | undefined } {
    return { id, instance, version: this.#policy.version };
  }

  #runPlain(scope: Scope, { self, run }: Pick<Subject, 'self' | 'run'>, reason: string): Promise<unknown> {
    const { outcomes, time } = this.#core;
    inherit(this.#core, scope, undefined);
    const method = this.#nameOf(self);
    const since = time.monotonicMs();
    const call: AnsweredCall = {
      status: 'bypass',
      method,
      counts: outcomes.of(method),
      key: undefined,
      reason,
      entry: undefined,
      tier: undefined,
      tags: [],
      hasWaited: false,
      failure: undefined,
      durationMs: () => time.monotonicMs() - since,
      listener: scope.listener,
    };
    if (outcomes.isHeard(scope.listener)) return this.#runWatched(call, run);
    outcomes.tell(call);
    return settle(run);
  }

  /** Tells of the call when it is answered, as of any other: after the calls inside. */
  async #runWatched(call: AnsweredCall, run: () => PromiseLike<unknown>): Promise<unknown> {
    let failure: AnsweredCall['failure'];
    try {
      return await run();
    } catch (error) {
      failure = { error };
      throw error;
    } finally {
      this.#core.outcomes.tell({ ...call, failure });
    }
  }

  #nameOf(self: unknown): string {
    try {
      return this.#identity.nameOf(self) ?? this.source.name;
    } catch {
      // A proxy may refuse to tell its class.
      return this.source.name;
    }
  }

  #callbackFailed(error: unknown): string {
    const message = `${this.#policy.where}: a function in the options threw: ${textOf(error)}`;
    this.#core.report({ code: 'callback', message, cause: error, loud: true });
    return 'callback';
  }
}

/** To a Map 0 and -0 are the same; a long text would be kept alive for nothing. */
function isMemorable(only: unknown): only is string | number {
  return typeof only === 'string' ? only.length <= 64 : typeof only === 'number' && only !== 0;
}

/** A method that throws at once rejects like any other. */
async function settle(run: Run): Promise<unknown> {
  return run();
}

/** Invalidates and tells of it; the cache itself. `write`: of which of the writers it is. */
interface Invalidator {
  invalidate(tags: readonly string[], write: number): Promise<unknown>;
  clear(write: number): Promise<unknown>;
}

export interface InvalidatingMethodParts {
  readonly core: Core;
  readonly policy: InvalidationPolicy;
  readonly cache: Invalidator;
}

/** A method that writes: runs, and then invalidates what its tags say, before its caller goes on. */
export class InvalidatingMethod {
  readonly source: MethodSource;
  readonly #core: Core;
  readonly #policy: InvalidationPolicy;
  readonly #cache: Invalidator;

  constructor(source: MethodSource, { core, policy, cache }: InvalidatingMethodParts) {
    this.source = source;
    this.#core = core;
    this.#policy = policy;
    this.#cache = cache;
  }

  call(self: unknown, args: unknown[]): Promise<unknown> {
    return this.#core.writers.during((write) => this.#run(self, args, write));
  }

  async #run(self: unknown, args: unknown[], write: number): Promise<unknown> {
    let result: unknown;
    try {
      result = await runOriginal(this.source, self, args);
    } catch (error) {
      // A write that failed may have been committed all the same: its answer may have been lost.
      // Its own error says more than that the invalidation could not be delivered either.
      if (!this.#policy.onSuccessOnly)
        await this.#invalidateTags(write, () => this.#policy.tags(self, args)).catch(() => undefined);
      throw error;
    }
    await this.#invalidateTags(write, () => [
      ...this.#policy.tags(self, args),
      ...this.#policy.resultTags(self, result, args),
    ]);
    return result;
  }

  /** Tags that cannot be told, or are none, may be any: everything is invalidated rather than something missed. */
  async #invalidateTags(write: number, tags: () => readonly string[]): Promise<void> {
    try {
      await this.#cache.invalidate(tags(), write);
    } catch (error) {
      if (isInvalidationError(error)) throw error;
      const message = `${this.#policy.where}: its tags could not be told, so every entry was invalidated: ${textOf(error)}`;
      this.#core.report({ code: 'callback', message, cause: error, loud: true });
      await this.#cache.clear(write);
    }
  }
}

export function formatOf(policy: Policy, codec: Parameters<typeof payloadFormat>[0], core: Core): PayloadFormat {
  return payloadFormat(codec, policy.copies, policy.revive, core.store.keeps);
}
