/**
 * Entries in this process's memory, bounded by number or size. An entry points at the records of its generations; an
 * invalidation marks the record, so that a hit is a look-up and a few comparisons whatever the number of entries.
 */

import { atMost, LRUCache } from '../policies/lru.js';
import { type Entry, remainingMs } from '../base/entry.js';
import type { StoreState } from '../base/insight.js';
import { approximateBytes } from '../policies/copies.js';
import type { Tokens } from '../policies/generations.js';

/** A generation. It is current until it is invalidated or given up, and never becomes current again. */
export interface GenerationRecord {
  readonly name: string;
  readonly token: string;
  current: boolean;
  /** How many entries point here. */
  uses: number;
  /** When it was last known to stand, on a clock that nobody sets. Of memory in front of a store. */
  verifiedAt: number;
  /** What it may be trusted by until it is verified again; 0: nothing. Of memory in front of a store. */
  trust: number;
}

export function generationRecord(name: string, token: string): GenerationRecord {
  return { name, token, current: true, uses: 0, verifiedAt: -Infinity, trust: 0 };
}

/** An entry with the records of its generations. */
export class Resident {
  readonly entry: Entry;
  readonly records: readonly GenerationRecord[];
  /** By this process's clock; the writer's until then. */
  accessedAt: number;
  /** The store behind has it too, and is to hear that it is read. */
  readonly slides = false;
  /** When it was last found without waiting. */
  foundAt = 0;
  /** Of who was given it. */
  memo: unknown = undefined;
  /**
   * When it was kept although its generations were not known, on a clock that nobody sets; undefined for all others. It can
   * never be verified.
   */
  provisionalSince: number | undefined;
  /** By this process's clock it is fresh no longer than this, whatever the writer's clock said. */
  readonly endsAt: number;

  constructor(entry: Entry, records: readonly GenerationRecord[], endsAt: number) {
    this.entry = entry;
    this.records = records;
    this.accessedAt = entry.accessedAt;
    this.endsAt = endsAt;
  }

  isExpired(now: number): boolean {
    return this.remainingMs(now) <= 0;
  }

  /** How long it stays fresh. */
  remainingMs(now: number): number {
    return Math.min(this.endsAt - now, remainingMs(this.entry, this.accessedAt, now));
  }

  isCurrent(): boolean {
    for (const record of this.records) if (!record.current) return false;
    return true;
  }
}

/** How much memory may hold. */
export interface MemoryBounds {
  /** Default 10,000 where `maxSize` is not given either. */
  readonly maxEntries?: number | undefined;
  /** Approximate bytes of keys and values. */
  readonly maxSize?: number | undefined;
  /** The longest that an entry stays in memory, in milliseconds. Default: as long as it lives. */
  readonly ttlMs?: number | undefined;
}

const defaultMaxEntries = 10_000;

/** Generations without an entry, kept for computes that have captured them. One more gives up the oldest. */
const idleGenerations = 10_000;

export class Residents {
  readonly #bounds: MemoryBounds;
  readonly #ttlMs: number;
  readonly #entries: LRUCache<string, Resident>;
  readonly #used = new Map<string, GenerationRecord>();
  readonly #idle: LRUCache<string, GenerationRecord>;

  constructor(bounds: MemoryBounds) {
    this.#bounds = bounds;
    this.#ttlMs = bounds.ttlMs ?? Infinity;
    this.#entries = new LRUCache<string, Resident>({
      ...limits(bounds),
      dispose: (resident) => {
        for (const record of resident.records) this.#release(record);
      },
    });
    this.#idle = new LRUCache<string, GenerationRecord>({
      ...atMost(idleGenerations),
      // A compute may still hold the token. What it stores must never be a hit, as an invalidation would not find it.
      disposeAfter: (record, _name, why) => {
        if (why === 'evict') record.current = false;
      },
    });
  }

  get state(): StoreState {
    const { maxSize, maxEntries = maxSize === undefined ? defaultMaxEntries : undefined } = this.#bounds;
    return {
      tier: 'memory',
      name: 'memory',
      entries: this.#entries.size,
      maxEntries,
      maxSize,
      breaker: 'none',
      pending: 0,
    };
  }

  get(key: string): Resident | undefined {
    return this.#entries.get(key);
  }

  /** As {@link get}, and the entry counts as no younger than before. */
  peek(key: string): Resident | undefined {
    return this.#entries.peek(key);
  }

  /** Undefined if it was not taken in: one of its generations is not current, or it is larger than the whole memory. */
  keep(key: string, entry: Entry, now: number, records = this.#recordsOf(entry)): Resident | undefined {
    if (!records) return undefined;
    const lifetimeMs = Math.min(entry.sliding ? Infinity : entry.ttlMs, entry.maxLifetimeMs);
    const resident = new Resident(entry, records, now + Math.min(this.#ttlMs, lifetimeMs));
    for (const record of records) this.#use(record);
    try {
      this.#entries.set(key, resident);
    } finally {
      // An entry larger than the whole memory, or that cannot be measured, is not taken in, and not disposed of either.
      if (this.#entries.peek(key) !== resident) for (const record of records) this.#release(record);
    }
    return this.#entries.peek(key) === resident ? resident : undefined;
  }

  record(name: string): GenerationRecord | undefined {
    return this.#used.get(name) ?? this.#idle.get(name);
  }

  tokens(names: readonly string[]): Tokens {
    return new Map(names.map((name) => [name, this.record(name)?.token]));
  }

  /** A generation that stands from now on, in the place of another one if there was one. */
  add(record: GenerationRecord): GenerationRecord {
    this.drop(record.name);
    this.#idle.set(record.name, record);
    return record;
  }

  /** Neither the generation nor the entry of this name is here any more. */
  drop(name: string): void {
    const record = this.record(name);
    if (record) record.current = false;
    this.#used.delete(name);
    this.#idle.delete(name);
    this.#entries.delete(name);
  }

  clear(): void {
    this.#entries.clear();
    this.#used.clear();
    this.#idle.clear();
  }

  /** The records of the generations that `entry` was computed under, or undefined if one of them is no longer current. */
  #recordsOf({ generations, payload }: Entry): GenerationRecord[] | undefined {
    if (!payload) return [];
    // An array that is made by `push` has room for a dozen more, in each entry.
    const records = generations.map(([name]) => this.record(name));
    const isStanding = records.every((record, index) => record?.token === generations[index]?.[1]);
    return isStanding ? (records as GenerationRecord[]) : undefined;
  }

  #use(record: GenerationRecord): void {
    if (record.uses++ > 0) return;
    this.#idle.delete(record.name);
    this.#used.set(record.name, record);
  }

  #release(record: GenerationRecord): void {
    if (--record.uses > 0 || !record.current) return;
    this.#used.delete(record.name);
    this.#idle.set(record.name, record);
  }
}

function limits({ maxEntries, maxSize }: MemoryBounds): LRUCache.Options<string, Resident, unknown> {
  if (maxSize === undefined) return atMost(maxEntries ?? defaultMaxEntries);
  const bySize = {
    maxSize,
    sizeCalculation: (resident: Resident, key: string) => key.length * 2 + sizeOf(resident),
  };
  return maxEntries === undefined ? bySize : { max: maxEntries, ...bySize };
}

function sizeOf({ entry, records }: Resident): number {
  return Math.ceil(approximateBytes(entry.payload?.copy())) + records.length * 64 + 128;
}
