/** One flight from its beginning to its end: runs the method here, or waits until another process has. */

import type { Flight, Landing } from '../policies/flight.js';
import type { Reading } from '../stores/store.js';
import { Compute, type Computed, type Subject } from './compute.js';
import type { Core } from './core.js';
import { takeTurn, type Turn } from './fleet.js';
import type { Look } from './look.js';

/** Another process computes: who shares the flight reads by itself. */
export const elsewhere: Landing = {
  payload: undefined,
  generations: undefined,
  names: undefined,
  verified: false,
  isElsewhere: true,
};

export interface LoadParts {
  readonly core: Core;
  readonly subject: Subject;
  readonly look: Look;
  /**
   * Who loads is done with the old value, although the new one is not stored: `always`, or where `storeWhen` does not want it
   * to be, as it would be served on and on, and the method run for nothing.
   */
  readonly replaces: 'always' | 'unwanted' | 'never';
  /** Whether a failure is kept. */
  readonly keepsError: (error: unknown) => boolean;
}

export class Load {
  /** Found by newcomers from now on. */
  readonly flight: Flight;
  readonly #parts: LoadParts;

  constructor(parts: LoadParts) {
    this.#parts = parts;
    this.flight = parts.core.flights.begin(parts.subject.key, parts.look.isStrong);
  }

  /** Ends the flight, whatever comes of `work`. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      this.flight.fail(error);
      throw error;
    } finally {
      this.#parts.core.flights.end(this.flight);
    }
  }

  /** The caller has left `work`. What comes late is stored all the same, and a failure is told. */
  goOn(work: Promise<unknown>, onFailure: (error: unknown) => void = () => {}): void {
    const { core, subject } = this.#parts;
    const told = work.then(undefined, (error: unknown) => {
      if (this.flight.isEndedBy(error)) return;
      const message = `${subject.policy.where}: the method failed when its caller had stopped waiting: ${String(error)}`;
      core.report({ code: 'late', message, cause: error });
      onFailure(error);
    });
    core.inBackground(told);
  }

  run(reading: Reading): Promise<Computed> {
    return this.#run(this.#newCompute(), reading);
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
      // To wait for another process is a decision too, or two that take many ids could wait for each other.
      onWait: () => run.decision?.made(),
      find: async () => find((latest = await look.read())),
    });
    run.decision?.reopened();
    if ('end' in turn) return this.runInTurn(turn, latest);
    this.flight.land(elsewhere);
    return turn.answer;
  }

  async runInTurn(turn: Turn, latest?: Reading): Promise<Computed> {
    const { core, look } = this.#parts;
    let compute: Compute | undefined;
    try {
      const reading = latest ?? (await look.read());
      compute = this.#newCompute();
      return await this.#run(compute, reading);
    } finally {
      const stored = compute?.stored ?? Promise.resolve(false);
      core.inBackground(stored.then((isStored) => turn.end(isStored ? 'stored' : 'open')));
    }
  }

  #newCompute(): Compute {
    const { core, subject, look, keepsError } = this.#parts;
    const { names, version, isStorable } = look;
    // That it ends when it is told to says nothing of whether it works.
    const mayKeep = subject.policy.errors !== undefined;
    const keeps = (error: unknown): boolean => mayKeep && !this.flight.isCancelled && keepsError(error);
    return new Compute(core, subject, this.flight, { names, version, isStorable, keepsError: keeps });
  }

  async #run(compute: Compute, reading: Reading): Promise<Computed> {
    const { core, subject, replaces } = this.#parts;
    const computed = await compute.run(reading);
    core.backOffs.end(subject.key);
    const isDone = replaces === 'always' || (replaces === 'unwanted' && computed.isUnwanted);
    if (!computed.stored && isDone) core.discard(subject.key);
    this.flight.land(computed.landing);
    return computed;
  }
}
