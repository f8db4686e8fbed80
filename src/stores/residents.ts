/**
 * Entries in this process's memory, bounded by number or size. An entry points at the records of its generations; an
 * invalidation marks the record, so that a hit is a look-up and a few comparisons whatever the number of entries.
 */

import { atMost, LRUCache } from '../policies/lru.js';
import type { Entry, Generation, Payload } from '../base/entry.js';
import type { StoreState } from '../base/insight.js';
import { approximateBytes } from '../policies/copies.js';
import { type Tokens, unknownToken } from '../policies/generations.js';
import type { LocalHit } from './store.js';

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

/** What most entries of a method have in common; they share it. */
interface Traits extends Pick<Entry, 'sliding' | 'maxLifetimeMs' | 'staleMs' | 'isError' | 'version'> {
  /** The records of the first generations, which are those of the namespace and of the method. */
  readonly common: readonly GenerationRecord[];
}

const commonRecords = 2;
/** The longest load that is told from a longer one: what a small integer can hold, as any other number is an object. */
const longestLoadUs = 2 ** 30;

/** The window of an entry that slides. */
interface Window {
  /** By this process's clock; the writer's until it is read here. */
  accessedAt: number;
  /** However often it is read. */
  readonly closesAt: number;
}

/**
 * An entry with the records of its generations. One object, and little of it is looked at for a hit: with many entries it
 * is the processor's caches that a hit waits for.
 */
export class Resident implements Entry, LocalHit {
  readonly payload: Payload | undefined;
  /** Of the generations that it has besides the common ones: nearly always there is one. */
  readonly #own: GenerationRecord | readonly GenerationRecord[];
  /** By this process's clock, whatever the writer's said. */
  #freshUntil: number;
  /** Of who was given it. */
  memo: unknown = undefined;
  readonly #loadUs: number;
  readonly writtenAt: number;
  readonly ttlMs: number;
  /**
   * When it was kept although its generations were not known, on a clock that nobody sets; undefined for all others. It can
   * never be verified.
   */
  readonly provisionalSince: number | undefined;
  readonly #traits: Traits;
  readonly #window: Window | undefined;
  /** Undefined where the records say them. */
  readonly #generations: readonly Generation[] | undefined;

  constructor(entry: Entry, { records, endsAt, traits, provisionalSince }: ResidentParts) {
    const own = records.slice(commonRecords);
    this.#own = own.length === 1 ? (own[0] as GenerationRecord) : own;
    this.payload = entry.payload;
    this.#loadUs = Math.min(Math.round(entry.loadMs * 1_000), longestLoadUs);
    this.writtenAt = entry.writtenAt;
    this.ttlMs = entry.ttlMs;
    this.provisionalSince = provisionalSince;
    this.#traits = traits;
    const closesAt = Math.min(endsAt, entry.writtenAt + entry.maxLifetimeMs);
    this.#window = entry.sliding ? { accessedAt: entry.accessedAt, closesAt } : undefined;
    this.#freshUntil = Math.min(closesAt, (entry.sliding ? entry.accessedAt : entry.writtenAt) + entry.ttlMs);
    const areRecorded = entry.payload !== undefined && provisionalSince === undefined;
    this.#generations = areRecorded ? undefined : entry.generations;
  }

  get entry(): Entry {
    return this;
  }

  get records(): readonly GenerationRecord[] {
    return this.#traits.common.concat(this.#own);
  }

  get generations(): readonly Generation[] {
    return this.#generations ?? this.records.map(({ name, token }) => [name, token] as const);
  }

  get loadMs(): number {
    return this.#loadUs / 1_000;
  }

  get accessedAt(): number {
    return this.#window?.accessedAt ?? this.writtenAt;
  }

  get sliding(): boolean {
    return this.#traits.sliding;
  }

  get maxLifetimeMs(): number {
    return this.#traits.maxLifetimeMs;
  }

  get staleMs(): number {
    return this.#traits.staleMs;
  }

  get isError(): boolean {
    return this.#traits.isError;
  }

  get version(): string | undefined {
    return this.#traits.version;
  }

  /** The store behind has it too, and is to hear that it is read: nothing is behind. */
  get slides(): boolean {
    return false;
  }

  /** Whether it was stored under this generation. */
  carries(name: string): boolean {
    const own = this.#own;
    if (isOne(own) ? own.name === name : own.some((record) => record.name === name)) return true;
    return this.#traits.common.some((record) => record.name === name);
  }

  /** It was read: its window, if it has one, begins anew. */
  access(now: number): void {
    if (this.#window === undefined) return;
    this.#window.accessedAt = now;
    this.#freshUntil = Math.min(this.#window.closesAt, now + this.ttlMs);
  }

  isExpired(now: number): boolean {
    return this.#freshUntil <= now;
  }

  /** How long it stays fresh. */
  remainingMs(now: number): number {
    return this.#freshUntil - now;
  }

  isCurrent(): boolean {
    return this.every(isCurrent);
  }

  /** Whether all its records are as `test` wants them. */
  every(test: (record: GenerationRecord) => boolean): boolean {
    const own = this.#own;
    if (isOne(own) ? !test(own) : !own.every(test)) return false;
    for (const record of this.#traits.common) if (!test(record)) return false;
    return true;
  }
}

function isOne(own: GenerationRecord | readonly GenerationRecord[]): own is GenerationRecord {
  return 'name' in own;
}

function isCurrent({ current }: GenerationRecord): boolean {
  return current;
}

interface ResidentParts {
  readonly records: readonly GenerationRecord[];
  readonly endsAt: number;
  readonly traits: Traits;
  readonly provisionalSince: number | undefined;
}

/** Of one method: with stale windows or without, a result or an error. */
const rememberedTraits = 4;

/** Gives entries that have the same traits the same object. */
class SharedTraits {
  /** By the record of their method. */
  readonly #known = new WeakMap<GenerationRecord, Traits[]>();

  of({ sliding, maxLifetimeMs, staleMs, isError, version }: Entry, records: readonly GenerationRecord[]): Traits {
    const common = records.slice(0, commonRecords);
    const traits = { sliding, maxLifetimeMs, staleMs, isError, version, common };
    const method = common.at(-1);
    // A version may be another one in each entry.
    if (method === undefined || version !== undefined) return traits;
    const known = this.#known.get(method) ?? [];
    const same = known.find((other) => areSame(other, traits));
    if (same) return same;
    if (known.length >= rememberedTraits) known.shift();
    known.push(traits);
    this.#known.set(method, known);
    return traits;
  }
}

function areSame(one: Traits, other: Traits): boolean {
  return (
    one.sliding === other.sliding &&
    one.maxLifetimeMs === other.maxLifetimeMs &&
    one.staleMs === other.staleMs &&
    one.isError === other.isError &&
    one.version === other.version &&
    one.common.length === other.common.length &&
    one.common.every((record, index) => record === other.common[index])
  );
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

interface Keeping {
  readonly now: number;
  readonly records: readonly GenerationRecord[];
  readonly provisionalSince: number | undefined;
}

/** Generations without an entry, kept for computes that have captured them. One more gives up the oldest. */
const idleGenerations = 10_000;

export class Residents {
  readonly #bounds: MemoryBounds;
  readonly #ttlMs: number;
  readonly #entries: LRUCache<string, Resident>;
  readonly #used = new Map<string, GenerationRecord>();
  readonly #idle: LRUCache<string, GenerationRecord>;
  readonly #traits = new SharedTraits();

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

function limits({ maxEntries, maxSize }: MemoryBounds): LRUCache.Options<string, Resident, unknown> {
  if (maxSize === undefined) return atMost(maxEntries ?? defaultMaxEntries);
  const bySize = {
    maxSize,
    sizeCalculation: (resident: Resident, key: string) => key.length * 2 + sizeOf(resident),
  };
  return maxEntries === undefined ? bySize : { max: maxEntries, ...bySize };
}

function sizeOf({ payload, records }: Resident): number {
  return Math.ceil(approximateBytes(payload?.copy())) + records.length * 64 + 128;
}
