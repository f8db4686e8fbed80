/** The one read path: how a call is answered that memory could not answer at once. */

import { accessedNow, type Entry, type Payload } from '../base/entry.js';
import { isCacheTimeoutError } from '../base/errors.js';
import { textOf } from '../base/text.js';
import type { OutcomeStatus, Tier } from '../base/events.js';
import type { Flight, Landing } from '../policies/flight.js';
import type { Reading } from '../stores/store.js';
import type { Computed, Subject } from './compute.js';
import type { Core } from './core.js';
import { Load } from './load.js';
import { type Judgement, Look } from './look.js';
import { waitFor } from './patience.js';
import { afterFailure, refresh } from './refresh.js';
import type { Scope } from './scope.js';
import { callersSignal } from './signals.js';
import { verify } from './verify.js';

/** Boxed, as `undefined` is a value too. */
interface Answer {
  readonly value: unknown;
  /** The value is an error that was kept, to be thrown. */
  readonly isError?: boolean;
  readonly isStale?: boolean;
}

/** An answer that counts as given when it is taken. */
interface Taken {
  readonly take: () => Answer;
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
  readonly #look: Look;
  #reason = '';
  /** What was there last, whether or not it was good enough. */
  #found: Found | undefined;
  /** The caller's own. */
  readonly #signal: AbortSignal | undefined;
  /** There was an entry that may be served should the method fail. */
  #hasFallback = false;
  /** A method that was running was waited for. */
  #hasWaited = false;
  /** What the caller gets instead of a value. */
  #failure: { readonly error: unknown } | undefined;
  /** Whether the hits of the method are verified, and this call could run it. */
  #isVerified: boolean;

  constructor(core: Core, subject: Subject, scope: Scope) {
    this.#core = core;
    this.#subject = subject;
    this.#scope = scope;
    this.#stopwatch = new Stopwatch(core.outcomes.isHeard(scope.listener));
    this.#look = new Look(core, subject, scope);
    this.#signal = callersSignal(subject.args);
    this.#isVerified = subject.policy.verify > 0;
  }

  async answer(): Promise<unknown> {
    if (this.#look.transaction) return this.#answerInside();
    for (let attempt = 0; ; attempt++) {
      const began = this.#core.flights.arrival();
      const since = this.#isTimed ? this.#core.time.monotonicMs() : undefined;
      const reading = await this.#look.read({ mayLoad: true });
      if (since !== undefined) this.#timeStore(reading, since);
      if (reading.tokens) this.#subject.counts.read(reading.entry !== undefined);
      const found = this.#serve(reading);
      if (found) return opened(found);
      const joined = this.#joinable(began, reading, attempt);
      if (!joined) return this.#lead(reading);
      if (this.#wouldWaitForItself(joined.flight)) return this.#runPlain('recursion');
      const shared = await this.#share(joined, began);
      if (shared) return shared.value;
    }
  }

  /** With memory in front of the store an audit says what it takes to ask the store instead. */
  get #isTimed(): boolean {
    return this.#core.store.keeps === 'both';
  }

  #timeStore({ entry, tier }: Reading, since: number): void {
    const { outcomes, time } = this.#core;
    if (entry && tier === 'store') outcomes.foundInStore(this.#subject.counts, time.monotonicMs() - since);
  }

  /**
   * What the method reads inside a transaction may never be committed, so nobody else gets it; and what others compute
   * may be without what was written here.
   *
   *   T1 writes A=1, not declared yet · T1 reads x: A=1, stored or shared · T1 rolls back · T0 reads x: A=1 was never there
   */
  async #answerInside(): Promise<unknown> {
    const hit = this.#scope.mode === 'refresh' ? undefined : this.#hit(await this.#look.read());
    return hit ? opened(hit) : this.#runPlain('transaction');
  }

  /** The value if there is a fresh entry; never runs the method. */
  async find(): Promise<Answer | undefined> {
    this.#isVerified = false;
    const reading = await this.#look.read();
    const hit = reading.entry?.isError ? undefined : this.#hit(reading);
    if (hit) return hit;
    if (reading.entry?.isError) this.#reason = this.#look.judge(reading).reason;
    this.#tell('miss');
    return undefined;
  }

  /** What is here is served if it is good enough. What is not, or will not be for long, is loaded anew in the background. */
  #serve(reading: Reading): Answer | undefined {
    const { freshness, reason } = this.#judge(reading);
    this.#reason = reason;
    if (this.#scope.mode === 'refresh') this.#reason = 'refresh';
    if (this.#scope.mode === 'refresh' || !freshness) return undefined;
    if (freshness.state === 'fresh') {
      if (freshness.isDue) refresh(this.#core, this.#subject, reading.entry as Entry, reading);
      return this.#use(reading);
    }
    if (freshness.state !== 'stale') return undefined;
    this.#hasFallback = freshness.ifError;
    if (freshness.whileRevalidating) {
      refresh(this.#core, this.#subject, reading.entry as Entry, reading);
      return this.#use(reading, 'revalidating');
    }
    const isFailing = freshness.ifError && this.#core.backOffs.isOn(this.#subject.key);
    return isFailing ? this.#use(reading, 'error') : undefined;
  }

  /** What the entry is good for; that it was invalidated is counted, whatever the call comes to. */
  #judge(reading: Reading): Judgement {
    const judgement = this.#look.judge(reading);
    const { counts, key } = this.#subject;
    const { entry, tier } = reading;
    this.#found = entry && { entry, tier };
    if (entry) this.#core.outcomes.foundInvalidated(counts, key, { entry, reason: judgement.reason });
    return judgement;
  }

  /** Only what is fresh. */
  #hit(reading: Reading): Answer | undefined {
    const { freshness, reason } = this.#judge(reading);
    this.#reason = reason;
    return freshness?.state === 'fresh' ? this.#use(reading) : undefined;
  }

  /** What another process has stored. The caller may have left by the time that it is found: it is told when it is taken. */
  #findFresh(reading: Reading): Taken | undefined {
    const { freshness, reason } = this.#look.judge(reading);
    const answer = freshness?.state === 'fresh' ? this.#open(reading.entry as Entry) : undefined;
    const take = (): Answer => {
      this.#reason = reason;
      this.#useFresh(reading.entry as Entry, reading);
      return answer as Answer;
    };
    return answer && { take };
  }

  /** Undefined if the value cannot be decoded. */
  #use(reading: Reading, stale?: Stale): Answer | undefined {
    const entry = reading.entry as Entry;
    const answer = this.#open(entry);
    if (!answer) return undefined;
    if (stale) this.#useStale(entry, reading, stale);
    else this.#useFresh(entry, reading);
    return stale ? { ...answer, isStale: true } : answer;
  }

  #open(entry: Entry): Answer | undefined {
    try {
      return { value: entry.payload?.copy(), isError: entry.isError };
    } catch (error) {
      this.#reason = 'undecodable';
      const message = `The entry ${this.#subject.key} cannot be decoded: ${textOf(error)}`;
      this.#core.report({ code: 'undecodable', message, cause: error });
      return undefined;
    }
  }

  #useFresh(entry: Entry, { tier, isGraced }: Reading): void {
    if (this.#hasLate(entry)) this.#rememberLate(entry);
    if (entry.sliding && !isGraced && !this.#look.transaction)
      this.#core.inBackground(slide(this.#core, this.#subject, entry, this.#look.changes));
    // What was not verified says nothing of when the result of the compute around becomes wrong.
    if (this.#scope.inheritance)
      inherit(this.#core, this.#scope, isGraced ? undefined : entry.generations, namesOf(entry));
    this.#found = { entry, tier };
    this.#tell('hit');
    if (this.#isVerified && !isGraced) verify(this.#core, this.#subject, entry);
  }

  /** Whether it has tags that the arguments do not tell. */
  #hasLate({ generations }: Entry): boolean {
    const { names } = this.#look;
    for (const [name] of generations) if (!names.includes(name)) return true;
    return false;
  }

  #rememberLate({ generations }: Entry): void {
    const { names } = this.#look;
    const late = generations.map(([name]) => name).filter((name) => !names.includes(name));
    this.#core.hints.set(this.#subject.key, late);
  }

  /** What is made of an old value is not stored, in an outage neither: it would be old from the beginning. */
  #useStale(entry: Entry, { tier }: Reading, stale: Stale): void {
    inherit(this.#core, this.#scope, undefined);
    this.#reason = stale;
    this.#found = { entry, tier };
    this.#tell('stale');
  }

  /**
   * After one attempt that did not hold, only a compute that has not started yet is worth waiting for. Who refreshes wants
   * what the method reads from now on, whatever the generations say.
   */
  #joinable(began: number, reading: Reading, attempt: number): Joined | undefined {
    const { flights, store } = this.#core;
    const flight = flights.get(this.#subject.key);
    if (!flight) return undefined;
    const [names, isStrong] = [this.#look.names, this.#look.isStrong];
    const isComparing = attempt === 0 && this.#scope.mode !== 'refresh' && !names.some(reading.refuses);
    const tokens = isComparing && reading.holds() ? this.#look.comparable(reading.tokens) : undefined;
    if (flight.admits({ began, names, tokens, isStrong })) return { flight, isUnverified: false };
    const isOutage = isComparing && !reading.tokens && !isStrong && store.graceMs > 0;
    if (isOutage && flight.admitsInOutage(names, store.graceMs)) return { flight, isUnverified: true };
    return undefined;
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
    if (this.#signal?.aborted) return this.#giveUp(this.#signal.reason);
    const load = new Load({
      core: this.#core,
      subject: this.#subject,
      look: this.#look,
      isSameCall: () => true,
      replaces: this.#scope.mode === 'refresh' ? 'always' : 'never',
      keepsError: (error) => !this.#mayCover(error) && this.#look.isKept(error),
    });
    const arrived = await this.#arrival(load, reading);
    if ('take' in arrived) return opened(arrived.take());
    if (!('landing' in arrived)) return opened(arrived);
    inherit(this.#core, this.#scope, arrived.landing.generations, arrived.landing.names);
    this.#tell('miss');
    return arrived.value;
  }

  /** The caller has gone before the method had to run. */
  #giveUp(reason: unknown): never {
    this.#reason = 'aborted';
    this.#failed(reason);
    throw reason;
  }

  async #arrival(load: Load, reading: Reading): Promise<Computed | Answer | Taken> {
    const find = (found: Reading): Taken | undefined => this.#findFresh(found);
    const isForAll = this.#isFleetWide(reading);
    const work = load.during<Computed | Taken>(() => (isForAll ? load.runForAll(find) : load.run(reading)));
    try {
      return await this.#waitingFor(load.flight, work, () => {
        load.goOn(work, (error) => {
          if (this.#hasFallback)
            afterFailure({ core: this.#core, subject: this.#subject, look: this.#look, load }, error);
        });
      });
    } catch (error) {
      return this.#covered(error, true);
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
    const answer = this.#mayCover(error) ? (await this.#findStale('error'))?.() : undefined;
    if (!answer) {
      this.#reason = isCacheTimeoutError(error) ? 'timed out' : reason;
      this.#failed(error);
      throw error;
    }
    if (!answer.isStale) return answer;
    const { key, policy } = this.#subject;
    this.#core.backOffs.begin(key, policy.backOffMs);
    const message = `${policy.where}: the method failed, and an old value was served: ${textOf(error)}`;
    if (isTold) this.#core.report({ code: 'stale-if-error', message, cause: error });
    return answer;
  }

  /** Who has stopped waiting wants nothing instead. */
  #mayCover(error: unknown): boolean {
    const isGivenUp = this.#signal?.aborted === true && this.#signal.reason === error;
    return this.#hasFallback && !isGivenUp && this.#look.isCoverable(error);
  }

  /** What may be served now that the method has failed or is late; whatever is fresh by now is better. */
  async #findStale(why: 'error' | 'timeout'): Promise<(() => Answer | undefined) | undefined> {
    const reading = await this.#look.read();
    const { freshness, reason } = this.#look.judge(reading);
    if (freshness?.state !== 'fresh' && (freshness?.state !== 'stale' || !freshness.ifError)) return undefined;
    return () => {
      this.#reason = reason;
      return this.#use(reading, freshness.state === 'fresh' ? undefined : why);
    };
  }

  /**
   * The compute around may catch the error and answer by it, and nobody could say when that answer becomes wrong:
   *
   *   o calls x: no such row · o catches it, answers 'none' · the row comes, invalidate(a) · T0 reads o: 'none' for ever
   */
  #failed(error: unknown): void {
    inherit(this.#core, this.#scope, undefined);
    this.#failure = { error };
    this.#tell('miss');
  }

  // -------------------------------------------------------------------------------------------------- waiting

  /** Waits as long as the caller wants to, and keeps the compute around from being joined by what it waits for. */
  async #waitingFor<T extends object>(flight: Flight, work: Promise<T>, left: () => void): Promise<T | Answer> {
    const { policy, method } = this.#subject;
    this.#hasWaited = true;
    const outer = this.#scope.flight;
    outer?.waitingFor.add(flight);
    try {
      return await waitFor<T | Answer>(flight, work, {
        method,
        time: this.#core.time,
        softMs: this.#hasFallback ? policy.softTimeoutMs : undefined,
        hardMs: policy.hardTimeoutMs,
        signal: this.#signal,
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
    this.#found = undefined;
    try {
      return await this.#subject.run();
    } catch (error) {
      this.#failure = { error };
      throw error;
    } finally {
      this.#tell('bypass');
    }
  }

  #tell(status: OutcomeStatus): void {
    const { method, counts, key } = this.#subject;
    this.#core.outcomes.tell({
      status,
      method,
      counts,
      key,
      reason: this.#reason,
      entry: this.#found?.entry,
      tier: this.#found?.tier,
      tags: this.#look.tags,
      hasWaited: this.#hasWaited,
      failure: this.#failure,
      durationMs: () => this.#stopwatch.elapsedMs(),
      listener: this.#scope.listener,
    });
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
export async function slide(core: Core, { key, format }: Slid, entry: Entry, changes: number): Promise<void> {
  const { store, writes } = core;
  // By now there may be an entry with another ttl, which must not get this one's.
  if (writes.changedSince(key, changes) || (await store.slide(key, entry))) return;
  if (entry.staleMs > 0 && !(await isStillStored(core, { key, format }, entry))) return;
  await core.commit(key, accessedNow(entry, core.clock.now()), () => !writes.changedSince(key, changes));
}

type Slid = Pick<Subject, 'key' | 'format'>;

/**
 * Memory here may not know that another process has replaced the entry:
 *
 *   T0 has x in memory, sliding · T1 refreshes x: a newer one, stored · T0 reads x, due to be written again: must not
 */
async function isStillStored(core: Core, { key, format }: Slid, entry: Entry): Promise<boolean> {
  const latest = await core.store.read(key, { names: [], format, maxStalenessMs: undefined, beyondMemory: true });
  return latest.entry?.writtenAt === entry.writtenAt;
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
  readonly #since: number;

  constructor(isHeard: boolean) {
    this.#since = isHeard ? performance.now() : NaN;
  }

  /** 0 where nobody wanted to know when the call began. */
  elapsedMs(): number {
    return Number.isNaN(this.#since) ? 0 : performance.now() - this.#since;
  }
}
