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
import type { Tokens } from './generations.js';

/** What a flight brings to those who share it. */
export interface Landing {
  readonly payload: Payload | undefined;
  /** Captured before the compute and late ones; undefined where they are not complete. */
  readonly generations: readonly Generation[] | undefined;
  /** Whether callers that came after the start may have it. */
  readonly verified: boolean;
}

/** Names invalidated during one compute above which all count as invalidated; a compute that hangs must not gather for ever. */
const remembersAtMost = 10_000;

export class Flight {
  readonly key: string;
  readonly landing: Promise<Landing>;
  /** The flights that this compute waits for: those of cached calls inside. */
  readonly waitingFor = new Set<Flight>();
  #settle!: { resolve: (landing: Landing) => void; reject: (reason: unknown) => void };
  #startedAt = Infinity;
  #captured: Tokens | undefined;
  #closed = false;
  #fencedAll = false;
  #storable = true;
  /** The flight of the key that this one has replaced and that may still run. */
  #older: Flight | undefined;
  readonly #fenced = new Set<string>();

  constructor(key: string, older?: Flight) {
    this.key = key;
    this.#older = older;
    this.landing = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // Nobody may be sharing this flight; its failure reaches the caller that runs it by another way.
    this.landing.catch(() => undefined);
  }

  /** The method is about to run; `captured` are the argument tags' tokens, undefined if the store gave none. */
  start(at: number, captured: Tokens | undefined): void {
    this.#startedAt = at;
    this.#captured = captured;
  }

  get startedAt(): number {
    return this.#startedAt;
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

  /** Whether a caller that began at `began` and then read `tokens` may share this flight. */
  admits(began: number, tokens: Tokens | undefined): boolean {
    if (this.#closed) return false;
    return began < this.#startedAt || this.#sameGenerations(tokens);
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

  /** The entry was forgotten in this process: what this flight brings is not stored and not shared with newcomers. */
  forget(): void {
    this.#storable = false;
    this.close();
  }

  /** Whether `name` was invalidated in this process since the flight began. */
  isFenced(name: string): boolean {
    return this.#fencedAll || this.#fenced.has(name);
  }

  /**
   * What older flights of the key bring is not stored any more.
   *
   *   T1 reads x: A=0 · A=1 · T0 refreshes x: A=1, stored · T1 ends: must not store A=0 over it
   */
  land(landing: Landing): void {
    for (let older = this.#older; older; older = older.#older) older.#storable = false;
    this.#older = undefined;
    this.#settle.resolve(landing);
  }

  fail(error: unknown): void {
    this.#older = undefined;
    this.#settle.reject(error);
  }

  #sameGenerations(tokens: Tokens | undefined): boolean {
    if (!tokens || !this.#captured) return false;
    for (const [name, token] of this.#captured) {
      if (token === undefined || tokens.get(name) !== token || this.isFenced(name)) return false;
    }
    return true;
  }
}

/** The flights of a cache by key, and the order in which things began. */
export class Flights {
  readonly #byKey = new Map<string, Flight>();
  readonly #running = new Set<Flight>();
  #starts = 0;

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

  begin(key: string): Flight {
    const flight = new Flight(key, this.#byKey.get(key));
    this.#byKey.set(key, flight);
    this.#running.add(flight);
    return flight;
  }

  end(flight: Flight): void {
    this.#running.delete(flight);
    if (this.#byKey.get(flight.key) === flight) this.#byKey.delete(flight.key);
  }

  fence(names: readonly string[]): void {
    for (const flight of this.#running) flight.fence(names);
  }

  /** Forgets all running computes of `key`, also those that a newer one has replaced. */
  forget(key: string): void {
    for (const flight of this.#running) if (flight.key === key) flight.forget();
  }
}
