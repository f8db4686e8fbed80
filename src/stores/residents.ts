/**
 * Entries in this process's memory, bounded by number or size. An entry points at the records of its generations; an
 * invalidation marks the record, so that a hit is a look-up and a few comparisons whatever the number of entries.
 */

import { atMost, LRUCache } from '../policies/lru.js';
import type { Entry } from '../base/entry.js';
import type { StoreState } from '../base/insight.js';
import { approximateBytes } from '../policies/copies.js';
import { type Tokens, unknownToken } from '../policies/generations.js';
import { generationRecord, type GenerationRecord, Resident, SharedTraits } from './resident.js';

/** How much memory may hold. */
export interface MemoryBounds {
  /** Default 10,000 where `maxSize` is not given either. */
  readonly maxEntries?: number | undefined;
  /** Approximate bytes of keys and values. */
  readonly maxSize?: number | undefined;
  /** The longest that an entry stays in memory, in milliseconds. Default: as long as it lives. */
  readonly ttlMs?: number | undefined;
  /** Told what an entry takes, in bytes, where `maxSize` has it measured. */
  readonly onMeasured?: ((key: string, bytes: number) => void) | undefined;
}

const defaultMaxEntries = 10_000;

interface Keeping {
  readonly now: number;
  readonly records: readonly GenerationRecord[];
  readonly provisionalSince: number | undefined;
}

/** Generations without an entry, kept for computes that have captured them. One more gives up the oldest. */
const idleGenerations = 8_000;

export class Residents {
  readonly #bounds: MemoryBounds;
  readonly #ttlMs: number;
  readonly #entries: LRUCache<string, Resident>;
  readonly #used = new Map<string, GenerationRecord>();
  readonly #idle: LRUCache<string, GenerationRecord>;
  readonly #traits = new SharedTraits();
  #evictions = 0;

  constructor(bounds: MemoryBounds) {
    this.#bounds = bounds;
    this.#ttlMs = bounds.ttlMs ?? Infinity;
    this.#entries = new LRUCache<string, Resident>({
      ...limits(bounds),
      dispose: (resident, _key, why) => {
        if (why === 'evict') this.#evictions++;
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
      size: maxSize === undefined ? undefined : this.#entries.calculatedSize,
      evictions: this.#evictions,
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
  keep(key: string, entry: Entry, now: number): Resident | undefined {
    const records = this.#recordsOf(entry);
    return records && this.#keep(key, entry, { now, records, provisionalSince: undefined });
  }

  /** Keeps an entry whose generations are not known, under their names. */
  keepProvisionally(key: string, entry: Entry, now: number, sinceMs: number): Resident | undefined {
    const records = entry.generations.map(
      ([name]) => this.record(name) ?? this.add(generationRecord(name, unknownToken)),
    );
    return this.#keep(key, entry, { now, records, provisionalSince: sinceMs });
  }

  #keep(key: string, entry: Entry, { now, records, provisionalSince }: Keeping): Resident | undefined {
    const lifetimeMs = Math.min(entry.sliding ? Infinity : entry.ttlMs, entry.maxLifetimeMs);
    const endsAt = now + Math.min(this.#ttlMs, lifetimeMs);
    const resident = new Resident(entry, {
      records,
      endsAt,
      traits: this.#traits.of(entry, records),
      provisionalSince,
    });
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

function limits({ maxEntries, maxSize, onMeasured }: MemoryBounds): LRUCache.Options<string, Resident, unknown> {
  if (maxSize === undefined) return atMost(maxEntries ?? defaultMaxEntries);
  const bySize = {
    maxSize,
    sizeCalculation: (resident: Resident, key: string) => {
      const bytes = key.length * 2 + sizeOf(resident);
      onMeasured?.(key, bytes);
      return bytes;
    },
  };
  return maxEntries === undefined ? bySize : { max: maxEntries, ...bySize };
}

function sizeOf({ payload, records }: Resident): number {
  return Math.ceil(approximateBytes(payload?.copy())) + records.length * 64 + 128;
}
