/**
 * Entries in this process's memory, bounded by number or size. An entry points at the records of its generations; an
 * invalidation marks the record, so that a hit is a look-up and a few comparisons whatever the number of entries.
 */

import { LRUCache } from '../policies/lru.js';
import type { Clock } from '../base/clock.js';
import { type Entry, remainingMs } from '../base/entry.js';
import { approximateBytes } from '../policies/copies.js';
import { newToken, type Tokens } from '../policies/generations.js';
import type { Reading, Store } from './store.js';

/** A generation. It is current until it is invalidated or given up, and never becomes current again. */
interface GenerationRecord {
  readonly name: string;
  readonly token: string;
  current: boolean;
  /** How many entries point here. */
  uses: number;
}

class Resident {
  readonly entry: Entry;
  readonly records: readonly GenerationRecord[];
  accessedAt: number;

  constructor(entry: Entry, records: readonly GenerationRecord[]) {
    this.entry = entry;
    this.records = records;
    this.accessedAt = entry.writtenAt;
  }

  isExpired(now: number): boolean {
    return remainingMs(this.entry, this.accessedAt, now) <= 0;
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
}

const defaultMaxEntries = 10_000;

/** Generations without an entry, kept for computes that have captured them. One more gives up the oldest. */
const idleGenerations = 10_000;

export class MemoryStore implements Store {
  readonly tier = 'memory';
  readonly keepsText = false;
  readonly #clock: Clock;
  readonly #entries: LRUCache<string, Resident>;
  readonly #used = new Map<string, GenerationRecord>();
  readonly #idle: LRUCache<string, GenerationRecord>;

  constructor(clock: Clock, bounds: MemoryBounds) {
    this.#clock = clock;
    this.#entries = new LRUCache<string, Resident>({
      ...limits(bounds),
      dispose: (resident) => {
        for (const record of resident.records) this.#release(record);
      },
    });
    this.#idle = new LRUCache<string, GenerationRecord>({
      max: idleGenerations,
      // A compute may still hold the token. What it stores must never be a hit, as an invalidation would not find it.
      disposeAfter: (record, _name, why) => {
        if (why === 'evict') record.current = false;
      },
    });
  }

  peek(key: string): Resident | undefined {
    const resident = this.#entries.get(key);
    if (resident === undefined || resident.entry.payload === undefined) return undefined;
    const now = this.#clock.now();
    if (resident.isExpired(now) || !resident.isCurrent()) return undefined;
    if (resident.entry.sliding) resident.accessedAt = now;
    return resident;
  }

  async read(key: string, names: readonly string[]): Promise<Reading> {
    const resident = this.#entries.get(key);
    const entry = resident?.entry;
    return {
      entry,
      expired: resident?.isExpired(this.#clock.now()) ?? false,
      tokens: this.#tokens([...names, ...(entry?.generations ?? []).map(([name]) => name)]),
      refuses: () => false,
      reason: entry ? 'fresh' : 'absent',
    };
  }

  readTokens(names: readonly string[]): Promise<Tokens> {
    return Promise.resolve(this.#tokens(names));
  }

  mint(name: string, lifetimeMs: number): Promise<string> {
    const standing = this.#record(name);
    if (standing) return Promise.resolve(standing.token);
    const record = { name, token: newToken(lifetimeMs), current: true, uses: 0 };
    this.#idle.set(name, record);
    return Promise.resolve(record.token);
  }

  write(key: string, entry: Entry): Promise<boolean> {
    const records = entry.payload ? this.#recordsOf(entry) : [];
    if (!records) return Promise.resolve(false);
    for (const record of records) this.#use(record);
    const resident = new Resident(entry, records);
    this.#entries.set(key, resident);
    const kept = this.#entries.peek(key) === resident;
    // An entry larger than the whole memory is not taken in, and not disposed of either.
    if (!kept) for (const record of records) this.#release(record);
    return Promise.resolve(kept);
  }

  /** For who has read without peeking. The window is kept beside the entry. */
  slide(key: string, entry: Entry): Promise<boolean> {
    const resident = this.#entries.peek(key);
    if (resident?.entry === entry) resident.accessedAt = this.#clock.now();
    return Promise.resolve(true);
  }

  remove(names: readonly string[]): Promise<'done'> {
    for (const name of names) {
      const record = this.#record(name);
      if (record) record.current = false;
      this.#used.delete(name);
      this.#idle.delete(name);
      this.#entries.delete(name);
    }
    return Promise.resolve('done');
  }

  close(): Promise<void> {
    this.#entries.clear();
    this.#used.clear();
    this.#idle.clear();
    return Promise.resolve();
  }

  #record(name: string): GenerationRecord | undefined {
    return this.#used.get(name) ?? this.#idle.get(name);
  }

  #tokens(names: readonly string[]): Tokens {
    return new Map(names.map((name) => [name, this.#record(name)?.token]));
  }

  /** The records of the generations that `entry` was computed under, or undefined if one of them is no longer current. */
  #recordsOf(entry: Entry): GenerationRecord[] | undefined {
    const records: GenerationRecord[] = [];
    for (const [name, token] of entry.generations) {
      const record = this.#record(name);
      if (record?.token !== token) return undefined;
      records.push(record);
    }
    return records;
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
  if (maxSize === undefined) return { max: maxEntries ?? defaultMaxEntries };
  const bySize = {
    maxSize,
    sizeCalculation: (resident: Resident, key: string) => key.length * 2 + sizeOf(resident),
  };
  return maxEntries === undefined ? bySize : { max: maxEntries, ...bySize };
}

function sizeOf({ entry, records }: Resident): number {
  return Math.ceil(approximateBytes(entry.payload?.copy())) + records.length * 64 + 128;
}
