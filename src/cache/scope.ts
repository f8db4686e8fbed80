/** What a cached call knows of the call around it: follows `await` and leaks into no other request. */

import { AsyncLocalStorage } from 'node:async_hooks';
import type { Generation } from '../base/entry.js';
import type { Outcome } from '../base/events.js';
import type { Flight } from '../policies/flight.js';
import type { Transaction } from './transaction.js';

/** Collects, while a method runs, the generations that its result depends on through cached calls inside. */
export class Inheritance {
  readonly owner: object;
  readonly #tokens = new Map<string, string>();
  readonly #names = new Set<string>();
  #taint: string | undefined;
  #areNamesComplete = true;
  #isSealed = false;

  /** `owner`: the cache. Generations of another one say nothing here. */
  constructor(owner: object) {
    this.owner = owner;
  }

  /** Why the result cannot be stored, or undefined. */
  get taint(): string | undefined {
    return this.#taint;
  }

  get generations(): ReadonlyMap<string, string> {
    return this.#tokens;
  }

  /** The names of all that the result depends on; undefined if they are not known. */
  get names(): ReadonlySet<string> | undefined {
    return this.#areNamesComplete ? this.#names : undefined;
  }

  /** A cached call inside came back, computed under these. */
  add(generations: readonly Generation[]): void {
    if (this.#isSealed) return;
    for (const [name] of generations) this.#names.add(name);
    for (const [name, token] of generations) {
      const known = this.#tokens.get(name);
      if (known === undefined) this.#tokens.set(name, token);
      // Data from before and after an invalidation are mixed; neither generation alone would say so.
      else if (known !== token) this.spoil(`one tag under two generations: ${name}`);
    }
  }

  /** A part of the method depends on this. */
  addAll({ taint, generations, names }: Inheritance): void {
    if (taint !== undefined) this.spoil(taint, names && [...names]);
    this.add([...generations]);
  }

  /** A cached call inside came back without complete generations; with the names of them where those are known. */
  spoil(reason: string, names?: readonly string[]): void {
    if (this.#isSealed) return;
    this.#taint ??= reason;
    if (!names) this.#areNamesComplete = false;
    else for (const name of names) this.#names.add(name);
  }

  /** The method has returned: what goes on inside it depends on nothing of this any more. */
  seal(): void {
    this.#isSealed = true;
  }
}

/** How cached calls behave here. */
export type Mode = 'cached' | 'bypass' | 'refresh';

export interface Scope {
  readonly mode: Mode;
  /** Of the compute that runs around, if any. */
  readonly inheritance: Inheritance | undefined;
  readonly flight: Flight | undefined;
  /** Whether a call around wants that the store is asked each time. */
  readonly isStrong: boolean;
  /** Who asked to be told of each call. */
  readonly listener: ((outcome: Outcome) => void) | undefined;
  /** By the core of their cache: the transaction of one cache is none of another's. */
  readonly transactions: ReadonlyMap<object, Transaction> | undefined;
}

const outermost: Scope = Object.freeze({
  mode: 'cached',
  inheritance: undefined,
  flight: undefined,
  isStrong: false,
  listener: undefined,
  transactions: undefined,
});

// Shared by the ESM and the CommonJS copy of this package in one process: a call into the other copy has to be seen.
const place = Symbol.for('cachette.scope.2');
const shared = globalThis as unknown as Record<symbol, AsyncLocalStorage<Scope> | undefined>;
const storage = (shared[place] ??= new AsyncLocalStorage<Scope>());

export function currentScope(): Scope {
  return storage.getStore() ?? outermost;
}

/** Runs `fn` in the current scope, changed by `change`. */
export function withScope<T>(change: Partial<Scope>, fn: () => T): T {
  return storage.run({ ...currentScope(), ...change }, fn);
}

/** Runs `fn` as if no call and no transaction were around it: for what goes on long after them. */
export function withoutScope<T>(fn: () => T): T {
  return storage.run(outermost, fn);
}

/** The transaction of a cache that runs around, if any; `core` is that cache's. */
export function transactionOf(core: object, scope = currentScope()): Transaction | undefined {
  const transaction = scope.transactions?.get(core);
  return transaction?.isRunning ? transaction : undefined;
}

/** Runs `fn` inside `transaction`, a transaction of the cache with this core. */
export function withTransaction<T>(core: object, transaction: Transaction, fn: () => T): T {
  return withScope({ transactions: new Map(currentScope().transactions).set(core, transaction) }, fn);
}
