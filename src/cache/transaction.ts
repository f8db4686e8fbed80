/** What waits until a transaction has ended, and what a cached call inside must not be served until then. */

import type { InvalidationEvent } from '../base/events.js';

/** What listeners are told of an invalidation, besides how it ended. */
export type Told = Omit<InvalidationEvent, 'status'>;

export class Transaction {
  readonly #names = new Set<string>();
  readonly #keys = new Set<string>();
  readonly #told: Told[] = [];
  #isRunning = true;

  /** Ended: what its function left running behaves as if there had been none. */
  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** Generations to be invalidated. */
  get names(): readonly string[] {
    return [...this.#names];
  }

  /** Entries to be removed. */
  get keys(): readonly string[] {
    return [...this.#keys];
  }

  /** Each invalidation that listeners are to be told of. */
  get told(): readonly Told[] {
    return this.#told;
  }

  invalidate(names: readonly string[]): 'deferred' {
    for (const name of names) this.#names.add(name);
    return 'deferred';
  }

  forget(key: string): 'deferred' {
    this.#keys.add(key);
    return 'deferred';
  }

  tell(told: Told): void {
    this.#told.push(told);
  }

  /** Whether a generation or an entry of this name is to be removed; also when that is under way. */
  isPending(name: string): boolean {
    return this.#names.has(name) || this.#keys.has(name);
  }

  end(): void {
    this.#isRunning = false;
  }
}
