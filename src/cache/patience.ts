/** How long a caller waits for a running method, and what it takes instead. The method goes on either way. */

import { CacheTimeoutError } from '../base/errors.js';
import type { Time } from '../policies/deadline.js';
import type { Flight } from '../policies/flight.js';

export interface Patience<T> {
  /** For a message: `Products.find`. */
  readonly method: string;
  readonly time: Time;
  readonly softMs: number | undefined;
  readonly hardMs: number | undefined;
  /** The caller's own: it stops waiting when that is aborted. */
  readonly signal: AbortSignal | undefined;
  /** Looks for something to be served instead, after `softMs`; what it gives takes that. Must not reject. */
  readonly instead: () => Promise<(() => T | undefined) | undefined>;
  /** Called where the caller does not wait for the end. */
  readonly left: () => void;
}

/**
 * What `work` brings, or what is served instead of it.
 *
 * @throws CacheTimeoutError after `hardMs`, and what the caller's signal was aborted with
 */
export function waitFor<T>(flight: Flight, work: Promise<T>, patience: Patience<T>): Promise<T> {
  const giveUp = flight.enter();
  const { softMs, hardMs, signal } = patience;
  if (softMs === undefined && hardMs === undefined && !signal) return work;
  return new Wait(patience, giveUp).until(work);
}

class Wait<T> {
  readonly #patience: Patience<T>;
  readonly #giveUp: (reason: unknown) => void;
  readonly #since: number;
  readonly #end: Promise<T>;
  #settle!: { resolve: (result: T) => void; reject: (reason: unknown) => void };
  #isOver = false;
  #cancelSoft = (): void => {};
  #cancelHard = (): void => {};

  constructor(patience: Patience<T>, giveUp: (reason: unknown) => void) {
    this.#patience = patience;
    this.#since = patience.time.monotonicMs();
    this.#giveUp = giveUp;
    this.#end = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
  }

  until(work: Promise<T>): Promise<T> {
    const { time, softMs, hardMs, signal } = this.#patience;
    if (softMs !== undefined) this.#cancelSoft = time.awaited(softMs, () => void this.#lookForOther());
    if (hardMs !== undefined) this.#cancelHard = time.awaited(hardMs, this.#timeOut);
    signal?.addEventListener('abort', this.#abort, { once: true });
    if (signal?.aborted) this.#abort();
    void work.then(this.#settle.resolve, this.#settle.reject).then(() => {
      this.#isOver = true;
      this.#cancelAll();
    });
    return this.#end;
  }

  readonly #timeOut = (): void => {
    this.#leave(new CacheTimeoutError(this.#patience.method, this.#patience.hardMs as number));
  };

  readonly #abort = (): void => {
    this.#leave(this.#patience.signal?.reason);
  };

  #leave(reason: unknown): void {
    this.#cancelAll();
    this.#stopWaiting();
    this.#settle.reject(reason);
    this.#giveUp(reason);
  }

  /** The process need not wait either; the method is told all the same when its time is up. */
  async #lookForOther(): Promise<void> {
    const { time, hardMs, instead } = this.#patience;
    const take = await instead();
    const other = this.#isOver ? undefined : take?.();
    if (other === undefined) return;
    this.#stopWaiting();
    this.#settle.resolve(other);
    this.#cancelAll();
    if (hardMs !== undefined)
      this.#cancelHard = time.later(Math.max(1, this.#since + hardMs - time.monotonicMs()), this.#timeOut);
  }

  #stopWaiting(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#patience.left();
  }

  #cancelAll(): void {
    this.#cancelSoft();
    this.#cancelHard();
    this.#patience.signal?.removeEventListener('abort', this.#abort);
  }
}
