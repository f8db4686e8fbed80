/**
 * Runs the method and stores what it brings, under the generations that stood before it ran.
 *
 *   T0 reads x: absent · T0 reads its row · the row changes · invalidate(a) deletes Ga, returns · T0 stores x
 *
 * With the generations captured before the compute, what T0 stores is already invalid; captured afterwards, it would be
 * stale until its ttl.
 */

import type { Entry, Generation, Payload } from '../base/entry.js';
import { CacheConfigError } from '../base/errors.js';
import { errorTypeOf, textOf } from '../base/text.js';
import { UnstorableError } from '../policies/codec.js';
import type { Flight, Landing } from '../policies/flight.js';
import { presumedTtlMs, tagLifetimeMs, type Tokens, unknownToken, versionName } from '../policies/generations.js';
import type { PayloadFormat } from '../policies/payload.js';
import type { Reading } from '../stores/store.js';
import type { Core } from './core.js';
import type { Counts, WhyUnstored } from './counts.js';
import type { Policy } from './policy.js';
import { Inheritance, withScope } from './scope.js';

/** An entry with more tags than this would make each hit dear. */
const tagsAtMost = 64;

/** Told whether the method has to run for a call, by somebody who runs it for several at once. */
export interface Decision {
  /** The call waits for somebody else's run. */
  made(): void;
  /** That is over, and may have brought nothing. */
  reopened(): void;
}

/**
 * The method of one call, told what is aborted when nobody waits any more. Its being called is a decision too, and so is that
 * the call has its answer.
 */
export interface Run {
  (signal?: () => AbortSignal): PromiseLike<unknown>;
  readonly decision?: Decision;
  /** The run that has just ended, where it was one for several calls. */
  readonly joint?: () => JointRun | undefined;
}

/** One run of a method for several calls. */
export interface JointRun {
  readonly calls: number;
  readonly durationMs: number;
  /** True the first time that it is asked: one of the calls tells of the run, for all. */
  isToBeTold(): boolean;
}

/** One call of a cached method, with its key. */
export interface Subject {
  readonly policy: Policy;
  readonly format: PayloadFormat;
  /** `Class.method`. */
  readonly method: string;
  /** The generation of all its entries. */
  readonly methodGeneration: string;
  readonly counts: Counts;
  readonly key: string;
  readonly self: unknown;
  readonly args: readonly unknown[];
  readonly run: Run;
  /** The key that the call has by now, as its arguments are; undefined if it has none any more. */
  readonly keyNow: () => string | undefined;
}

export interface Computed {
  readonly value: unknown;
  readonly landing: Landing;
  /** Whether an entry with the result is kept, which no caller waits for; undefined if it is not to be. */
  readonly stored: Promise<boolean> | undefined;
  /** The user's `storeWhen` has said that this result is not to be kept. */
  readonly isUnwanted: boolean;
}

/** Late generations with the tokens that make the result storable; `undefined` where none was read before the compute. */
type LateTokens = ReadonlyMap<string, string | undefined>;

/** What the user's functions say of a result. */
interface Verdict {
  readonly store: boolean;
  readonly ttlMs: number;
  readonly resultNames: readonly string[];
}

/** What the call around a compute says. */
export interface ComputeOptions {
  /** The generations that it knows from its arguments. */
  readonly names: readonly string[];
  /** What the method's `version` gave; undefined where it has none. */
  readonly version: string | undefined;
  /** `false`: the version is not known, and so nobody could say whether the result is still right. */
  readonly isStorable: boolean;
  /** Whether a failure is kept. */
  readonly keepsError: (error: unknown) => boolean;
  /** Whether the arguments still are what the key says. */
  readonly isSameCall: () => boolean;
}

/** What the method gave, and what it was given under. */
interface Result {
  readonly own: Tokens | undefined;
  readonly payload: Payload | undefined;
  readonly inheritance: Inheritance;
  readonly value: unknown;
  readonly holds: () => boolean;
}

/** What an entry is made of. */
interface Storable {
  readonly verdict: Verdict;
  readonly generations: readonly Generation[];
  readonly late: LateTokens;
  readonly holds: () => boolean;
}

export class Compute {
  readonly flight: Flight;
  readonly #core: Core;
  readonly #subject: Subject;
  readonly #options: ComputeOptions;
  #stored: Promise<boolean> | undefined;
  #isError = false;
  #isUnwanted = false;
  #loadMs = 0;

  constructor(core: Core, subject: Subject, flight: Flight, options: ComputeOptions) {
    this.#core = core;
    this.#subject = subject;
    this.flight = flight;
    this.#options = options;
  }

  /** Whether an entry with the result is kept; undefined if none is to be. */
  get stored(): Promise<boolean> | undefined {
    return this.#stored;
  }

  /** Undefined if, when the method is about to run, the call has become another one. */
  async run(reading: Reading): Promise<Computed | undefined> {
    const { flights, seen } = this.#core;
    const { names, version, isStorable } = this.#options;
    const captured = isStorable ? await this.#capture(reading) : undefined;
    const own = captured && new Map(names.map((name) => [name, captured.get(name)]));
    if (captured) seen.note(captured, flights.arrival());
    if (!this.#options.isSameCall()) return undefined;
    // Who would join compares the version as if it were a generation.
    const comparable = own && version !== undefined ? new Map(own).set(versionName, version) : own;
    this.flight.start(flights.startTime(), comparable, reading.holds);

    const inheritance = new Inheritance(this.#core);
    const { isStrong } = this.flight;
    const startedAt = this.#core.time.monotonicMs();
    let value: unknown;
    try {
      value = await withScope({ inheritance, flight: this.flight, signal: undefined, isStrong }, () =>
        this.#run(inheritance),
      );
    } catch (error) {
      this.#loaded(startedAt, { error });
      if (this.#options.keepsError(error)) await this.#keep(error, { own, inheritance, holds: reading.holds });
      throw error;
    }
    this.#loaded(startedAt);

    flights.outdateBefore(this.flight);
    const payload = this.#take(value);
    const landing = await this.#land({ own, payload, inheritance, value, holds: reading.holds });
    const isUnwanted = this.#isUnwanted;
    return { value: this.#handedOut(value, payload), landing, stored: this.#stored, isUnwanted };
  }

  #loaded(startedAt: number, failure?: { readonly error: unknown }): void {
    const { method, key, counts, run } = this.#subject;
    const joint = run.joint?.();
    const durationMs = joint?.durationMs ?? this.#core.time.monotonicMs() - startedAt;
    // What the call would have cost by itself nobody knows; all of them together cost this one run.
    this.#loadMs = durationMs / (joint?.calls ?? 1);
    if (joint && !joint.isToBeTold()) return;
    const status = failure ? 'error' : 'ok';
    const errorType = failure && errorTypeOf(failure.error);
    this.#core.outcomes.loaded(counts, { method, key, status, durationMs, errorType });
  }

  /** The failure is stored like a result, to be thrown again. */
  async #keep(error: unknown, under: Pick<Result, 'own' | 'inheritance' | 'holds'>): Promise<void> {
    this.#core.flights.outdateBefore(this.flight);
    this.#isError = true;
    const payload = this.#take(error);
    if (payload) await this.#land({ ...under, payload, value: undefined });
  }

  async #run(inheritance: Inheritance): Promise<unknown> {
    try {
      return await this.#subject.run(() => this.flight.signal);
    } catch (error) {
      this.flight.failedUnverified = this.#hasMetLateTags(inheritance);
      throw error;
    } finally {
      inheritance.seal();
    }
  }

  /**
   * A failure is as old as what the method has read:
   *
   *   T1 computes o, which calls x: no such row · the row comes, invalidate(a) returns · T0 reads o: Gb unchanged, joins ·
   *   T1 fails as there is no such row: T0 must not
   */
  #hasMetLateTags({ taint, generations }: Inheritance): boolean {
    return taint !== undefined || generations.size > 0 || this.#subject.policy.resultTags !== undefined;
  }

  /** Who ran the method gets what it gave, unless nobody may change that. */
  #handedOut(value: unknown, payload: Payload | undefined): unknown {
    if (!payload || this.#subject.policy.copies !== 'frozen') return value;
    try {
      return payload.copy();
    } catch {
      return value;
    }
  }

  /** The tokens that stand before the method runs; missing ones are made. Undefined if any is not known for certain. */
  async #capture({ tokens }: Reading): Promise<Tokens | undefined> {
    if (!tokens) return undefined;
    const { names } = this.#options;
    const missing = [...new Set([...names, ...tokens.keys()])].filter((name) => tokens.get(name) === undefined);
    if (missing.length === 0) return tokens;
    const made = await Promise.all(missing.map((name) => this.#core.store.mint(name, this.#lifetimeMs(name))));
    const captured = new Map([...tokens, ...missing.map((name, i) => [name, made[i]] as const)]);
    return names.every((name) => captured.get(name) !== undefined) ? captured : undefined;
  }

  #lifetimeMs(name: string): number {
    return this.#core.names.isReserved(name) ? Infinity : tagLifetimeMs(this.#subject.policy);
  }

  /** Takes the result as it is now, before anybody can change it. */
  #take(value: unknown): Payload | undefined {
    try {
      return this.#subject.format.fromValue(value);
    } catch (error) {
      if (error instanceof UnstorableError && error.kind === 'stream' && !this.#isError) throw this.#refusal(error);
      const what = error instanceof Error ? error.message : textOf(error);
      const isInstance = error instanceof UnstorableError && error.kind === 'instance';
      const otherwise = this.#isError ? '' : ', or return a plain object';
      const instead = isInstance ? `; name its class in \`revive\`${otherwise}` : '';
      const kind = this.#isError ? 'error' : 'result';
      const why = this.#isError ? what.replace(/^result\b/, 'it') : what;
      this.#unstored('unstorable');
      this.#core.warn('unstorable', `${this.#subject.policy.where}: the ${kind} is not cached, as ${why}${instead}`);
      return undefined;
    }
  }

  /** A stream can be read once; the second caller would get an empty one. */
  #refusal(error: UnstorableError): CacheConfigError {
    return new CacheConfigError(
      {
        where: this.#subject.policy.where,
        what: `${error.path} is ${error.what}, which can be read only once`,
        instead: 'read it inside the method and return what it gave, or cache a method that does',
      },
      { cause: error },
    );
  }

  async #land(result: Result): Promise<Landing> {
    const { own, payload, inheritance, value, holds } = result;
    const verdict = this.#verdict(value);
    this.#isUnwanted = verdict?.store === false;
    if (this.#isUnwanted) this.#unstored('storeWhen');
    const names = verdict && this.#allNames(inheritance, verdict);
    const late = own && verdict && this.#late(own, inheritance, verdict);
    const now = late && (late.size === 0 ? late : await this.#readAgain(late));
    if (!late || !verdict || !now) {
      this.flight.close();
      // Not where generations are known and do not fit: then the data are mixed of before and after an invalidation.
      const isUnanswered = own === undefined || (late !== undefined && now === undefined);
      if (isUnanswered && this.#options.isStorable && verdict?.store && payload && names)
        this.#storeForNow(verdict, payload, names);
      return { payload, generations: undefined, names, verified: false };
    }
    const verified = late.size === 0 || (holds() && this.#isUnchanged(late, now));
    const generations = [...own, ...late] as Generation[];
    if (payload && verdict.store && holds())
      this.#store({ verdict, generations, late, holds }, verified ? payload : undefined);
    return { payload, generations: verified && holds() ? generations : undefined, names, verified };
  }

  #allNames({ names: inherited }: Inheritance, { resultNames }: Verdict): readonly string[] | undefined {
    const isInherited = this.#subject.policy.inheritTags;
    if (isInherited && !inherited) return undefined;
    return [...new Set([...this.#options.names, ...((isInherited && inherited) || []), ...resultNames])];
  }

  /** What the user's functions say; undefined if one of them fails, which costs the entry and never the call. */
  #verdict(value: unknown): Verdict | undefined {
    const { policy, self, args } = this.#subject;
    if (this.#isError)
      return { store: true, ttlMs: policy.jittered(policy.errors?.ttlMs ?? presumedTtlMs), resultNames: [] };
    try {
      const tags = policy.resultTags?.(self, value, args) ?? [];
      return {
        store: policy.storeWhen?.(self, value, args) ?? true,
        ttlMs: policy.jittered(policy.ttlOf(self, value, args)),
        resultNames: this.#core.names.tags(tags, policy.staleMs > 0),
      };
    } catch (error) {
      this.#core.report({ code: 'callback', message: `${policy.where}: ${textOf(error)}`, cause: error, loud: true });
      return undefined;
    }
  }

  /**
   * The generations that the arguments do not tell. A result tag's has to have been read before the compute, an inherited
   * one's is what the call inside was captured under. Undefined if the result depends on what has no generation, or on
   * one tag under two of them.
   */
  #late(own: Tokens, inheritance: Inheritance, { resultNames }: Verdict): LateTokens | undefined {
    const late = new Map<string, string | undefined>();
    if (this.#subject.policy.inheritTags) {
      if (inheritance.taint !== undefined) return undefined;
      for (const [name, token] of inheritance.generations) {
        if (!own.has(name)) late.set(name, token);
        else if (own.get(name) !== token) return undefined;
      }
    }
    for (const name of resultNames) {
      if (own.has(name)) continue;
      const before = this.#core.seen.before(name, this.flight.startedAt);
      late.set(name, !late.has(name) || late.get(name) === before ? before : undefined);
    }
    return late;
  }

  /**
   * Reads the late generations once more, for those who joined without having compared them. From now on nobody joins:
   *
   *   T1 reads Gb: unchanged · invalidate(b) returns · T0 joins: stale
   */
  async #readAgain(late: LateTokens): Promise<Tokens | undefined> {
    this.flight.close();
    const { store, seen, flights } = this.#core;
    const now = await store.readTokens([...late.keys()]);
    if (now) seen.note(now, flights.arrival());
    return now;
  }

  #isUnchanged(late: LateTokens, now: Tokens): boolean {
    for (const [name, token] of late) {
      if (token === undefined || now.get(name) !== token || this.flight.isFenced(name)) return false;
    }
    return true;
  }

  /** Without a payload, the names of the late tags are kept, so that the next compute captures them first. */
  #store({ verdict, generations, late, holds }: Storable, payload: Payload | undefined): void {
    const { key } = this.#subject;
    if (this.#hasTooManyTags(generations.map(([name]) => name))) return;
    if (late.size > 0) this.#core.hints.set(key, [...late.keys()]);
    if (!payload && ![...late.values()].includes(undefined)) return;
    const entry = this.#entry(
      verdict.ttlMs,
      payload,
      payload ? generations : unknown(generations.map(([name]) => name)),
    );
    const written = this.#core.commit(key, entry, () => holds() && this.#isWanted(entry));
    this.#core.outcomes.stored(this.#subject.counts, key, { entry, written });
    if (!payload) return;
    this.#stored = written;
    void written.then((isKept) => {
      if (!isKept) this.#unstored('not kept');
    });
  }

  #unstored(why: WhyUnstored): void {
    this.#core.outcomes.unstored(this.#subject.counts, this.#subject.key, why);
  }

  /** The store says nothing: a memory in front of it keeps the result for the grace period. */
  #storeForNow(verdict: Verdict, payload: Payload, names: readonly string[]): void {
    if (this.#core.store.graceMs === 0 || this.flight.isStrong || this.#hasTooManyTags(names)) return;
    const entry = this.#entry(verdict.ttlMs, payload, unknown(names));
    void this.#core.commit(this.#subject.key, entry, () => this.#isWanted(entry));
  }

  #hasTooManyTags(names: readonly string[]): boolean {
    const tags = names.filter((name) => this.#core.names.isTag(name)).length;
    if (tags <= tagsAtMost) return false;
    this.#unstored('too many tags');
    const { where } = this.#subject.policy;
    this.#core.warn(
      'tags',
      `${where}: the result is not cached, as it has over ${tagsAtMost} tags; give it one that covers them, with inheritTags: false if they come from calls inside`,
    );
    return true;
  }

  #entry(ttlMs: number, payload: Payload | undefined, generations: readonly Generation[]): Entry {
    const { sliding, maxLifetimeMs, staleMs } = this.#subject.policy;
    const writtenAt = this.#core.clock.now();
    const isError = this.#isError;
    return {
      writtenAt,
      ttlMs,
      sliding: sliding && !isError,
      maxLifetimeMs,
      accessedAt: writtenAt,
      staleMs: isError ? 0 : staleMs,
      generations,
      payload,
      isError,
      version: this.#options.version,
      loadMs: this.#loadMs,
    };
  }

  #isWanted({ generations }: Entry): boolean {
    return this.flight.storable && !generations.some(([name]) => this.flight.isFenced(name));
  }
}

function unknown(names: readonly string[]): Generation[] {
  return names.map((name) => [name, unknownToken]);
}
