/** What a cached call knows of the call around it: follows `await` and leaks into no other request. */

import { AsyncLocalStorage } from 'node:async_hooks';
import { isPromise } from 'node:util/types';
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
  /** Of what runs around for nobody: aborted when it is given up. */
  readonly signal: AbortSignal | undefined;
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
  signal: undefined,
  isStrong: false,
  listener: undefined,
  transactions: undefined,
});

/** A scope that is entered. */
interface Frame {
  scope: Scope;
  /** What it was entered from, and goes back to when it is over. */
  around: Frame | undefined;
  /** What was run in it has settled. What that has left running is no part of it. */
  isOver: boolean;
}

/**
 * Until Node 24 a storage that is in use hooks into every promise of the process, which makes each `await` dearer than a hit
 * in memory. So it is in use only while something can run in a scope.
 */
interface Scopes {
  readonly storage: AsyncLocalStorage<Frame>;
  /** Something can run in a frame, */
  readonly enter: () => void;
  /** and nothing can any more. */
  readonly leave: () => void;
}

function newScopes(): Scopes {
  const storage = new AsyncLocalStorage<Frame>();
  let running = 0;
  const enter = (): void => void running++;
  const leave = (): void => {
    if (--running === 0) storage.disable();
  };
  // Frozen, as jest takes apart what is found on the global object when a file of tests has ended, and what that has left is still running.
  return Object.freeze({ storage, enter, leave });
}

// Shared by the ESM and the CommonJS copy of this package in one process: a call into the other copy has to be seen.
const place = Symbol.for('cachette.scope.3');
const shared = globalThis as unknown as Record<symbol, Scopes | undefined>;
const { storage, enter, leave } = (shared[place] ??= newScopes());

const outside: Frame = { scope: outermost, around: undefined, isOver: false };

const never = new AbortController().signal;

/** Of the compute around: aborted when nobody waits for it any more. Never, where there is none. */
export function currentSignal(): AbortSignal {
  const { signal, flight } = currentScope();
  return signal ?? flight?.signal ?? never;
}

export function currentScope(): Scope {
  return currentFrame()?.scope ?? outermost;
}

function currentFrame(): Frame | undefined {
  let frame = storage.getStore();
  while (frame?.isOver) frame = frame.around;
  return frame;
}

/**
 * Runs `fn` in the current scope, changed by `change`, which is over when what `fn` returns has settled. What is no native promise ends
 * it at once, so a function of the user's, which may return a thenable, is wrapped in an `async` one.
 */
export function withScope<T>(change: Partial<Scope>, fn: () => T): T {
  const frame: Frame = { scope: changed(change), around: currentFrame(), isOver: false };
  enter();
  try {
    const result = storage.run(frame, fn);
    if (isPromise(result)) return endWith(frame, result) as T;
    end(frame);
    return result;
  } catch (error) {
    end(frame);
    throw error;
  }
}

/**
 * The same for whatever `fn` has left running, however long: a scope that is never over. What `fn` returns is the user's, and is
 * not looked at. That nothing can run in it any more, the garbage collector says: all that could holds the frame.
 */
export function withLastingScope<T>(change: Partial<Scope>, fn: () => T): T {
  const frame: Frame = { scope: changed(change), around: undefined, isOver: false };
  enter();
  unreachable.register(frame, undefined);
  return storage.run(frame, fn);
}

const unreachable = new FinalizationRegistry<undefined>(leave);

function changed(change: Partial<Scope>): Scope {
  return { ...currentScope(), ...change };
}

function endWith<T>(frame: Frame, result: Promise<T>): Promise<T> {
  return result.then(
    (value) => {
      end(frame);
      return value;
    },
    (error: unknown) => {
      end(frame);
      throw error;
    },
  );
}

/** Once for each frame: to count one twice would switch the storage off while something runs, and lose what that depends on. */
function end(frame: Frame): void {
  if (frame.isOver) return;
  frame.isOver = true;
  frame.scope = outermost;
  // What begins in what is left running, and so on, would keep them all.
  while (frame.around?.isOver) frame.around = frame.around.around;
  leave();
}

/** Runs `fn` as if nothing were around it: what it does is nobody's part. */
export function withoutScope<T>(fn: () => T): T {
  return currentFrame() ? storage.run(outside, fn) : fn();
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
