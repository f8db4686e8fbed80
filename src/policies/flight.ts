/**
 * One running compute, and who may share it.
 *
 * A caller that began before the compute started may always share it: the method reads its data after the caller came.
 * A later one may only if nothing was invalidated in between, which it knows by the generations of the argument tags:
 *
 *   T1 compute starts under Ga=1 · invalidate(a) deletes Ga, returns · T0 reads Ga: absent · T0 must not join
 *
 * A compute that has met late tags (from its result or from cached calls inside) is closed when it ends, as a caller
 * that comes then has not compared those:
 *
 *   T1 ends, reads its late Gb once more: unchanged · invalidate(b) returns · T0 reads Ga: unchanged · T0 must not join
 */

import type { Generation, Payload } from '../base/entry.js';
import { machineTime, type Time } from './deadline.js';
import type { Tokens } from './generations.js';

/** What a flight brings to those who share it. */
export interface Landing {
  readonly payload: Payload | undefined;
  /** Captured before the compute and late ones; undefined where they are not complete. */
  readonly generations: readonly Generation[] | undefined;
  /** The names of everything that the result depends on, also where the generations are not known; undefined if unknown. */
  readonly names: readonly string[] | undefined;
  /** Whether callers that came after the start may have it. */
  readonly verified: boolean;
  /** Another process has computed it: who waits reads it from the store by itself. */
  readonly isElsewhere?: boolean;
}

/** A caller that would share a flight. */
export interface Arrival {
  /** What {@link Flights.arrival} said when it came. */
  readonly began: number;
  /** The generations that it knows beforehand. */
  readonly names: readonly string[];
  /** What it has read; undefined if it has nothing to compare, and may share only what has not started. */
  readonly tokens: Tokens | undefined;
  /** Whether everything inside has to ask the store each time. */
  readonly isStrong: boolean;
}

/** The run in which a flight's method runs together with others, and how to say that nobody here waits for it. */
interface Carrier {
  readonly flight: Flight;
  readonly giveUp: (reason: unknown) => void;
}

/** Names invalidated during one compute above which all count as invalidated; a compute that hangs must not gather for ever. */
const remembersAtMost = 10_000;

export class Flight {
  readonly key: string;
  /** Whether the compute asks the store each time, also for what is inside. */
  readonly isStrong: boolean;
  readonly landing: Promise<Landing>;
  /** The flights that this compute waits for: those of cached calls inside. */
  readonly waitingFor = new Set<Flight>();
  /** The compute failed after it had met what callers that came after its start have not compared. */
  failedUnverified = false;
  #settle!: { resolve: (landing: Landing) => void; reject: (reason: unknown) => void };
  #startedAt = Infinity;
  #startedAtMs = Infinity;
  readonly #time: Time;
  #captured: Tokens | undefined;
  #holds: () => boolean = () => false;
  #closed = false;
  #fencedAll = false;
  #storable = true;
  #callers = 0;
  /** Why nobody waits any more; undefined while somebody does. */
  #abandonment: { readonly reason: unknown } | undefined;
  #abandonments = 0;
  #carriers: Carrier[] = [];
  readonly #listeners: (() => void)[] = [];
  #controller: AbortController | undefined;
  readonly #fenced = new Set<string>();

  constructor(key: string, isStrong = false, time: Time = machineTime) {
    this.key = key;
    this.#time = time;
    this.isStrong = isStrong;
    this.landing = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // Nobody may be sharing this flight; its failure reaches the caller that runs it by another way.
    this.landing.catch(() => undefined);
  }

  /**
   * The method is about to run; `captured` are the argument tags' tokens, undefined if the store gave none. `holds` says
   * whether the store is still connected as it was when they were read.
   */
  start(at: number, captured: Tokens | undefined, holds: () => boolean): void {
    this.#startedAt = at;
    this.#startedAtMs = this.#time.monotonicMs();
    this.#captured = captured;
    this.#holds = holds;
  }

  get startedAt(): number {
    return this.#startedAt;
  }

  /**
   * One more caller waits for this flight. The returned function says that it has given up, and why. When all have, there is
   * no use in going on.
   */
  enter(): (reason: unknown) => void {
    if (this.#callers++ === 0 && this.#abandonment) this.#resume();
    let waits = true;
    return (reason) => {
      if (!waits) return;
      waits = false;
      if (--this.#callers === 0) this.#abandon(reason);
    };
  }

  /** The method runs in `flight`, for others too: who waits for this one waits for that. */
  carriedBy(flight: Flight): void {
    const giveUp = flight.enter();
    this.#carriers.push({ flight, giveUp });
    if (this.#abandonment) giveUp(this.#abandonment.reason);
  }

  /** Calls `listener` each time that all callers have given up. */
  onAbandoned(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /**
   * The method was told that nobody waits: what it brings is no answer for who comes now.
   *
   *   T1 gives up, its run is aborted · T0 reads x: nothing was invalidated, joins · the run fails as it was aborted: T0 must not
   */
  get isCancelled(): boolean {
    const wasTold = this.#controller !== undefined || this.#carriers.some(({ flight }) => flight.isCancelled);
    return this.#abandonment !== undefined && wasTold;
  }

  /** Nobody waits for it. It may never end. */
  get isAbandoned(): boolean {
    return this.#abandonment !== undefined;
  }

  /** Whether the method failed by being told that nobody waits. */
  isEndedBy(error: unknown): boolean {
    if (!this.#abandonment) return false;
    return error === this.#abandonment.reason || (error instanceof Error && error.name === 'AbortError');
  }

  /** For the method: aborted when all callers have given up. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#abandonment) this.#controller.abort(this.#abandonment.reason);
    return this.#controller.signal;
  }

  /** A method that is merely slow is worth joining; one for which callers have waited in vain twice is not. */
  get #isLost(): boolean {
    return this.isCancelled || (this.isAbandoned && this.#abandonments > 1);
  }

  #abandon(reason: unknown): void {
    this.#abandonments++;
    this.#abandonment = { reason };
    this.#controller?.abort(reason);
    for (const { giveUp } of this.#carriers) giveUp(reason);
    for (const listener of this.#listeners) listener();
  }

  /** Somebody has come who waits, before the method was told of anything. */
  #resume(): void {
    this.#abandonment = undefined;
    this.#carriers = this.#carriers.map(({ flight }) => ({ flight, giveUp: flight.enter() }));
  }

  /** Whether this flight cannot land before `other` does; `other` joining it would wait for ever. */
  waitsFor(other: Flight): boolean {
    // A set goes on to what is added while it is walked through, and visits nothing twice: paths may be countless.
    const reached = new Set<Flight>([this]);
    for (const flight of reached) for (const next of flight.waitingFor) reached.add(next);
    return reached.has(other);
  }

  /** Whether the entry may be stored: it was not forgotten in this process, nor has a newer flight of the key landed. */
  get storable(): boolean {
    return this.#storable;
  }

  /** Whether a caller may share this flight. */
  admits({ began, names, tokens, isStrong }: Arrival): boolean {
    if (this.#closed || this.#isLost || (isStrong && !this.isStrong)) return false;
    return began < this.#startedAt || this.#sameGenerations(names, tokens);
  }

  /** The same while the store says nothing, so that nobody can compare: the flight is not older than the grace period. */
  admitsInOutage(names: readonly string[], graceMs: number): boolean {
    if (this.#closed || this.#isLost || this.#startedAtMs + graceMs <= this.#time.monotonicMs()) return false;
    return !names.some((name) => this.isFenced(name));
  }

  /** Whether a caller that began at `began` came before the method ran. */
  startedAfter(began: number): boolean {
    return began < this.#startedAt;
  }

  /** From now on nobody joins. */
  close(): void {
    this.#closed = true;
  }

  /** One of `names` was invalidated in this process. */
  fence(names: readonly string[]): void {
    if (this.#fenced.size + names.length > remembersAtMost) this.#fencedAll = true;
    else for (const name of names) this.#fenced.add(name);
  }

  /** What this flight brings is not stored any more. */
  outdate(): void {
    this.#storable = false;
  }

  /** The entry was forgotten in this process: what this flight brings is not stored and not shared with newcomers. */
  forget(): void {
    this.outdate();
    this.close();
  }

  /** Whether `name` was invalidated in this process since the flight began. */
  isFenced(name: string): boolean {
    return this.#fencedAll || this.#fenced.has(name);
  }

  land(landing: Landing): void {
    this.#settle.resolve(landing);
  }

  fail(error: unknown): void {
    this.#settle.reject(error);
  }

  /** The caller may know a tag that the compute did not: then it has captured nothing that would say when it is wrong. */
  #sameGenerations(names: readonly string[], tokens: Tokens | undefined): boolean {
    if (!tokens || !this.#captured || !this.#holds()) return false;
    for (const name of names) if (!this.#captured.has(name)) return false;
    for (const [name, token] of this.#captured) {
      if (token === undefined || tokens.get(name) !== token || this.isFenced(name)) return false;
    }
    return true;
  }
}

/** The flights of a cache by key, and the order in which things began. */
export class Flights {
  readonly #byKey = new Map<string, Flight>();
  /** In the order of their beginning. */
  readonly #running = new Set<Flight>();
  #starts = 0;
  readonly #time: Time;

  constructor(time: Time = machineTime) {
    this.#time = time;
  }

  /** What a caller notes when it comes: less than the start of every compute that has not started yet. */
  arrival(): number {
    return this.#starts;
  }

  /** The time of a start: more than the arrival of everybody who came before. */
  startTime(): number {
    return ++this.#starts;
  }

  get(key: string): Flight | undefined {
    return this.#byKey.get(key);
  }

  begin(key: string, isStrong = false): Flight {
    const flight = new Flight(key, isStrong, this.#time);
    this.#byKey.set(key, flight);
    this.#running.add(flight);
    return flight;
  }

  end(flight: Flight): void {
    this.#running.delete(flight);
    if (this.#byKey.get(flight.key) === flight) this.#byKey.delete(flight.key);
  }

  /**
   * `flight` has its result: what older flights of the key bring is not stored any more.
   *
   *   T1 reads x: A=0 · A=1 · T0 refreshes x: A=1, stored · T1 ends: must not store A=0 over it
   */
  outdateBefore(flight: Flight): void {
    for (const older of this.#running) {
      if (older === flight) return;
      if (older.key === flight.key) older.outdate();
    }
  }

  fence(names: readonly string[]): void {
    for (const flight of this.#running) flight.fence(names);
  }

  /** Forgets all running computes of these keys, also those that a newer one has replaced. */
  forget(keys: readonly string[]): void {
    if (this.#running.size === 0) return;
    const forgotten = new Set(keys);
    for (const flight of this.#running) if (forgotten.has(flight.key)) flight.forget();
  }
}
