/**
 * A method that gives one item for each of many ids. Each element is a call of its own, with its key, its tags and its
 * flight; those that have to load do so in one run of the method.
 */

import { CacheConfigError } from '../base/errors.js';
import { Flight } from '../policies/flight.js';
import type { JointRun, Run } from './compute.js';
import type { Core } from './core.js';
import { type CachedMethodHandle, type InvalidationResult, runOriginal } from './host.js';
import type { MethodSource } from './identity.js';
import type { CachedMethod } from './method.js';
import { currentScope, Inheritance, type Scope, withScope } from './scope.js';

export class CachedManyMethod implements CachedMethodHandle {
  readonly #core: Core;
  readonly #element: CachedMethod;
  readonly #where: string;

  /** `element`: the calls with one id. `where` is for messages. */
  constructor(core: Core, element: CachedMethod, where: string) {
    this.#core = core;
    this.#element = element;
    this.#where = where;
  }

  get source(): MethodSource {
    return this.#element.source;
  }

  async call(self: unknown, args: unknown[]): Promise<unknown[]> {
    const ids = this.#ids(args);
    const distinct = new Set(ids);
    const gathering = new Gathering(this.#core, distinct, (missing) => this.#load(self, missing));
    const items = new Map<unknown, Promise<unknown>>();
    for (const id of distinct) {
      const item = this.#element.callWith(self, [id], gathering.runOf(id));
      const decided = (): void => {
        gathering.decided(id);
      };
      item.then(decided, decided);
      items.set(id, item);
    }
    return Promise.all(ids.map((id) => items.get(id) as Promise<unknown>));
  }

  async forget(self: unknown, args: readonly unknown[]): Promise<InvalidationResult> {
    const ids = [...new Set(this.#ids(args))];
    const results = await Promise.all(ids.map((id) => this.#element.forget(self, [id])));
    return { status: results.every(({ status }) => status === 'done') ? 'done' : 'deferred' };
  }

  forgetAll(self: unknown): Promise<InvalidationResult> {
    return this.#element.forgetAll(self);
  }

  keyOf(self: unknown, args: readonly unknown[]): string {
    const ids = this.#ids(args);
    if (ids.length === 1) return this.#element.keyOf(self, ids);
    throw this.#complaint(`there is a key for each id, and there are ${ids.length} ids`, 'name one, as in [[id]]');
  }

  #ids(args: readonly unknown[]): readonly unknown[] {
    const [ids, ...others] = args;
    if (!Array.isArray(ids)) throw this.#complaint('it was called without an array of ids', 'call it with [id, …]');
    if (others.every((other) => other === undefined)) return [...(ids as unknown[])];
    throw this.#complaint(
      `it was called with ${args.length} arguments, and only the ids identify an item`,
      'call it with the ids alone, or write @Cached',
    );
  }

  async #load(self: unknown, ids: readonly unknown[]): Promise<readonly unknown[]> {
    const items = await runOriginal(this.source, self, [[...ids]]);
    if (Array.isArray(items) && items.length === ids.length) return items as unknown[];
    const gave = Array.isArray(items) ? `an array of ${items.length}` : `no array but ${kindOf(items)}`;
    throw this.#complaint(
      `the method gave ${gave} for ${ids.length} ${ids.length === 1 ? 'id' : 'ids'}`,
      'return one item for each id, in the order of the ids, such as null where there is none',
    );
  }

  #complaint(what: string, instead: string): CacheConfigError {
    return new CacheConfigError({ where: this.#where, what, instead });
  }
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return value instanceof Map || value instanceof Set ? `a ${value.constructor.name}` : `one ${typeof value}`;
}

/** An element that has to load, and the scope that its compute made. */
class Wanted {
  readonly scope: Scope;
  readonly item: Promise<unknown>;
  /** The run that it was loaded by, when that has ended. */
  joint: JointRun | undefined;
  resolve!: (item: unknown) => void;
  reject!: (error: unknown) => void;

  constructor(scope: Scope) {
    this.scope = scope;
    this.item = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }
}

/**
 * The elements of one call. The method runs when each has decided whether it is served, waits for somebody else, or has to
 * load. To wait for somebody else's item is a decision, or two calls could wait for each other:
 *
 *   A leads x, joins y, which B leads · B joins x · A runs for x when y has come, B for y when x has
 *
 * A decision never waits for a method, only for the store, so it comes.
 */
class Gathering {
  readonly #core: Core;
  readonly #ids: readonly unknown[];
  readonly #undecided: Set<unknown>;
  readonly #load: (ids: readonly unknown[]) => Promise<readonly unknown[]>;
  /** Where the method is called from, as the elements' scopes are their own. */
  readonly #scope = currentScope();
  #wanted = new Map<unknown, Wanted>();
  #isAboutToRun = false;

  constructor(core: Core, ids: ReadonlySet<unknown>, load: (ids: readonly unknown[]) => Promise<readonly unknown[]>) {
    this.#core = core;
    this.#ids = [...ids];
    this.#undecided = new Set(ids);
    this.#load = load;
  }

  /** What runs as the method of one element. */
  runOf(id: unknown): Run {
    const decision = {
      made: () => {
        this.decided(id);
      },
      reopened: () => {
        this.#undecided.add(id);
      },
    };
    let latest: Wanted | undefined;
    const run = (): Promise<unknown> => (latest = this.#want(id)).item;
    return Object.assign(run, { decision, joint: () => latest?.joint });
  }

  decided(id: unknown): void {
    this.#undecided.delete(id);
    if (this.#isReady && !this.#isAboutToRun) void this.#runSoon();
  }

  get #isReady(): boolean {
    return this.#undecided.size === 0 && this.#wanted.size > 0;
  }

  /** Elements that are loaded in the background have decided long before; they all come within a few promise jobs. */
  async #runSoon(): Promise<void> {
    this.#isAboutToRun = true;
    for (let job = 0; job < 3; job++) await Promise.resolve();
    this.#isAboutToRun = false;
    if (this.#isReady) await this.#run();
  }

  #want(id: unknown): Wanted {
    const wanted = new Wanted(currentScope());
    this.#wanted.set(id, wanted);
    this.decided(id);
    return wanted;
  }

  /** The caller's scope, unless all are loaded in the background: then it is over, and its `explain` hears of nothing. */
  #around(wanted: readonly Wanted[]): Scope {
    const isCallers = wanted.some(({ scope }) => scope.listener === this.#scope.listener);
    return isCallers ? this.#scope : (wanted[0] as Wanted).scope;
  }

  /** Once for all that is wanted; again where an element could not share what it had waited for. */
  async #run(): Promise<void> {
    const ids = this.#ids.filter((id) => this.#wanted.has(id));
    const wanted = ids.map((id) => this.#wanted.get(id) as Wanted);
    this.#wanted = new Map();
    const together = new Together(this.#core, wanted);
    const { time } = this.#core;
    const startedAt = time.monotonicMs();
    const ended = (): void => {
      const joint = jointRun(wanted.length, time.monotonicMs() - startedAt);
      for (const one of wanted) one.joint = joint;
    };
    try {
      const items = await together.run(this.#around(wanted), () => this.#load(ids)).finally(ended);
      wanted.forEach(({ resolve }, i) => {
        resolve(items[i]);
      });
    } catch (error) {
      for (const { reject } of wanted) reject(error);
    }
  }
}

function jointRun(calls: number, durationMs: number): JointRun {
  let isTold = false;
  const isToBeTold = (): boolean => {
    const isFirst = !isTold;
    isTold = true;
    return isFirst;
  };
  return { calls, durationMs, isToBeTold };
}

/**
 * One run of the method for several computes. What it calls inside, each of them depends on; what it waits for, each of
 * them waits for.
 */
class Together {
  readonly #wanted: readonly Wanted[];
  readonly #inheritance: Inheritance;
  /** Nobody joins it: it stands for the run where it is asked who waits for whom. */
  readonly #flight = new Flight('');

  constructor(core: Core, wanted: readonly Wanted[]) {
    this.#wanted = wanted;
    this.#inheritance = new Inheritance(core);
  }

  async run<T>(scope: Scope, load: () => Promise<T>): Promise<T> {
    for (const { scope: element } of this.#wanted) {
      element.flight?.waitingFor.add(this.#flight);
      // In vain only if nobody waits for any of them.
      element.flight?.carriedBy(this.#flight);
    }
    try {
      const isStrong = this.#wanted.some(({ scope: element }) => element.isStrong);
      const inside = { ...scope, isStrong, inheritance: this.#inheritance, flight: this.#flight };
      return await withScope(inside, load);
    } finally {
      for (const { scope: element } of this.#wanted) {
        // Also where it failed: the failure is as old as what was read inside.
        element.inheritance?.addAll(this.#inheritance);
        element.flight?.waitingFor.delete(this.#flight);
      }
    }
  }
}
