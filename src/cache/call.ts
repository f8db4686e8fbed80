/** The one read path: how a call is answered that memory could not answer at once. */

import type { Entry, Payload } from '../base/entry.js';
import type { OutcomeStatus, Tier } from '../base/events.js';
import type { Flight, Landing } from '../policies/flight.js';
import { firstChanged } from '../policies/generations.js';
import type { Reading } from '../stores/store.js';
import { Compute, type Subject } from './compute.js';
import type { Core } from './core.js';
import { takeTurn } from './fleet.js';
import { type Scope, transactionOf } from './scope.js';
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
}

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
      ...new Set(this.#tags.map((tag) => core.names.tag(tag))),
    ];
  }

  async answer(): Promise<unknown> {
    if (this.#transaction) return this.#answerInside();
    for (let attempt = 0; ; attempt++) {
      const began = this.#core.flights.arrival();
      const reading = await this.#read();
      const hit = this.#hit(reading);
      if (hit) return hit.value;
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
    return hit ? hit.value : this.#runPlain('transaction');
  }

  /** The value if there is a valid entry; never runs the method. */
  async find(): Promise<Answer | undefined> {
    const hit = this.#hit(await this.#read());
    if (!hit) this.#tell('miss');
    return hit;
  }

  async #read(): Promise<Reading> {
    const { store, writes, hints } = this.#core;
    const { key, format, policy } = this.#subject;
    const maxStalenessMs = this.#isStrong ? 0 : policy.maxStalenessMs;
    const writing = writes.settled(key);
    if (writing) await writing;
    this.#changes = writes.changes;
    const hinted = hints.get(key);
    const names = hinted ? [...this.#names, ...hinted] : this.#names;
    return store.read(key, { names, format, maxStalenessMs });
  }

  #hit(reading: Reading): Answer | undefined {
    if (this.#scope.mode === 'refresh') {
      this.#reason = 'refresh';
      return undefined;
    }
    const { entry } = reading;
    const problem = this.#whyNot(reading);
    this.#reason = problem ?? reading.reason;
    if (!entry || problem !== undefined) return undefined;
    try {
      const answer = { value: entry.payload?.copy() };
      this.#use(entry, reading);
      return answer;
    } catch (error) {
      this.#reason = 'undecodable';
      const message = `The entry ${this.#subject.key} cannot be decoded: ${String(error)}`;
      this.#core.report({ code: 'undecodable', message, cause: error });
      return undefined;
    }
  }

  /** Undefined if the entry is valid. */
  #whyNot(reading: Reading): string | undefined {
    const { entry, expired, tokens, holds, isGraced, reason } = reading;
    const refuses = this.#refusing(reading);
    if (!entry || !(tokens || isGraced)) return reason;
    if (!entry.payload) return 'tags not captured yet';
    if (expired) return 'expired';
    if (!isGraced && !holds()) return 'reconnected';
    if (refuses(this.#subject.key)) return 'removal pending';
    const refused = entry.generations.find(([name]) => refuses(name));
    if (refused) return `invalidation pending: ${this.#shown(refused[0])}`;
    if (isGraced || !tokens) return undefined;
    const changed = firstChanged(entry, tokens);
    if (changed !== undefined) return `invalidated: ${this.#shown(changed)}`;
    const lacking = this.#names.find((name) => !entry.generations.some(([own]) => own === name));
    return lacking === undefined ? undefined : `stored without the tag: ${this.#shown(lacking)}`;
  }

  /** Judged by all that an entry has: its tag may be an inherited one, which the arguments do not tell. */
  #refusing({ refuses }: Reading): Reading['refuses'] {
    const transaction = this.#transaction;
    return transaction ? (name) => refuses(name) || transaction.isPending(name) : refuses;
  }

  #use(entry: Entry, { tier, isGraced }: Reading): void {
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
    const tokens = isComparing && reading.holds() ? reading.tokens : undefined;
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
    if (!landing || landing.isElsewhere || !(landing.verified || isUnverified || isEarly())) return undefined;
    const copied = copyOf(landing.payload);
    if (!copied) return { value: await this.#runPlain('result cannot be copied') };
    inherit(this.#core, this.#scope, landing.generations, landing.names);
    this.#reason = 'joined';
    this.#tell('miss');
    return copied;
  }

  /** Undefined if the compute has failed by what this caller may not be told. */
  async #landing(flight: Flight, takesAny: () => boolean): Promise<Landing | undefined> {
    const { decision } = this.#subject.run;
    decision?.made();
    try {
      const landing = await this.#waitingFor(flight, () => flight.landing);
      decision?.reopened();
      return landing;
    } catch (error) {
      decision?.reopened();
      if (flight.failedUnverified && !takesAny()) return undefined;
      this.#reason = 'joined';
      this.#failed();
      throw error;
    }
  }

  async #lead(reading: Reading): Promise<unknown> {
    const { flights } = this.#core;
    const flight = flights.begin(this.#subject.key, this.#isStrong);
    try {
      return this.#isFleetWide(reading) ? await this.#computeForAll(flight) : await this.#compute(flight, reading);
    } catch (error) {
      flight.fail(error);
      this.#failed();
      throw error;
    } finally {
      flights.end(flight);
    }
  }

  async #compute(flight: Flight, reading: Reading, stored?: (stored: Promise<boolean>) => void): Promise<unknown> {
    const compute = new Compute(this.#core, this.#subject, flight, this.#names);
    const computed = await this.#waitingFor(flight, () => compute.run(reading));
    if (computed.stored) stored?.(computed.stored);
    // Who refreshes does not want the old value any more, whatever becomes of the new one.
    else if (this.#scope.mode === 'refresh') this.#core.discard(this.#subject.key);
    inherit(this.#core, this.#scope, computed.landing.generations, computed.landing.names);
    flight.land(computed.landing);
    this.#tell('miss');
    return computed.value;
  }

  /** One process computes, the others read what it has stored. Who shares this flight reads by itself. */
  async #computeForAll(flight: Flight): Promise<unknown> {
    const { key, policy, run } = this.#subject;
    let latest: Reading | undefined;
    const find = async (): Promise<Answer | undefined> => this.#hit((latest = await this.#read()));
    // To wait for another process is a decision too, or two that take many ids could wait for each other.
    const onWait = (): void => run.decision?.made();
    const waiting = { core: this.#core, key, where: policy.where, onWait, find };
    const turn = await this.#waitingFor(flight, () => takeTurn(waiting));
    run.decision?.reopened();
    if ('answer' in turn) {
      flight.land(elsewhere);
      return turn.answer.value;
    }
    let isStored = Promise.resolve(false);
    const note = (stored: Promise<boolean>): void => {
      isStored = stored;
    };
    try {
      return await this.#compute(flight, latest ?? (await this.#read()), note);
    } finally {
      this.#core.inBackground(isStored.then((stored) => turn.end(stored ? 'stored' : 'open')));
    }
  }

  #isFleetWide({ tokens }: Reading): boolean {
    return this.#subject.policy.isFleetWide && this.#scope.mode !== 'refresh' && tokens !== undefined;
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

  /** Keeps the compute around from being joined by what it waits for. */
  async #waitingFor<T>(flight: Flight, work: () => Promise<T>): Promise<T> {
    const outer = this.#scope.flight;
    if (!outer) return work();
    outer.waitingFor.add(flight);
    try {
      return await work();
    } finally {
      outer.waitingFor.delete(flight);
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
    const tags = entry?.generations.map(([name]) => name).filter((name) => !names.isReserved(name));
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
  await core.commit(key, entry, () => !writes.changedSince(key, changes));
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
