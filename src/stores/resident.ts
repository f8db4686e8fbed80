/** One entry in this process's memory, with the records of the generations that it was computed under. */

import type { Entry, Generation, Payload } from '../base/entry.js';
import type { LocalHit } from './store.js';

/** A generation. It is current until it is invalidated or given up, and never becomes current again. */
export interface GenerationRecord {
  readonly name: string;
  readonly token: string;
  current: boolean;
  /** How many entries point here. */
  uses: number;
  /** When it was last known to stand, on a clock that nobody sets. Of memory in front of a store; undefined: never. */
  verifiedAt: number | undefined;
  /** What it may be trusted by until it is verified again; 0: nothing. Of memory in front of a store. */
  trust: number;
}

export function generationRecord(name: string, token: string): GenerationRecord {
  return { name, token, current: true, uses: 0, verifiedAt: undefined, trust: 0 };
}

/** What most entries of a method have in common; they share it. */
interface Traits extends Pick<Entry, 'sliding' | 'maxLifetimeMs' | 'staleMs' | 'isError' | 'version'> {
  /** The records of the first generations, which are those of the namespace and of the method. */
  readonly common: readonly GenerationRecord[];
}

const commonRecords = 2;
/** The longest load that is told from a longer one: what a small integer can hold, as any other number is an object. */
const longestLoadUs = 2 ** 30;

/** What few entries have. */
interface Rare {
  /** The window of an entry that slides. */
  readonly window: Window | undefined;
  /** Of an entry whose records do not say them. */
  readonly generations: readonly Generation[] | undefined;
  /** When it was kept although its generations were not known, on a clock that nobody sets. It can never be verified. */
  readonly provisionalSince: number | undefined;
}

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
  /** After `writtenAt`; by this process's clock, whatever the writer's said. A small integer, where the time itself is an object. */
  #freshForMs: number;
  /** Of who was given it. */
  memo: unknown = undefined;
  readonly #loadUs: number;
  readonly writtenAt: number;
  readonly ttlMs: number;
  readonly #traits: Traits;
  readonly #rare: Rare | undefined;

  constructor(entry: Entry, { records, endsAt, traits, provisionalSince }: ResidentParts) {
    const own = records.slice(commonRecords);
    this.#own = own.length === 1 ? (own[0] as GenerationRecord) : own;
    this.payload = entry.payload;
    this.#loadUs = Math.min(Math.round(entry.loadMs * 1_000), longestLoadUs);
    this.writtenAt = entry.writtenAt;
    this.ttlMs = entry.ttlMs;
    this.#traits = traits;
    const closesAt = Math.min(endsAt, entry.writtenAt + entry.maxLifetimeMs);
    const freshUntil = Math.min(closesAt, (entry.sliding ? entry.accessedAt : entry.writtenAt) + entry.ttlMs);
    this.#freshForMs = freshUntil - entry.writtenAt;
    const areRecorded = entry.payload !== undefined && provisionalSince === undefined;
    this.#rare =
      areRecorded && !entry.sliding
        ? undefined
        : {
            window: entry.sliding ? { accessedAt: entry.accessedAt, closesAt } : undefined,
            generations: areRecorded ? undefined : entry.generations,
            provisionalSince,
          };
  }

  get entry(): Entry {
    return this;
  }

  get records(): readonly GenerationRecord[] {
    return this.#traits.common.concat(this.#own);
  }

  get generations(): readonly Generation[] {
    return this.#rare?.generations ?? this.records.map(({ name, token }) => [name, token] as const);
  }

  /** Undefined for an entry that can be verified. */
  get provisionalSince(): number | undefined {
    return this.#rare?.provisionalSince;
  }

  get loadMs(): number {
    return this.#loadUs / 1_000;
  }

  get accessedAt(): number {
    return this.#rare?.window?.accessedAt ?? this.writtenAt;
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
    const window = this.#rare?.window;
    if (window === undefined) return;
    window.accessedAt = now;
    this.#freshForMs = Math.min(window.closesAt, now + this.ttlMs) - this.writtenAt;
  }

  isExpired(now: number): boolean {
    return this.#freshForMs <= now - this.writtenAt;
  }

  /** How long it stays fresh. */
  remainingMs(now: number): number {
    return this.#freshForMs - (now - this.writtenAt);
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
export class SharedTraits {
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
