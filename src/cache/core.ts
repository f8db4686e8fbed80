/** What all calls of one cache share. */

import { atMost, LRUCache } from '../policies/lru.js';
import type { Clock } from '../base/clock.js';
import type { Entry } from '../base/entry.js';
import { InvalidationError } from '../base/errors.js';
import { textOf } from '../base/text.js';
import type { CacheProblem, Emitter } from '../base/events.js';
import { type Time, timeOf } from '../policies/deadline.js';
import { Flights } from '../policies/flight.js';
import type { Tokens } from '../policies/generations.js';
import type { Store } from '../stores/store.js';
import type { InvalidationResult } from './host.js';
import type { Names } from './names.js';
import type { Outcomes } from './outcomes.js';
import { transactionOf, withTransaction } from './scope.js';
import { type Told, Transaction } from './transaction.js';
import { Versions } from './versions.js';

/** Keys and generations remembered to save work. What falls out costs a round trip or a compute, never a stale value. */
const remembered = 8_000;

export interface CoreParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly names: Names;
  readonly events: Emitter;
  readonly outcomes: Outcomes;
  /** Whether an invalidation that cannot be delivered rejects. */
  readonly throwsUndelivered: boolean;
  /** The longest that a user's `version` may take. */
  readonly deadlineMs: number;
  /** Is given all work in the background. */
  readonly waitUntil: ((work: Promise<unknown>) => void) | undefined;
}

export class Core {
  readonly store: Store;
  readonly clock: Clock;
  readonly names: Names;
  readonly events: Emitter;
  readonly outcomes: Outcomes;
  readonly time: Time;
  readonly flights: Flights;
  readonly writes = new Writes();
  readonly seen = new SeenTokens();
  readonly backOffs: BackOffs;
  readonly versions: Versions;
  /** The late tags that an entry had when it was last seen: names to read beforehand, never a statement about the entry. */
  readonly hints = new LRUCache<string, readonly string[]>(atMost(remembered));
  /** Writes that run, whose invalidations come when they have ended. */
  readonly writers = new Running();
  /** Who wants to know of each removal, by this process or another one, before it is carried out. */
  readonly onRemoved = new Set<RemovalListener>();
  enabled = true;
  /** What was told lately. A message with a value of the user's in it could otherwise be remembered without end. */
  readonly #warned = new LRUCache<string, true>(atMost(remembered));
  readonly #throwsUndelivered: boolean;
  readonly #background = new Set<Promise<unknown>>();
  readonly #waitUntil: CoreParts['waitUntil'];

  constructor(parts: CoreParts) {
    this.store = parts.store;
    this.clock = parts.clock;
    this.time = timeOf(parts.clock);
    this.flights = new Flights(this.time);
    this.names = parts.names;
    this.events = parts.events;
    this.outcomes = parts.outcomes;
    this.#throwsUndelivered = parts.throwsUndelivered;
    this.#waitUntil = parts.waitUntil;
    this.backOffs = new BackOffs(parts.clock);
    this.versions = new Versions({
      deadlineMs: parts.deadlineMs,
      time: this.time,
      report: (message, cause) => this.report({ code: 'version', message, cause }),
    });
  }

  /** Tells of something that was survived. Loud: also printed, as somebody has to change something. */
  report({ loud, ...problem }: CacheProblem & { readonly loud?: boolean }): void {
    this.events.emit('error', problem);
    if (loud) this.warn(problem.code, problem.message);
  }

  /** Once for each message: to who listens for warnings, else to the process; to subscribers of the channel in any case. */
  warn(code: string, message: string): void {
    if (this.#warned.has(message)) return;
    this.#warned.set(message, true);
    this.events.emit('warning', { code, message });
    if (this.events.hasListener('warning')) return;
    process.emitWarning(message, {
      type: 'CacheWarning',
      code: `CACHETTE_${code.toUpperCase().replaceAll('-', '_')}`,
    });
  }

  /** The only way in which an entry gets into the store. `wanted` is asked at the last moment. Never rejects. */
  commit(key: string, entry: Entry, wanted: () => boolean): Promise<boolean> {
    return this.#write(key, async () => {
      try {
        if (!wanted()) return false;
        this.writes.changed(key);
        return await this.store.write(key, entry);
      } catch (error) {
        this.report({
          code: 'store',
          message: `The entry ${key} could not be written: ${textOf(error)}`,
          cause: error,
        });
        return false;
      }
    });
  }

  /** Removes an entry that a newer result was not to replace. Reads that come later wait for it. */
  discard(key: string): void {
    void this.#write(key, async () => {
      this.writes.changed(key);
      await this.store.remove([key]);
      return false;
    });
  }

  /** No caller waits for it. */
  #write(key: string, write: () => Promise<boolean>): Promise<boolean> {
    const writing = this.writes.add(key, write);
    if (this.#waitUntil) this.inBackground(writing);
    return writing;
  }

  /** Work that no caller waits for; {@link settled} does. */
  inBackground(work: Promise<unknown>): void {
    this.#background.add(work);
    const end = (): void => void this.#background.delete(work);
    work.then(end, end);
    try {
      this.#waitUntil?.(work);
    } catch (error) {
      this.report({ code: 'callback', message: `waitUntil: ${textOf(error)}`, cause: error, loud: true });
    }
  }

  /** Resolves when nothing is under way that was begun before. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#background);
    await this.writes.allSettled();
  }

  /**
   * Runs `fn`; what is invalidated or forgotten inside waits until it has settled. One inside another is part of that.
   * Also where `fn` failed, as its data may have been committed all the same:
   *
   *   T1 commits A=1, the answer is lost, fn throws · nothing invalidated · T0 reads x: A=0 until its ttl
   */
  async transaction<T>(fn: () => Promise<T>): Promise<T> {
    return transactionOf(this) ? fn() : this.writers.during((write) => this.#transaction(fn, write));
  }

  async #transaction<T>(fn: () => Promise<T>, write: number): Promise<T> {
    const transaction = new Transaction();
    try {
      const result = await withTransaction(this, transaction, async () => fn());
      const status = await this.#carryOut(transaction, write);
      this.resultOf(status, 'What was invalidated in a transaction', [
        ...new Set(transaction.told.flatMap(({ tags }) => tags)),
      ]);
      return result;
    } finally {
      // Where fn failed; its own error says more than that an invalidation could not be delivered either.
      if (transaction.isRunning) await this.#carryOut(transaction, write);
    }
  }

  async #carryOut(transaction: Transaction, write: number): Promise<'done' | 'deferred'> {
    transaction.end();
    const { names, keys, told } = transaction;
    const forgetting = keys.map((key) => this.forget(key));
    const status = names.length > 0 ? await this.invalidate(names, write) : 'done';
    for (const what of told) this.tell(what, status);
    return [status, ...(await Promise.all(forgetting))].includes('deferred') ? 'deferred' : 'done';
  }

  /**
   * Invalidates generations: here at once, in the store when it has acknowledged. Where it has not, the generations go on
   * standing there, also for computes that began in between:
   *
   *   T2 sends del Ga · T1 computes o, which reads x under Ga: a hit · del Ga fails, T2 returns `deferred`
   *   T0 joins o, as Gb is unchanged · o ends, reads Ga once more: unchanged, and yet T0 must not get it
   *
   * `write`: of which of the {@link writers} it is, if it is known.
   */
  async invalidate(names: readonly string[], write?: number): Promise<'done' | 'deferred'> {
    const transaction = transactionOf(this);
    if (transaction) return transaction.invalidate(names);
    this.flights.fence(names);
    this.#noteRemoved(names, write);
    const status = await this.#remove(names);
    if (status === 'deferred') this.flights.fence(names);
    return status;
  }

  /** Tells of an invalidation that has ended. */
  tell(told: Told, status: 'done' | 'deferred'): void {
    this.events.emit('invalidation', { ...told, status });
  }

  /** Removes one entry; computes that run here will not bring it back. */
  async forget(key: string): Promise<'done' | 'deferred'> {
    const transaction = transactionOf(this);
    if (transaction) return transaction.forget(key);
    this.flights.forget([key]);
    this.#noteRemoved([key]);
    return this.writes.whileRemoving([key], async () => {
      await this.writes.settled(key);
      return this.#remove([key]);
    });
  }

  /**
   * Another process has removed these generations and entries. Resolves when nothing that this process is writing brings
   * an entry back.
   */
  async forgetRemoved(names: readonly string[], remove: (keys: readonly string[]) => Promise<unknown>): Promise<void> {
    this.flights.fence(names);
    this.flights.forget(names);
    this.#noteRemoved(names);
    const written = names.filter((name) => this.writes.settled(name) !== undefined);
    if (written.length === 0) return;
    await this.writes.whileRemoving(written, async () => {
      for (const key of written) await this.writes.settled(key);
      return remove(written);
    });
  }

  /**
   * What the user is told of an invalidation of `what`.
   *
   * @throws InvalidationError if it was not delivered and the user wants to be told like that
   */
  resultOf(status: 'done' | 'deferred', what: string, tags: readonly string[] = []): InvalidationResult {
    if (status === 'deferred' && this.#throwsUndelivered) throw new InvalidationError(tags, what);
    return { status };
  }

  #noteRemoved(names: readonly string[], write?: number): void {
    this.outcomes.removed(names);
    for (const listener of this.onRemoved) listener(names, write);
  }

  /** {@link close} waits for it: what has begun is to be delivered. */
  #remove(names: readonly string[]): Promise<'done' | 'deferred'> {
    const removing = this.store.remove(names);
    this.inBackground(removing);
    return removing;
  }
}

/** `write`: of which of the writers of this process it is; undefined where that is not known. */
export type RemovalListener = (names: readonly string[], write: number | undefined) => void;

/** What runs, to be waited for. */
class Running {
  readonly #works = new Set<Promise<unknown>>();
  #begun = 0;

  /** The number of the last one that has begun. */
  get latest(): number {
    return this.#begun;
  }

  /** `run` is given its number. */
  during<T>(run: (number: number) => Promise<T>): Promise<T> {
    const work = run(++this.#begun);
    this.#works.add(work);
    const end = (): void => void this.#works.delete(work);
    work.then(end, end);
    return work;
  }

  /** Resolves when what runs now has ended, well or not. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#works);
  }
}

/** Writes under way, so that this process reads what it has written, and `forget` waits for what it must remove. */
export class Writes {
  readonly #underWay = new Map<string, Promise<boolean>>();
  readonly #changed = new LRUCache<string, number>({
    ...atMost(remembered),
    dispose: (change, _key, why) => {
      if (why === 'evict') this.#fallenOut = change;
    },
  });
  readonly #removing = new Map<string, number>();
  #changes = 0;
  /** The last change of a key that is no longer remembered. */
  #fallenOut = 0;

  /** Writes of one key follow each other. */
  add(key: string, write: () => Promise<boolean>): Promise<boolean> {
    const before = this.#underWay.get(key);
    const writing = (before ? before.then(write) : write()).finally(() => {
      if (this.#underWay.get(key) === writing) this.#underWay.delete(key);
    });
    this.#underWay.set(key, writing);
    return writing;
  }

  /** To be awaited if there is one. */
  settled(key: string): Promise<boolean> | undefined {
    return this.#underWay.get(key);
  }

  async allSettled(): Promise<void> {
    await Promise.all(this.#underWay.values());
  }

  /**
   * Runs the removal of entries. Until it has ended, who has read one of them does not write it again:
   *
   *   forget(x) sends del x · T0 reads x, before it is executed · del x executed · T0, sliding, writes x again
   */
  async whileRemoving<T>(keys: readonly string[], remove: () => Promise<T>): Promise<T> {
    for (const key of keys) this.#removing.set(key, (this.#removing.get(key) ?? 0) + 1);
    try {
      return await remove();
    } finally {
      for (const key of keys) this.#removed(key);
    }
  }

  #removed(key: string): void {
    const others = (this.#removing.get(key) ?? 1) - 1;
    if (others > 0) this.#removing.set(key, others);
    else this.#removing.delete(key);
    this.changed(key);
  }

  /** The entry of `key` is written or forgotten: who has read it before has another one. */
  changed(key: string): void {
    this.#changed.set(key, ++this.#changes);
  }

  /** To be kept when a read begins, and given to {@link changedSince}. */
  get changes(): number {
    return this.#changes;
  }

  changedSince(key: string, changes: number): boolean {
    return this.#removing.has(key) || (this.#changed.peek(key) ?? this.#fallenOut) > changes;
  }
}

/** Keys whose method has failed lately. While an old value is served it is left alone for a while. */
export class BackOffs {
  readonly #clock: Clock;
  readonly #until = new LRUCache<string, number>(atMost(remembered));

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin(key: string, ms: number): void {
    this.#until.set(key, this.#clock.now() + ms);
  }

  end(key: string): void {
    this.#until.delete(key);
  }

  isOn(key: string): boolean {
    return (this.#until.get(key) ?? 0) > this.#clock.now();
  }
}

/** When this process first read a token, in the time of the flights. */
export class SeenTokens {
  readonly #seen = new LRUCache<string, { readonly token: string; readonly at: number }>(atMost(remembered));

  note(tokens: Tokens, at: number): void {
    for (const [name, token] of tokens) {
      if (token !== undefined && this.#seen.peek(name)?.token !== token) this.#seen.set(name, { token, at });
    }
  }

  /** The token of `name` that had been read before the compute that started at `startedAt`. */
  before(name: string, startedAt: number): string | undefined {
    const seen = this.#seen.get(name);
    return seen && seen.at < startedAt ? seen.token : undefined;
  }
}
