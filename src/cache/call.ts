/** The one read path: how a call is answered that memory could not answer at once. */

import type { Entry, Payload } from '../base/entry.js';
import { isCacheConfigError, isCacheTimeoutError } from '../base/errors.js';
import type { OutcomeStatus, Tier } from '../base/events.js';
import type { Flight, Landing } from '../policies/flight.js';
import { type Freshness, freshnessOf } from '../policies/freshness.js';
import { isAbortSignal } from '../policies/key.js';
import type { Reading } from '../stores/store.js';
import { Compute, type Computed, type Subject } from './compute.js';
import type { Core } from './core.js';
import { takeTurn, tryTurn, type Turn } from './fleet.js';
import { type Expectation, flawOf } from './judgement.js';
import { waitFor } from './patience.js';
import { currentScope, type Scope, transactionOf, withoutScope } from './scope.js';
import type { Transaction } from './transaction.js';

const elsewhere: Landing = {
  payload: undefined,
  generations: undefined,
  names: undefined,
  verified: false,
  isElsewhere: true,
};

/** Boxed, as `undefined` is a value too. */
interface Answer {
  readonly value: unknown;
  /** The value is an error that was kept, to be thrown. */
  readonly isError?: boolean;
  readonly isStale?: boolean;
}

/** What an entry is good for, and why it is not better. */
interface Judgement {
  /** Undefined where there is no entry, or nothing that it could be held against. */
  readonly freshness: Freshness | undefined;
  readonly reason: string;
}

/** Why a stale value is served: a new one is on its way, the method has failed, or it is late. */
type Stale = 'revalidating' | 'error' | 'timeout';

/** A running compute that a call waits for. */
interface Joined {
  readonly flight: Flight;
  /** Nobody can say whether it is older than an invalidation elsewhere: the store says nothing. */
  readonly isUnverified: boolean;
}

/** What a call is answered with. */
interface Found {
  readonly entry: Entry;
  readonly tier: Tier;
}

export class Call {
  readonly #core: Core;
  readonly #subject: Subject;
  readonly #scope: Scope;
  readonly #stopwatch: Stopwatch;
  /** The one that runs around, if any; also when it has ended since. */
  readonly #transaction: Transaction | undefined;
  /** The generations that the call knows beforehand: the two reserved ones and those of its argument tags. */
  readonly #names: readonly string[];
  readonly #tags: readonly string[];
  readonly #isStrong: boolean;
  #changes = 0;
  #reason = '';
  #version: Expectation['version'];
  /** There was an entry that may be served should the method fail. */
  #hasFallback = false;

  constructor(core: Core, subject: Subject, scope: Scope) {
    this.#core = core;
    this.#subject = subject;
    this.#scope = scope;
    this.#stopwatch = new Stopwatch(core.outcomes.watched || scope.listener !== undefined);
    this.#isStrong = scope.isStrong || subject.policy.maxStalenessMs === 0;
    this.#transaction = transactionOf(core, scope);
    this.#tags = subject.policy.tags(subject.self, subject.args);
    this.#names = [
      core.names.everything,
      subject.methodGeneration,
      ...core.names.tags(this.#tags, subject.policy.staleMs > 0),
    ];
  }

  async answer(): Promise<unknown> {
    if (this.#transaction) return this.#answerInside();
    for (let attempt = 0; ; attempt++) {
      const began = this.#core.flights.arrival();
      const reading = await this.#read();
      const found = this.#serve(reading);
      if (found) return opened(found);
      const joined = this.#joinable(began, reading, attempt);
      if (!joined) return this.#lead(reading);
      if (this.#wouldWaitForItself(joined.flight)) return this.#runPlain('recursion');
      const shared = await this.#share(joined, began);
      if (shared) return shared.value;
    }
  }

  /**
   * What the method reads inside a transaction may never be committed, so nobody else gets it; and what others compute
   * may be without what was written here.
   *
   *   T1 writes A=1, not declared yet · T1 reads x: A=1, stored or shared · T1 rolls back · T0 reads x: A=1 was never there
   */
  async #answerInside(): Promise<unknown> {
    const hit = this.#scope.mode === 'refresh' ? undefined : this.#hit(await this.#read());
    return hit ? opened(hit) : this.#runPlain('transaction');
  }

  /** The value if there is a fresh entry; never runs the method. */
  async find(): Promise<Answer | undefined> {
    const reading = await this.#read();
    const hit = reading.entry?.isError ? undefined : this.#hit(reading);
    if (hit) return hit;
    if (reading.entry?.isError) this.#reason = this.#judge(reading).reason;
    this.#tell('miss');
    return undefined;
  }

  /** The version is asked for before the method runs, so that the entry is no better than what the method has read. */
  async #read(how: { readonly beyondMemory?: boolean } = {}): Promise<Reading> {
    const { store, writes, hints } = this.#core;
    const { key, format, policy } = this.#subject;
    const maxStalenessMs = this.#isStrong ? 0 : policy.maxStalenessMs;
    const asking = this.#askVersion();
    const writing = writes.settled(key);
    if (writing) await writing;
    this.#changes = writes.changes;
    const hinted = hints.get(key);
    const names = hinted ? [...this.#names, ...hinted] : this.#names;
    const reading = await store.read(key, { ...how, names, format, maxStalenessMs });
    if (asking) this.#version = await asking;
    return reading;
  }

  #askVersion(): Promise<Expectation['version']> | undefined {
    const { key, policy, self, args } = this.#subject;
    const { versionOf } = policy;
    if (!versionOf) return undefined;
    const asking = this.#core.versions.current(key, policy.where, () => versionOf(self, args));
    return asking.then((current) => (current === undefined ? 'unknown' : { current }));
  }

  /** What is here is served if it is good enough. What is not, or will not be for long, is loaded anew in the background. */
  #serve(reading: Reading): Answer | undefined {
    const { freshness, reason } = this.#judge(reading);
    this.#reason = reason;
    if (this.#scope.mode === 'refresh') this.#reason = 'refresh';
    if (this.#scope.mode === 'refresh' || !freshness) return undefined;
    if (freshness.state === 'fresh') {
      if (freshness.isDue) this.#refresh(reading);
      return this.#use(reading);
    }
    if (freshness.state !== 'stale') return undefined;
    this.#hasFallback = freshness.ifError;
    // Of a version that is not known an entry may be wrong: that is better than a failure, and than nothing else.
    if (freshness.whileRevalidating && this.#version !== 'unknown') {
      this.#refresh(reading);
      return this.#use(reading, 'revalidating');
    }
    const isFailing = freshness.ifError && this.#core.backOffs.isOn(this.#subject.key);
    return isFailing ? this.#use(reading, 'error') : undefined;
  }

  /** Only what is fresh. */
  #hit(reading: Reading): Answer | undefined {
    const { freshness, reason } = this.#judge(reading);
    this.#reason = reason;
    return freshness?.state === 'fresh' ? this.#use(reading) : undefined;
  }

  #judge(reading: Reading): Judgement {
    const { clock, names, store } = this.#core;
    const { entry, remainingMs } = reading;
    const flaw = flawOf(reading, names, this.#expectation(reading));
    if (!entry || flaw?.makes === 'absent') return { freshness: undefined, reason: flaw?.reason ?? reading.reason };
    const condition = {
      entry,
      remainingMs,
      isInvalidated: flaw?.makes === 'invalidated',
      isExpired: flaw?.makes === 'expired',
      now: clock.now(),
      chance: store.canLease ? undefined : 1 - Math.random(),
    };
    const freshness = freshnessOf(condition, this.#subject.policy);
    const reason = freshness.state === 'fresh' && entry.isError ? 'error kept' : reading.reason;
    return { freshness, reason: freshness.state === 'fresh' ? reason : (flaw?.reason ?? 'expired') };
  }

  /** Judged by all that an entry has: its tag may be an inherited one, which the arguments do not tell. */
  #expectation({ refuses }: Reading): Expectation {
    const transaction = this.#transaction;
    return {
      key: this.#subject.key,
      names: this.#names,
      refuses: transaction ? (name) => refuses(name) || transaction.isPending(name) : refuses,
      version: this.#version,
      shown: (name) => this.#shown(name),
    };
  }

  /** Undefined if the value cannot be decoded. */
  #use(reading: Reading, stale?: Stale): Answer | undefined {
    const entry = reading.entry as Entry;
    try {
      const answer = { value: entry.payload?.copy(), isError: entry.isError, isStale: stale !== undefined };
      if (stale) this.#useStale(entry, reading, stale);
      else this.#useFresh(entry, reading);
      return answer;
    } catch (error) {
      this.#reason = 'undecodable';
      const message = `The entry ${this.#subject.key} cannot be decoded: ${String(error)}`;
      this.#core.report({ code: 'undecodable', message, cause: error });
      return undefined;
    }
  }

  #useFresh(entry: Entry, { tier, isGraced }: Reading): void {
    const { hints } = this.#core;
    const { key } = this.#subject;
    const late = entry.generations.map(([name]) => name).filter((name) => !this.#names.includes(name));
    if (late.length > 0) hints.set(key, late);
    if (entry.sliding && !isGraced && !this.#transaction)
      this.#core.inBackground(slide(this.#core, key, entry, this.#changes));
    // What was not verified says nothing of when the result of the compute around becomes wrong.
    inherit(this.#core, this.#scope, isGraced ? undefined : entry.generations, namesOf(entry));
    this.#tell('hit', { entry, tier });
  }

  /** What is made of an old value is not stored, in an outage neither: it would be old from the beginning, and nobody could tell. */
  #useStale(entry: Entry, { tier }: Reading, stale: Stale): void {
    inherit(this.#core, this.#scope, undefined);
    this.#reason = stale;
    this.#tell('stale', { entry, tier });
  }

  /**
   * After one attempt that did not hold, only a compute that has not started yet is worth waiting for. Who refreshes wants
   * what the method reads from now on, whatever the generations say.
   */
  #joinable(began: number, reading: Reading, attempt: number): Joined | undefined {
    const { flights, store } = this.#core;
    const flight = flights.get(this.#subject.key);
    if (!flight) return undefined;
    const [names, isStrong] = [this.#names, this.#isStrong];
    const isComparing = attempt === 0 && this.#scope.mode !== 'refresh' && !names.some(reading.refuses);
    const tokens = isComparing && reading.holds() ? this.#comparable(reading) : undefined;
    if (flight.admits({ began, names, tokens, isStrong })) return { flight, isUnverified: false };
    const isOutage = isComparing && !reading.tokens && !isStrong && store.graceMs > 0;
    if (isOutage && flight.admitsInOutage(names, store.graceMs)) return { flight, isUnverified: true };
    return undefined;
  }

  /** With its version, where there is one: a compute that began under another one is as old as one under another generation. */
  #comparable({ tokens }: Reading): Reading['tokens'] {
    if (this.#version === undefined) return tokens;
    return tokens && this.#version !== 'unknown' ? new Map(tokens).set('', this.#version.current) : undefined;
  }

  #wouldWaitForItself(flight: Flight): boolean {
    return this.#scope.flight !== undefined && flight.waitsFor(this.#scope.flight);
  }

  async #share({ flight, isUnverified }: Joined, began: number): Promise<Answer | undefined> {
    const isEarly = flight.startedAfter.bind(flight, began);
    const landing = await this.#landing(flight, () => isUnverified || isEarly());
    if (landing && 'value' in landing) return { value: opened(landing) };
    if (!landing || landing.isElsewhere || !(landing.verified || isUnverified || isEarly())) return undefined;
    const copied = copyOf(landing.payload);
    if (!copied) return { value: await this.#runPlain('result cannot be copied') };
    inherit(this.#core, this.#scope, landing.generations, landing.names);
    this.#reason = 'joined';
    this.#tell('miss');
    return copied;
  }

  /** Undefined if the compute has failed by what this caller may not be told. */
  async #landing(flight: Flight, takesAny: () => boolean): Promise<Landing | Answer | undefined> {
    const { decision } = this.#subject.run;
    decision?.made();
    try {
      const landing = await this.#waitingFor(flight, flight.landing, () => {});
      decision?.reopened();
      return landing;
    } catch (error) {
      decision?.reopened();
      if (flight.failedUnverified && !isCacheTimeoutError(error) && !takesAny()) return undefined;
      this.#reason = 'joined';
      return this.#covered(error);
    }
  }

  async #lead(reading: Reading): Promise<unknown> {
    const flight = this.#core.flights.begin(this.#subject.key, this.#isStrong);
    const flown = this.#fly(flight, () => this.#computeIn(flight, reading));
    try {
      const arrived = await this.#waitingFor(flight, flown, () => {
        this.#goOn(flight, flown);
      });
      if (!('landing' in arrived)) return opened(arrived);
      inherit(this.#core, this.#scope, arrived.landing.generations, arrived.landing.names);
      this.#tell('miss');
      return arrived.value;
    } catch (error) {
      return opened(await this.#covered(error, true));
    }
  }

  /** Ends the flight, whatever comes of it. */
  async #fly<T>(flight: Flight, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      flight.fail(error);
      throw error;
    } finally {
      this.#core.flights.end(flight);
    }
  }

  /** The caller has left. What comes late is stored all the same, and a failure is told. */
  #goOn(flight: Flight, flown: Promise<unknown>): void {
    const { policy } = this.#subject;
    const told = flown.then(undefined, (error: unknown) => {
      const message = `${policy.where}: the method failed when its caller had stopped waiting: ${String(error)}`;
      this.#core.report({ code: 'late', message, cause: error });
      // That it ends when it is told to says nothing of whether it works.
      if (this.#hasFallback && !flight.isCancelled) this.#leaveAlone(error);
    });
    this.#core.inBackground(told);
  }

  #computeIn(flight: Flight, reading: Reading): Promise<Computed | Answer> {
    return this.#isFleetWide(reading) ? this.#computeForAll(flight) : this.#compute(this.#newCompute(flight), reading);
  }

  #newCompute(flight: Flight): Compute {
    return new Compute(this.#core, this.#subject, flight, {
      names: this.#names,
      version: typeof this.#version === 'object' ? this.#version.current : undefined,
      isStorable: this.#version !== 'unknown',
      keepsError: (error) => !flight.isCancelled && this.#keepsError(error),
    });
  }

  async #compute(compute: Compute, reading: Reading): Promise<Computed> {
    const computed = await compute.run(reading);
    this.#core.backOffs.end(this.#subject.key);
    // Who refreshes does not want the old value any more, whatever becomes of the new one.
    if (!computed.stored && this.#scope.mode === 'refresh') this.#core.discard(this.#subject.key);
    compute.flight.land(computed.landing);
    return computed;
  }

  /** One process computes, the others read what it has stored. Who shares this flight reads by itself. */
  async #computeForAll(flight: Flight): Promise<Computed | Answer> {
    const { key, policy, run } = this.#subject;
    let latest: Reading | undefined;
    const find = async (): Promise<Answer | undefined> => this.#hit((latest = await this.#read()));
    // To wait for another process is a decision too, or two that take many ids could wait for each other.
    const onWait = (): void => run.decision?.made();
    const turn = await takeTurn({ core: this.#core, key, where: policy.where, onWait, find });
    run.decision?.reopened();
    if ('answer' in turn) {
      flight.land(elsewhere);
      return turn.answer;
    }
    return this.#computeInTurn(flight, turn, latest);
  }

  async #computeInTurn(flight: Flight, turn: Turn, latest?: Reading): Promise<Computed> {
    let compute: Compute | undefined;
    try {
      const reading = latest ?? (await this.#read());
      compute = this.#newCompute(flight);
      return await this.#compute(compute, reading);
    } finally {
      const stored = compute?.stored ?? Promise.resolve(false);
      this.#core.inBackground(stored.then((isStored) => turn.end(isStored ? 'stored' : 'open')));
    }
  }

  #isFleetWide({ tokens }: Reading): boolean {
    return this.#subject.policy.isFleetWide && this.#scope.mode !== 'refresh' && tokens !== undefined;
  }

  // ------------------------------------------------------------------------------------------------- failures

  /**
   * What is served instead of a failure. It is read again, as it may have been invalidated while the method ran:
   *
   *   T0 reads x: stale · T0 runs the method · invalidate(a) returns · the method fails · T0 must not serve x
   */
  async #covered(error: unknown, isTold = false): Promise<Answer> {
    const reason = this.#reason;
    const answer = this.#mayCover(error) ? (await this.#findStale('error'))() : undefined;
    if (!answer) {
      this.#reason = reason;
      this.#failed();
      throw error;
    }
    if (!answer.isStale) return answer;
    const { key, policy } = this.#subject;
    this.#core.backOffs.begin(key, policy.backOffMs);
    const message = `${policy.where}: the method failed, and an old value was served: ${String(error)}`;
    if (isTold) this.#core.report({ code: 'stale-if-error', message, cause: error });
    return answer;
  }

  #mayCover(error: unknown): boolean {
    return this.#hasFallback && !this.#hasGivenUp(error) && this.#isCoverable(error);
  }

  /** The caller itself has ended the call, which is no failure. */
  #hasGivenUp(error: unknown): boolean {
    const signal = this.#subject.args.find(isAbortSignal);
    return signal?.aborted === true && error === signal.reason;
  }

  /** A mistake in how the cache is used is to be seen; a failure of the user's function hides nothing. */
  #isCoverable(error: unknown): boolean {
    const { policy } = this.#subject;
    if (this.#scope.mode === 'refresh' || isCacheConfigError(error)) return false;
    return this.#asked('staleIfError.when', () => policy.isCoverable(error));
  }

  #keepsError(error: unknown): boolean {
    const { errors } = this.#subject.policy;
    if (!errors || isCacheConfigError(error) || this.#mayCover(error)) return false;
    return this.#asked('errors.when', () => errors.when(error));
  }

  #asked(option: string, question: () => boolean): boolean {
    try {
      return question();
    } catch (error) {
      const message = `${this.#subject.policy.where}, ${option}: ${String(error)}`;
      this.#core.report({ code: 'callback', message, cause: error, loud: true });
      return false;
    }
  }

  /**
   * What may be served now that the method has failed or is late; whatever is fresh by now is better. It is served when it
   * is taken: the method may have ended in between.
   */
  async #findStale(why: 'error' | 'timeout'): Promise<() => Answer | undefined> {
    const reading = await this.#read();
    const { freshness, reason } = this.#judge(reading);
    const isGoodEnough = freshness?.state === 'stale' && (why === 'timeout' || freshness.ifError);
    return () => {
      if (isGoodEnough) return this.#use(reading, why);
      if (freshness?.state !== 'fresh') return undefined;
      this.#reason = reason;
      return this.#use(reading);
    };
  }

  /**
   * The compute around may catch the error and answer by it, and nobody could say when that answer becomes wrong:
   *
   *   o calls x: no such row · o catches it, answers 'none' · the row comes, invalidate(a) · T0 reads o: 'none' for ever
   */
  #failed(): void {
    inherit(this.#core, this.#scope, undefined);
    this.#tell('miss');
  }

  // ----------------------------------------------------------------------------------------------- background

  /** Loads a new value for an entry that is old, or will soon be: one load for each key, and no caller waits for it. */
  #refresh(reading: Reading): void {
    if (this.#transaction) return;
    refresh(this.#core, this.#subject, reading.entry as Entry, reading);
  }

  /** `seen`: the entry that is to be replaced; `reading`: what was read together with it, if anything was. */
  async replace(seen: Entry, reading: Reading | undefined): Promise<void> {
    const { key, policy } = this.#subject;
    this.#hasFallback = true;
    const flight = this.#core.flights.begin(key, this.#isStrong);
    const flown = this.#fly(flight, () => this.#replaceIn(flight, seen, reading));
    try {
      await waitFor<unknown>(flight, flown, {
        method: this.#subject.method,
        softMs: undefined,
        hardMs: policy.hardTimeoutMs,
        signal: undefined,
        instead: () => Promise.resolve(() => undefined),
        left: () => {
          this.#goOn(flight, flown);
        },
      });
    } catch (error) {
      const message = `${policy.where}: a new value could not be loaded in the background: ${String(error)}`;
      this.#core.report({ code: 'background', message, cause: error });
      this.#leaveAlone(error);
    }
  }

  /** The method has failed where no caller saw it. An error that is an answer is not to be hidden behind the old value. */
  #leaveAlone(error: unknown): void {
    const { key, policy } = this.#subject;
    this.#core.backOffs.begin(key, policy.backOffMs);
    if (!this.#isCoverable(error) && !this.#keepsError(error)) this.#core.discard(key);
  }

  async #replaceIn(flight: Flight, seen: Entry, reading: Reading | undefined): Promise<unknown> {
    const { key, policy } = this.#subject;
    const turn = policy.isFleetWide ? await tryTurn(this.#core, key, policy.where) : undefined;
    const latest =
      turn || !reading || this.#mayBeOutdated(reading) ? await this.#read({ beyondMemory: true }) : reading;
    if (turn !== 'taken' && !this.#isNewer(latest, seen))
      return turn ? this.#computeInTurn(flight, turn, latest) : this.#compute(this.#newCompute(flight), latest);
    flight.land(elsewhere);
    if (turn && turn !== 'taken') await turn.end('stored');
    return undefined;
  }

  /** Another process may have replaced the entry, and memory here would not know; a version is asked for by each call. */
  #mayBeOutdated({ tier }: Reading): boolean {
    return this.#subject.policy.versionOf !== undefined || (tier === 'memory' && this.#core.store.keeps === 'both');
  }

  #isNewer(reading: Reading, seen: Entry): boolean {
    const { freshness } = this.#judge(reading);
    if (freshness?.state !== 'fresh' || freshness.isDue || !reading.entry) return false;
    const { writtenAt, generations } = reading.entry;
    return writtenAt !== seen.writtenAt || generations.some(([, token], i) => token !== seen.generations[i]?.[1]);
  }

  // -------------------------------------------------------------------------------------------------- waiting

  /** Waits as long as the caller wants to, and keeps the compute around from being joined by what it waits for. */
  async #waitingFor<T extends object>(flight: Flight, work: Promise<T>, left: () => void): Promise<T | Answer> {
    const { policy, method, args } = this.#subject;
    const outer = this.#scope.flight;
    outer?.waitingFor.add(flight);
    try {
      return await waitFor<T | Answer>(flight, work, {
        method,
        softMs: this.#hasFallback ? policy.softTimeoutMs : undefined,
        hardMs: policy.hardTimeoutMs,
        signal: args.find(isAbortSignal),
        instead: () => this.#findStale('timeout'),
        left,
      });
    } finally {
      outer?.waitingFor.delete(flight);
    }
  }

  async #runPlain(reason: string): Promise<unknown> {
    inherit(this.#core, this.#scope, undefined);
    this.#reason = reason;
    try {
      return await this.#subject.run();
    } finally {
      this.#tell('bypass');
    }
  }

  #shown(name: string): string {
    return name === this.#subject.methodGeneration ? this.#subject.method : this.#core.names.shownTag(name);
  }

  #tell(status: OutcomeStatus, found?: Found): void {
    const { outcomes, names, clock } = this.#core;
    const entry = found?.entry;
    outcomes.count(this.#subject.counts, status);
    if (!this.#stopwatch.runs) return;
    const tags = entry?.generations.map(([name]) => name).filter((name) => names.isTag(name));
    const outcome = {
      status,
      method: this.#subject.method,
      key: this.#subject.key,
      tier: found?.tier,
      reason: this.#reason,
      tags: tags?.map((name) => names.shownTag(name)) ?? this.#tags,
      ageMs: entry && Math.max(0, clock.now() - entry.writtenAt),
      durationMs: this.#stopwatch.elapsedMs(),
    };
    outcomes.emit(outcome);
    this.#scope.listener?.(outcome);
  }
}

/** Undefined where a class's own `toPlain` or `fromPlain` fails, or there is nothing to copy. */
function copyOf(payload: Payload | undefined): Answer | undefined {
  try {
    return payload && { value: payload.copy() };
  } catch {
    return undefined;
  }
}

/**
 * Restarts the window of an entry that was read when the writes were at `changes`. A store that cannot touch gets it again.
 *
 *   T0 reads x, sliding · forget(x) deletes it, or T1 stores a newer one · T0 writes x again: must not
 */
export async function slide(core: Core, key: string, entry: Entry, changes: number): Promise<void> {
  const { store, writes } = core;
  // By now there may be an entry with another ttl, which must not get this one's.
  if (writes.changedSince(key, changes) || (await store.slide(key, entry))) return;
  await core.commit(key, { ...entry, accessedAt: core.clock.now() }, () => !writes.changedSince(key, changes));
}

/**
 * Loads a new value for `entry`, which was served, unless that is under way or the method has just failed. Nothing that is
 * around the call is around this.
 */
export function refresh(core: Core, subject: Subject, entry: Entry, reading?: Reading): void {
  const { flights, backOffs } = core;
  const { key } = subject;
  const flight = flights.get(key);
  if ((flight && !flight.isCancelled) || backOffs.isOn(key)) return;
  withoutScope(() => {
    core.inBackground(replace(core, subject, entry, reading));
  });
}

async function replace(core: Core, subject: Subject, entry: Entry, reading: Reading | undefined): Promise<void> {
  let call: Call;
  try {
    call = new Call(core, subject, currentScope());
  } catch (error) {
    const message = `${subject.policy.where}: a function in the options threw: ${String(error)}`;
    core.report({ code: 'callback', message, cause: error, loud: true });
    return;
  }
  await call.replace(entry, reading);
}

/** @throws the error that was kept */
function opened({ value, isError }: Answer): unknown {
  if (isError) throw value;
  return value;
}

function namesOf({ generations }: Entry): string[] {
  return generations.map(([name]) => name);
}

/**
 * Tells the compute around, if there is one, what its result depends on; without `generations`, that these are not known,
 * and by `names` which they are.
 */
export function inherit(
  core: Core,
  { inheritance }: Scope,
  generations: Entry['generations'] | undefined,
  names?: readonly string[],
): void {
  if (!inheritance) return;
  if (inheritance.owner !== core) inheritance.spoil('a call inside belongs to another cache');
  else if (generations) inheritance.add(generations);
  else inheritance.spoil('a call inside did not use the cache', names);
}

/** Measures only where somebody wants to know. */
class Stopwatch {
  readonly runs: boolean;
  readonly #since: number;

  constructor(runs: boolean) {
    this.runs = runs;
    this.#since = runs ? performance.now() : 0;
  }

  elapsedMs(): number {
    return performance.now() - this.#since;
  }
}
