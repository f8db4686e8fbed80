/** One flight from its beginning to its end: runs the method here, or waits until another process has. */

import { textOf } from '../base/text.js';
import type { Flight, Landing } from '../policies/flight.js';
import type { Reading } from '../stores/store.js';
import { Compute, type Computed, type Subject } from './compute.js';
import type { Core } from './core.js';
import { takeTurn, type Turn, UnwantedError } from './fleet.js';
import type { Look } from './look.js';

/** Another process computes: who shares the flight reads by itself. */
export const elsewhere: Landing = {
  payload: undefined,
  generations: undefined,
  names: undefined,
  verified: false,
  isElsewhere: true,
};

/**
 * The caller of a background load has its answer and goes on, and has changed what it gave as arguments:
 *
 *   T0 calls f(q): a hit, due · T0 sets q.page to 2 · the load runs f(q): page 2, under the key of page 1
 */
export class ChangedCallError extends Error {}

export interface LoadParts {
  readonly core: Core;
  readonly subject: Subject;
  readonly look: Look;
  /**
   * Who loads is done with the old value, although the new one is not stored: `always`, or where `storeWhen` does not want it
   * to be, as it would be served on and on, and the method run for nothing.
   */
  readonly replaces: 'always' | 'unwanted' | 'never';
  /** Whether the arguments still are what the key says. */
  readonly isSameCall: () => boolean;
  /** Whether a failure is kept. */
  readonly keepsError: (error: unknown) => boolean;
}

export class Load {
  /** Found by newcomers from now on. */
  readonly flight: Flight;
  readonly #parts: LoadParts;
  #compute: Compute | undefined;

  constructor(parts: LoadParts) {
    this.#parts = parts;
    this.flight = parts.core.flights.begin(parts.subject.key, parts.look.isStrong);
  }

  /** Ends the flight, whatever comes of `work`. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof ChangedCallError || error instanceof UnwantedError) this.flight.land(elsewhere);
      else this.flight.fail(error);
      throw error;
    } finally {
      this.#parts.core.flights.end(this.flight);
    }
  }

  /** The caller has left `work`. What comes late is stored all the same, and a failure is told. */
  goOn(work: Promise<unknown>, onFailure: (error: unknown) => void = () => {}): void {
    const { core, subject } = this.#parts;
    const told = work.then(undefined, (error: unknown) => {
      if (this.flight.isEndedBy(error) || error instanceof UnwantedError) return;
      const message = `${subject.policy.where}: the method failed when its caller had stopped waiting: ${textOf(error)}`;
      core.report({ code: 'late', message, cause: error });
      // Where there is a newer result, or the entry was forgotten, this failure says nothing of what is stored.
      if (this.flight.storable) onFailure(error);
    });
    core.inBackground(told);
  }

  /** Whether something is stored of what the method gave or threw. */
  get hasStored(): boolean {
    return this.#compute?.stored !== undefined;
  }

  /** One process computes, the others find what it has stored. */
  async runForAll<T>(find: (reading: Reading) => T | undefined): Promise<Computed | T> {
    const { core, subject, look } = this.#parts;
    const { key, policy, run } = subject;
    let latest: Reading | undefined;
    const turn = await takeTurn({
      core,
      key,
      where: policy.where,
      isWanted: () => !this.flight.isAbandoned,
      // To wait for another process is a decision too, or two that take many ids could wait for each other.
      onWait: () => run.decision?.made(),
      find: async () => find((latest = await look.read())),
    });
    run.decision?.reopened();
    if ('end' in turn) return this.runInTurn(turn, latest);
    this.flight.land(elsewhere);
    return turn.answer;
  }

  /** The turn ends with the load, or when nobody waits for it any more: the method may never end. */
  async runInTurn(turn: Turn, latest?: Reading): Promise<Computed> {
    const { core, look } = this.#parts;
    this.flight.onAbandoned(() => {
      core.inBackground(turn.end('open'));
    });
    try {
      return await this.run(latest ?? (await look.read()));
    } finally {
      const stored = this.#compute?.stored ?? Promise.resolve(false);
      core.inBackground(stored.then((isStored) => turn.end(isStored ? 'stored' : 'open')));
    }
  }

  #newCompute(): Compute {
    const { core, subject, look, keepsError, isSameCall } = this.#parts;
    const { names, version, isStorable } = look;
    // That it ends when it is told to says nothing of whether it works.
    const mayKeep = subject.policy.errors !== undefined;
    const keeps = (error: unknown): boolean => mayKeep && !this.flight.isCancelled && keepsError(error);
    return new Compute(core, subject, this.flight, { names, version, isStorable, keepsError: keeps, isSameCall });
  }

  /** Runs the method here. */
  async run(reading: Reading): Promise<Computed> {
    const { core, subject, replaces } = this.#parts;
    const compute = (this.#compute = this.#newCompute());
    const computed = await compute.run(reading);
    if (!computed) throw new ChangedCallError();
    core.backOffs.end(subject.key);
    const isDone = replaces === 'always' || (replaces === 'unwanted' && computed.isUnwanted);
    if (!computed.stored && isDone) core.discard(subject.key);
    this.flight.land(computed.landing);
    return computed;
  }
}
