/** The entry of one key through its accesses: which of them it would have answered. */

import { Draws } from './draws.js';
import type { SampledKey } from './event-log.js';
import type { OthersOfKey } from './rates.js';

/** Under what a recording is replayed. */
export interface Setting {
  /** Undefined: each entry has the ttl that it was stored with. */
  readonly ttlMs: number | undefined;
  /** How much may be taken off a ttl at random; undefined: nothing. */
  readonly jitterMs?: ((ttlMs: number) => number) | undefined;
  readonly sliding: boolean;
  readonly maxLifetimeMs: number;
  readonly staleWhileRevalidateMs: number;
  readonly refreshAhead: number | undefined;
  /** What memory holds of all methods; `Infinity` without a bound. */
  readonly maxEntries: number;
  /** The same in bytes. */
  readonly maxBytes?: number | undefined;
  /** The longest that an entry stays in memory. */
  readonly memoryTtlMs?: number | undefined;
  /** Whether a store behind memory has what memory gives up. Then bounds of memory tell only where a hit is found. */
  readonly isBehind?: boolean | undefined;
}

/** One event of a key. */
export interface Access {
  /** When it began, about: one that had to wait is taken for one for which the method ran. */
  readonly time: number;
  /** Accesses at about that time. */
  count: number;
  /** How many entries memory must hold so that this one is still there. At the first access: at least. */
  readonly needed: number;
  /** The same in bytes; 0 where none were measured. */
  readonly neededBytes: number;
  /** When what was stored before has ceased to be right; undefined: it has not. */
  readonly invalidatedAt: number | undefined;
  /** Whether, if the method runs, there is no entry all the same; undefined: it was a hit in memory, and nobody knows. */
  readonly isUnstored: boolean | undefined;
}

/** What was counted of some keys. */
export interface Tally {
  hits: number;
  inMemory: number;
  stale: number;
  misses: number;
  loads: number;
  /** Recorded, but nobody knows what they would have come to. */
  unknown: number;
}

/** What comes before about so many lives of an entry has no influence on what is there now. */
const livesThatMatter = 2;
/** Calls of others that one gap may hold, where each of them restarts the window. */
const mostOthersInGap = 1_000;

interface Surroundings {
  readonly quantumMs: number;
  /** The part of its loads that left no entry. */
  readonly unstored: number;
  readonly others: OthersOfKey | undefined;
}

/** The entry of one key, through its accesses. */
export class Life {
  readonly #setting: Setting;
  readonly #ttlMs: number;
  readonly #jitterMs: number;
  readonly #loadMs: number;
  readonly #quantumMs: number;
  readonly #unstored: number;
  readonly #unknownBefore: number;
  readonly #others: OthersOfKey | undefined;
  readonly #draws: Draws;
  /** Of the entry that is there. */
  #entryTtlMs = 0;
  #writtenAt = -Infinity;
  #accessedAt = -Infinity;
  /** Which entry this process has in memory, and until when. */
  #remembered = -Infinity;
  #rememberedUntil = Infinity;
  /** What others have done is known up to here. */
  #passedTo: number;
  /** Until the entry is written, what calls come to meanwhile. */
  #meanwhile: 'hits' | 'stale' | 'misses' = 'hits';

  constructor(setting: Setting, key: SampledKey, { quantumMs, others, unstored: part }: Surroundings) {
    this.#setting = setting;
    this.#ttlMs = setting.ttlMs ?? key.ttlMs ?? Infinity;
    // A ttl as it was stored has been shortened already.
    const hasJitter = setting.ttlMs !== undefined && this.#ttlMs < Infinity;
    this.#jitterMs = hasJitter ? (setting.jitterMs?.(this.#ttlMs) ?? 0) : 0;
    // Whole, as times are: a fraction added and taken off again would not be the same moment.
    this.#loadMs = Math.round(key.loadMs);
    this.#quantumMs = quantumMs;
    this.#unstored = part;
    this.#unknownBefore = key.unknownBefore;
    this.#others = others;
    this.#passedTo = others?.since ?? Infinity;
    this.#draws = new Draws(key.hash ^ 0x5bd1e995);
  }

  access(access: Access, tally: Tally): void {
    const { time, count } = access;
    if (this.#others) this.#passBy(access, this.#others);
    if (this.#isUnknown(access)) {
      tally.unknown += count;
      if (!access.isUnstored) this.#write(time);
    } else if (!this.#isThere(access)) this.#load(access, tally, 'misses');
    else if (time < this.#writtenAt) tally[this.#meanwhile] += count;
    else this.#serve(access, tally);
    this.#accessedAt = Math.max(time, this.#writtenAt);
    this.#remembered = this.#writtenAt;
  }

  /** It may have been stored before the recording begins, and still be there. */
  #isUnknown(access: Access): boolean {
    const { maxLifetimeMs, staleWhileRevalidateMs } = this.#setting;
    if (this.#writtenAt > -Infinity || access.invalidatedAt !== undefined || !this.#fits(access)) return false;
    return access.time - this.#unknownBefore < Math.min(this.#ttlMs, maxLifetimeMs) + staleWhileRevalidateMs;
  }

  #isThere(access: Access): boolean {
    if (this.#writtenAt === -Infinity || !(this.#setting.isBehind || this.#fits(access))) return false;
    // Others may have loaded it again since it was invalidated.
    return access.invalidatedAt === undefined || (this.#others !== undefined && this.#writtenAt > access.invalidatedAt);
  }

  /** Whether memory still has it. */
  #fits({ needed, neededBytes }: Access): boolean {
    return needed <= this.#setting.maxEntries && neededBytes <= (this.#setting.maxBytes ?? Infinity);
  }

  #serve(access: Access, tally: Tally): void {
    const { time, count } = access;
    const { staleWhileRevalidateMs } = this.#setting;
    const inMemory = this.#isRemembered(access) ? 1 : 0;
    const overMs = time - this.#freshUntil;
    if (overMs >= 0) return this.#load(access, tally, overMs < staleWhileRevalidateMs ? 'stale' : 'misses');
    tally.inMemory += inMemory;
    if (time >= this.#agingFrom) return this.#load(access, tally, 'hits');
    tally.hits += count;
    tally.inMemory += count - 1;
    if (!inMemory) this.#rememberedUntil = time + (this.#setting.memoryTtlMs ?? Infinity);
  }

  #isRemembered(access: Access): boolean {
    return this.#fits(access) && this.#remembered === this.#writtenAt && access.time < this.#rememberedUntil;
  }

  get #freshUntil(): number {
    const { sliding, maxLifetimeMs, memoryTtlMs = Infinity, isBehind } = this.#setting;
    const windowEnd = (sliding ? this.#accessedAt : this.#writtenAt) + this.#entryTtlMs;
    const longestMs = Math.min(maxLifetimeMs, isBehind ? Infinity : memoryTtlMs);
    return Math.min(windowEnd, this.#writtenAt + longestMs);
  }

  /** From when on a hit has a new value loaded. */
  get #agingFrom(): number {
    const { refreshAhead, maxLifetimeMs } = this.#setting;
    const lifetimeMs = Math.min(this.#entryTtlMs, maxLifetimeMs);
    return refreshAhead === undefined || lifetimeMs === Infinity
      ? Infinity
      : this.#writtenAt + refreshAhead * lifetimeMs;
  }

  /** The method runs; calls that come meanwhile are answered as the first one is. */
  #load({ time, count, isUnstored }: Access, tally: Tally, meanwhile: 'hits' | 'stale' | 'misses'): void {
    if (isUnstored ?? (this.#unstored > 0 && this.#draws.next() < this.#unstored)) {
      tally[meanwhile] += count;
      tally.loads += count;
      return;
    }
    const during = (count - 1) * Math.min(1, this.#loadMs / Math.max(1, this.#quantumMs));
    tally[meanwhile] += 1 + during;
    tally.hits += count - 1 - during;
    tally.inMemory += count - 1 - during;
    tally.loads++;
    this.#write(time + this.#loadMs);
    this.#rememberedUntil = this.#writtenAt + (this.#setting.memoryTtlMs ?? Infinity);
    this.#meanwhile = meanwhile;
  }

  #write(at: number): void {
    this.#writtenAt = at;
    this.#entryTtlMs =
      this.#jitterMs === 0 ? this.#ttlMs : Math.max(1, this.#ttlMs - Math.floor(this.#draws.next() * this.#jitterMs));
  }

  // --------------------------------------------------------------------------------------- other processes

  /** What they did since this process has asked last. */
  #passBy({ time, invalidatedAt }: Access, others: OthersOfKey): void {
    if (invalidatedAt !== undefined && invalidatedAt >= this.#passedTo) {
      this.#pass(invalidatedAt, others);
      this.#writtenAt = -Infinity;
    }
    this.#pass(time, others);
  }

  #pass(until: number, others: OthersOfKey): void {
    if (this.#loadsFrom >= until) {
      this.#passedTo = until;
      return;
    }
    this.#skip(until, others);
    for (let i = 0; i < mostOthersInGap && this.#passedTo < until; i++) {
      const next = Math.max(this.#passedTo, this.#loadsFrom) - Math.log(1 - this.#draws.next()) * others.everyMs;
      if (next >= until) break;
      this.#passedTo = next;
      const isAlive = this.#writtenAt > -Infinity && next < Math.min(this.#freshUntil, this.#agingFrom);
      if (!isAlive) this.#write(Math.round(next) + this.#loadMs);
      this.#accessedAt = Math.max(next, this.#writtenAt);
    }
    this.#passedTo = Math.max(this.#passedTo, until);
  }

  /** What was long before has no influence. */
  #skip(until: number, { everyMs }: OthersOfKey): void {
    const { maxLifetimeMs } = this.#setting;
    const lifeMs = Math.min(this.#ttlMs, maxLifetimeMs) + everyMs;
    if (lifeMs < Infinity) {
      const from = until - livesThatMatter * lifeMs;
      if (this.#passedTo >= from) return;
      // At random, as lives of one length would all end at the same moment.
      this.#passedTo = from - this.#draws.next() * lifeMs;
      if (this.#writtenAt > -Infinity && this.#freshUntil < from) this.#writtenAt = -Infinity;
    } else if (this.#passedTo === -Infinity) {
      this.#passedTo = until;
      this.#write(until - 1);
    }
  }

  /** From when on a call would have the method run, or would restart the window. Until then calls of others change nothing. */
  get #loadsFrom(): number {
    if (this.#writtenAt === -Infinity) return -Infinity;
    return this.#setting.sliding ? this.#writtenAt : Math.min(this.#freshUntil, this.#agingFrom);
  }
}
