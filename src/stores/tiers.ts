/**
 * Memory in front of a shared store, as one store. Generations live in the shared store alone; memory remembers what it has
 * read of them, and for how long that may be trusted.
 *
 * What a read brought is remembered only if, between its sending and its reply, nothing has invalidated it here and neither
 * bus nor store was interrupted (see policies/fence.ts). A hit compares pointers and makes no I/O while every generation
 * of the entry is trusted: by the lease of the bus (see coherence.ts), or, where the user says so, by `maxStaleness`.
 * Otherwise the generations alone are read again, in one small batch, without the value.
 */

import type { Clock } from '../base/clock.js';
import type { Entry } from '../base/entry.js';
import type { BusState, StoreState } from '../base/insight.js';
import { type Time, timeOf } from '../policies/deadline.js';
import { Fence } from '../policies/fence.js';
import { firstChanged, type Tokens, unknownToken } from '../policies/generations.js';
import { generationRecord, type GenerationRecord, type Resident } from './resident.js';
import { type MemoryBounds, Residents } from './residents.js';
import type { SharedStore } from './shared.js';
import type { LeaseEnd, LeaseState, LocalHit, Reading, ReadOptions, Store } from './store.js';

/** What says whether memory is to be trusted; see {@link Coherence}. */
export interface Trust {
  /** 0 while nothing is; else a number that is another one after each gap. By a clock that nobody sets. */
  era(nowMs: number): number;
  /** Whether a removal and its message are one. */
  readonly isAtomic: boolean;
}

/** Without a bus nothing is trusted. */
export const noTrust: Trust = { era: () => 0, isAtomic: false };

export interface TiersOptions {
  readonly clock: Clock;
  readonly bounds: MemoryBounds;
  readonly graceMs: number;
  readonly trust: Trust;
}

/** Where a removal and its message are two, the process may die between them: then memory is wrong for so long. */
const withoutAtomicityMs = 5_000;

/** What was true when a read was sent. */
interface Sending {
  readonly atMs: number;
  readonly fence: number;
  readonly trust: number;
}

export class TieredStore implements Store {
  readonly keeps = 'both';
  readonly graceMs: number;
  readonly #clock: Clock;
  readonly #time: Time;
  readonly #shared: SharedStore;
  readonly #source: Trust;
  readonly #residents: Residents;
  readonly #fence = new Fence();
  readonly #defaultStalenessMs: number;
  #trust = 0;
  /** When `#trust` was last seen to hold: what is known under it was true then. */
  #trustedAt = -Infinity;
  #era = 0;
  #session = 0;

  constructor(shared: SharedStore, { clock, bounds, graceMs, trust }: TiersOptions) {
    this.#shared = shared;
    this.#clock = clock;
    this.#time = timeOf(clock);
    this.#source = trust;
    this.graceMs = graceMs;
    this.#residents = new Residents(bounds);
    this.#defaultStalenessMs = trust.isAtomic ? Infinity : withoutAtomicityMs;
  }

  get canLease(): boolean {
    return this.#shared.canLease;
  }

  peek(key: string, now: number, maxStalenessMs?: number): LocalHit | undefined {
    const resident = this.#residents.get(key);
    if (resident?.payload === undefined || resident.provisionalSince !== undefined) return undefined;
    if (resident.isExpired(now) || !this.#isTrusted(resident, maxStalenessMs)) return undefined;
    if (!resident.sliding) return resident;
    resident.access(now);
    return {
      entry: resident,
      memo: undefined,
      slides: this.#shared.isSlideDue(key, resident),
      carries: (name) => resident.carries(name),
      remainingMs: (at) => resident.remainingMs(at),
    };
  }

  async read(key: string, options: ReadOptions): Promise<Reading> {
    const resident = this.#residents.get(key);
    if (!resident || options.beyondMemory || !this.#isVerifiable(resident)) return this.#readShared(key, options);
    const verified = await this.#verify(resident, options);
    if (verified.tokens === undefined) return this.#inOutage(key, verified, options);
    return firstChanged(resident, verified.tokens) === undefined ? verified : this.#readShared(key, options);
  }

  async readTokens(names: readonly string[]): Promise<Tokens | undefined> {
    const sending = this.#sending();
    const { tokens, holds, refuses } = await this.#shared.verify(names);
    if (tokens && holds()) this.#learn(tokens, sending, refuses);
    return tokens;
  }

  async mint(name: string, lifetimeMs: number): Promise<string | undefined> {
    const sending = this.#sending();
    const token = await this.#shared.mint(name, lifetimeMs);
    if (token !== undefined) this.#learn(new Map([[name, token]]), sending, () => false);
    return token;
  }

  async write(key: string, entry: Entry): Promise<boolean> {
    if (isProvisional(entry)) return this.#hold(key, entry);
    this.#residents.drop(key);
    if (entry.payload) this.#residents.keep(key, entry, this.#clock.now());
    return this.#shared.write(key, entry);
  }

  slide(key: string, entry: Entry): Promise<boolean> {
    const resident = this.#residents.peek(key);
    // What was read from the store has been taken in as another object.
    if (resident?.writtenAt === entry.writtenAt) resident.access(this.#clock.now());
    return this.#shared.slide(key, entry);
  }

  /**
   * Dropped here before the store is asked and again after it has answered:
   *
   *   del Ga is sent · T0 reads Ga=1, before it is executed · del Ga executed, acknowledged · T0 remembers Ga=1
   */
  async remove(names: readonly string[]): Promise<'done' | 'deferred'> {
    this.forget(names);
    const acknowledged = await this.#shared.delete(names);
    this.forget(names);
    return acknowledged && (await acknowledged()) ? 'done' : 'deferred';
  }

  /** What is known of these is wrong from now on, and so is what a read that is under way brings of them. */
  forget(names: readonly string[]): void {
    this.#fence.note(names);
    for (const name of names) this.#residents.drop(name);
  }

  lease(name: string, ms: number): Promise<LeaseState> {
    return this.#shared.lease(name, ms);
  }

  renewLease(name: string, ms: number): Promise<void> {
    return this.#shared.renewLease(name, ms);
  }

  endLease(name: string, how: LeaseEnd): Promise<void> {
    return this.#shared.endLease(name, how);
  }

  state(): { readonly stores: readonly StoreState[]; readonly bus: BusState } {
    const { stores, bus } = this.#shared.state();
    return { stores: [this.#residents.state, ...stores], bus };
  }

  ask(question: string, waitMs: number): Promise<readonly string[]> {
    return this.#shared.ask(question, waitMs);
  }

  flush(): Promise<void> {
    return this.#shared.flush();
  }

  async close(): Promise<void> {
    await this.#shared.close();
    this.#residents.clear();
  }

  // -------------------------------------------------------------------------------------------------- trust

  #isTrusted(resident: Resident, maxStalenessMs: number | undefined): boolean {
    const limitMs = maxStalenessMs ?? this.#defaultStalenessMs;
    if (limitMs === 0) return false;
    const nowMs = this.#time.monotonicMs();
    const trust = maxStalenessMs === undefined ? this.#currentTrust(nowMs) : 0;
    if (maxStalenessMs === undefined && trust === 0) return false;
    const since = nowMs - limitMs;
    return resident.every(
      (record) => record.current && verifiedAt(record) > since && (trust === 0 || record.trust === trust),
    );
  }

  /** Another number after each gap of the bus and each reconnect of the store; 0 while nothing is trusted. */
  #currentTrust(nowMs: number): number {
    const era = this.#source.era(nowMs);
    if (era === 0) return 0;
    const { session } = this.#shared;
    if (era !== this.#era || session !== this.#session) {
      this.#era = era;
      this.#session = session;
      this.#trust++;
    }
    this.#trustedAt = nowMs;
    return this.#trust;
  }

  #sending(): Sending {
    const atMs = this.#time.monotonicMs();
    return { atMs, fence: this.#fence.now, trust: this.#currentTrust(atMs) };
  }

  /** Remembers which generations stand, as far as nothing has come between. */
  #learn(tokens: Tokens, sending: Sending, refuses: (name: string) => boolean): void {
    const trust = this.#currentTrust(this.#time.monotonicMs()) === sending.trust ? sending.trust : 0;
    for (const [name, token] of tokens) {
      if (!this.#fence.isClean(name, sending.fence) || refuses(name)) continue;
      const known = this.#residents.record(name);
      if (known && verifiedAt(known) > sending.atMs) continue;
      if (token === undefined) this.#residents.drop(name);
      else
        this.#confirm(
          known?.token === token ? known : this.#residents.add(generationRecord(name, token)),
          sending,
          trust,
        );
    }
  }

  #confirm(record: GenerationRecord, { atMs }: Sending, trust: number): void {
    record.verifiedAt = atMs;
    record.trust = trust;
  }

  // -------------------------------------------------------------------------------------------------- reads

  #isVerifiable(resident: Resident): boolean {
    if (!resident.payload || resident.provisionalSince !== undefined) return false;
    return resident.isCurrent() && !resident.isExpired(this.#clock.now());
  }

  /** Reads the generations alone: the value is here. */
  async #verify(resident: Resident, { names }: ReadOptions): Promise<Reading> {
    const sending = this.#sending();
    const reading = await this.#shared.verify([...new Set([...names, ...resident.records.map(({ name }) => name)])]);
    if (reading.tokens && reading.holds()) this.#learn(reading.tokens, sending, reading.refuses);
    const remainingMs = resident.remainingMs(this.#clock.now());
    return {
      ...reading,
      entry: resident,
      tier: 'memory',
      remainingMs,
      reason: reading.tokens ? 'fresh' : reading.reason,
    };
  }

  async #readShared(key: string, options: ReadOptions): Promise<Reading> {
    const sending = this.#sending();
    const reading = await this.#shared.read(key, options);
    const { entry, tokens, holds, refuses } = reading;
    if (tokens === undefined) return this.#inOutage(key, reading, options);
    if (holds()) this.#learn(tokens, sending, refuses);
    if (entry && this.#isPromotable(key, reading, options) && this.#fence.isClean(key, sending.fence))
      this.#promote(key, entry);
    return reading;
  }

  /** To be measured a value is decoded, which may fail; whoever is answered with it finds that out and tells of it. */
  #promote(key: string, entry: Entry): void {
    try {
      this.#residents.keep(key, entry, this.#clock.now());
    } catch {
      this.#residents.drop(key);
    }
  }

  /** Only what the caller may be answered with goes into memory, with its original time stamps. */
  #isPromotable(key: string, { entry, remainingMs, tokens, refuses, holds }: Reading, { names }: ReadOptions): boolean {
    if (!entry?.payload || !tokens || remainingMs <= 0 || !holds() || refuses(key)) return false;
    if (firstChanged(entry, tokens) !== undefined) return false;
    const own = new Set(entry.generations.map(([name]) => name));
    return names.every((name) => own.has(name)) && ![...own].some(refuses);
  }

  // ------------------------------------------------------------------------------------------------- outage

  /** The store says nothing: what was valid a short while ago may still be served, unless the user wants no such thing. */
  #inOutage(key: string, reading: Reading, { names, maxStalenessMs }: ReadOptions): Reading {
    const resident = this.#residents.get(key);
    if (!resident || maxStalenessMs === 0 || !this.#isWithinGrace(resident)) return reading;
    const own = new Set(resident.records.map(({ name }) => name));
    const isRefused = reading.refuses(key) || [...own].some(reading.refuses);
    const remainingMs = resident.remainingMs(this.#clock.now());
    const isOver = remainingMs + resident.staleMs <= 0;
    if (isRefused || isOver || !names.every((name) => own.has(name))) return reading;
    return { ...reading, entry: resident, tier: 'memory', remainingMs, isGraced: true, reason: 'outage' };
  }

  #isWithinGrace(resident: Resident): boolean {
    const { payload, provisionalSince } = resident;
    if (!payload || this.graceMs === 0) return false;
    const since = this.#time.monotonicMs() - this.graceMs;
    return resident.every((record) => record.current && (provisionalSince ?? this.#lastTrueAt(record)) > since);
  }

  /** A lease verifies all the time, without a read: an entry that was read long ago is not an old one. */
  #lastTrueAt(record: GenerationRecord): number {
    const isTrusted = record.trust !== 0 && record.trust === this.#trust;
    return isTrusted ? Math.max(verifiedAt(record), this.#trustedAt) : verifiedAt(record);
  }

  /**
   * What was computed while the store said nothing is kept for the grace period, under the names of its generations alone:
   * an invalidation in this process finds it. It can never be verified, so it is of no use when the store is back.
   */
  #hold(key: string, entry: Entry): boolean {
    const sinceMs = this.#time.monotonicMs();
    return this.#residents.keepProvisionally(key, entry, this.#clock.now(), sinceMs) !== undefined;
  }
}

function verifiedAt(record: GenerationRecord): number {
  return record.verifiedAt ?? -Infinity;
}

function isProvisional({ payload, generations }: Entry): boolean {
  return payload !== undefined && generations.some(([, token]) => token === unknownToken);
}
