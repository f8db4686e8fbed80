/** The one read path: how a call is answered that memory could not answer at once. */

import type { Entry, Payload } from '../base/entry.js';
import type { OutcomeStatus } from '../base/events.js';
import type { Flight, Landing } from '../policies/flight.js';
import { firstChanged } from '../policies/generations.js';
import type { Reading } from '../stores/store.js';
import { Compute, type Subject } from './compute.js';
import type { Core } from './core.js';
import { type Scope, transactionOf } from './scope.js';
import type { Transaction } from './transaction.js';

/** Boxed, as `undefined` is a value too. */
interface Answer {
  readonly value: unknown;
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
  #changes = 0;
  #reason = '';

  constructor(core: Core, subject: Subject, scope: Scope) {
    this.#core = core;
    this.#subject = subject;
    this.#scope = scope;
    this.#stopwatch = new Stopwatch(core.outcomes.watched || scope.listener !== undefined);
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
      const flight = this.#joinable(began, reading, attempt);
      if (!flight) return this.#lead(reading);
      if (this.#wouldWaitForItself(flight)) return this.#runPlain('recursion');
      const shared = await this.#share(flight, began);
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
    const { key, format } = this.#subject;
    const writing = writes.settled(key);
    if (writing) await writing;
    this.#changes = writes.changes;
    const hinted = hints.get(key);
    return store.read(key, hinted ? [...this.#names, ...hinted] : this.#names, format);
  }

  #hit(reading: Reading): Answer | undefined {
    if (this.#scope.mode === 'refresh') {
      this.#reason = 'refresh';
      return undefined;
    }
    const { entry } = reading;
    this.#reason = this.#whyNot(reading);
    if (!entry || this.#reason !== 'fresh') return undefined;
    try {
      const answer = { value: entry.payload?.copy() };
      this.#use(entry);
      return answer;
    } catch (error) {
      this.#reason = 'undecodable';
      const message = `The entry ${this.#subject.key} cannot be decoded: ${String(error)}`;
      this.#core.report({ code: 'undecodable', message, cause: error });
      return undefined;
    }
  }

  #whyNot(reading: Reading): string {
    const { entry, expired, tokens, reason } = reading;
    const refuses = this.#refusing(reading);
    if (!entry || !tokens) return reason;
    if (!entry.payload) return 'tags not captured yet';
    if (expired) return 'expired';
    if (refuses(this.#subject.key)) return 'removal pending';
    const refused = entry.generations.find(([name]) => refuses(name));
    if (refused) return `invalidation pending: ${this.#shown(refused[0])}`;
    const changed = firstChanged(entry, tokens);
    return changed === undefined ? 'fresh' : `invalidated: ${this.#shown(changed)}`;
  }

  /** Judged by all that an entry has: its tag may be an inherited one, which the arguments do not tell. */
  #refusing({ refuses }: Reading): Reading['refuses'] {
    const transaction = this.#transaction;
    return transaction ? (name) => refuses(name) || transaction.isPending(name) : refuses;
  }

  #use(entry: Entry): void {
    const { hints } = this.#core;
    const { key } = this.#subject;
    const late = entry.generations.map(([name]) => name).filter((name) => !this.#names.includes(name));
    if (late.length > 0) hints.set(key, late);
    if (entry.sliding && !this.#transaction) this.#core.inBackground(this.#slide(entry));
    inherit(this.#core, this.#scope, entry.generations);
    this.#tell('hit', entry);
  }

  /**
   * A store that cannot touch gets the entry again.
   *
   *   T0 reads x, sliding · forget(x) deletes it, or T1 stores a newer one · T0 writes x again: must not
   */
  async #slide(entry: Entry): Promise<void> {
    const { store, writes } = this.#core;
    const { key } = this.#subject;
    if (await store.slide(key, entry)) return;
    await this.#core.commit(key, entry, () => !writes.changedSince(key, this.#changes));
  }

  /**
   * After one attempt that did not hold, only a compute that has not started yet is worth waiting for. Who refreshes wants
   * what the method reads from now on, whatever the generations say.
   */
  #joinable(began: number, { tokens, refuses }: Reading, attempt: number): Flight | undefined {
    const flight = this.#core.flights.get(this.#subject.key);
    const comparing = attempt === 0 && this.#scope.mode !== 'refresh' && !this.#names.some(refuses);
    return flight?.admits(began, comparing ? tokens : undefined) ? flight : undefined;
  }

  #wouldWaitForItself(flight: Flight): boolean {
    return this.#scope.flight !== undefined && flight.waitsFor(this.#scope.flight);
  }

  async #share(flight: Flight, began: number): Promise<Answer | undefined> {
    const landing = await this.#landing(flight);
    if (!landing.verified && !flight.startedAfter(began)) return undefined;
    const copied = copyOf(landing.payload);
    if (!copied) return { value: await this.#runPlain('result cannot be copied') };
    inherit(this.#core, this.#scope, landing.generations);
    this.#reason = 'joined';
    this.#tell('miss');
    return copied;
  }

  async #landing(flight: Flight): Promise<Landing> {
    const { decision } = this.#subject.run;
    decision?.made();
    try {
      const landing = await this.#waitingFor(flight, () => flight.landing);
      decision?.reopened();
      return landing;
    } catch (error) {
      this.#reason = 'joined';
      this.#failed();
      throw error;
    }
  }

  async #lead(reading: Reading): Promise<unknown> {
    const { flights } = this.#core;
    const flight = flights.begin(this.#subject.key);
    try {
      const compute = new Compute(this.#core, this.#subject, flight, this.#names);
      const { value, landing } = await this.#waitingFor(flight, () => compute.run(reading));
      inherit(this.#core, this.#scope, landing.generations);
      flight.land(landing);
      this.#tell('miss');
      return value;
    } catch (error) {
      flight.fail(error);
      this.#failed();
      throw error;
    } finally {
      flights.end(flight);
    }
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

  #tell(status: OutcomeStatus, entry?: Entry): void {
    const { outcomes, names, clock, store } = this.#core;
    outcomes.count(this.#subject.counts, status);
    if (!this.#stopwatch.runs) return;
    const tags = entry?.generations.map(([name]) => name).filter((name) => !names.isReserved(name));
    const outcome = {
      status,
      method: this.#subject.method,
      key: this.#subject.key,
      tier: entry && store.tier,
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

/** Tells the compute around, if there is one, what its result depends on; `undefined` if that is not known. */
export function inherit(core: Core, { inheritance }: Scope, generations: Entry['generations'] | undefined): void {
  if (!inheritance) return;
  if (!generations) inheritance.spoil('a call inside did not use the cache');
  else if (inheritance.owner !== core) inheritance.spoil('a call inside belongs to another cache');
  else inheritance.add(generations);
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
