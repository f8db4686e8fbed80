/** What is counted of one method: numbers, so that a call costs a few additions, and a histogram of its loads. */

import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import type { OutcomeStatus, Tier } from '../base/events.js';
import { kindOf, type LoadStats, type MethodStats } from '../base/insight.js';
import type { Policy } from './policy.js';

/** Of values in memory so many are measured at first, and then one in `measuredOneIn`: that takes a copy of each. */
const measuredAtFirst = 8;
const measuredOneIn = 64;
/** Reasons are few; one that a user's text got into must not make a table of them grow. */
const reasonsAtMost = 50;
const kindsAtMost = 100;

/** Why there is no entry with a result: `not kept` by the store that it was given to. */
export type WhyUnstored = 'storeWhen' | 'unstorable' | 'too many tags' | 'not kept';

/** What became of the results of a method. */
export interface Results {
  readonly stored: number;
  readonly unstored: Readonly<Partial<Record<WhyUnstored, number>>>;
  /** What a hit in the store takes, in milliseconds; undefined where none was measured. */
  readonly storeHitMs: number | undefined;
}

/** Loads are recorded in microseconds, up to an hour, with an error of at most one in a hundred. */
const histogramRange = { lowest: 1, highest: 3_600_000_000, figures: 2 } as const;

export class Counts {
  hits = 0;
  hitsInMemory = 0;
  stale = 0;
  bypassed = 0;
  misses = 0;
  /** Of the loads of what was hit. */
  savedMs = 0;
  invalidations = 0;
  invalidated = 0;
  mismatches = 0;
  readonly reasons = new Map<string, number>();
  /** The kinds of tags, such as `product`, that entries were stored with, and how often one was seen to be invalidated. */
  readonly kinds = new Map<string, number>();
  /** The codes of warnings that concern it. */
  readonly warnings = new Set<string>();
  /** Undefined where each call has its own, or none was made with the cache. */
  policy: Policy | undefined;
  #loads = 0;
  #failedLoads = 0;
  #loadedMs = 0;
  #loadTimes: RecordableHistogram | undefined;
  #stored = 0;
  readonly #unstored = new Map<WhyUnstored, number>();
  #storeHits = { ms: 0, count: 0 };
  #bytes = { sum: 0, count: 0, max: 0 };

  /** Of the reads of the store the part that found no entry, by a mean in which the last four count most. */
  #absence = 0;

  /** Whether most reads of the store found nothing lately. */
  get isMostlyAbsent(): boolean {
    return this.#absence > 1 / 2;
  }

  /** The store was read for a call. */
  read(hasFound: boolean): void {
    this.#absence += ((hasFound ? 0 : 1) - this.#absence) / 4;
  }

  /** A hit costs no more than this. */
  hit(tier: Tier, loadMs: number): void {
    this.hits++;
    if (tier === 'memory') this.hitsInMemory++;
    this.savedMs += loadMs;
  }

  other(status: Exclude<OutcomeStatus, 'hit'>, reason: string): void {
    if (status === 'stale') this.stale++;
    else if (status === 'bypass') this.#bypass(reason);
    else this.#miss(reason);
  }

  #bypass(reason: string): void {
    this.bypassed++;
    if (reason === 'unkeyable') this.warnings.add(reason);
  }

  #miss(reason: string): void {
    this.misses++;
    if (isOfInvalidation(reason)) this.#invalidatedBy(reason);
    const kind = kindOf(reason);
    if (this.reasons.has(kind) || this.reasons.size < reasonsAtMost)
      this.reasons.set(kind, (this.reasons.get(kind) ?? 0) + 1);
  }

  /** By another process, perhaps, which told nobody here. */
  #invalidatedBy(reason: string): void {
    this.invalidated++;
    const kind = kindOf(reason.slice(reason.indexOf(': ') + 2));
    this.noteKinds(new Set([kind]));
  }

  loaded(ms: number, isFailed: boolean): void {
    this.#loads++;
    if (isFailed) this.#failedLoads++;
    this.#loadedMs += ms;
    this.#loadTimes ??= createHistogram(histogramRange);
    this.#loadTimes.record(Math.min(Math.max(1, Math.round(ms * 1_000)), histogramRange.highest));
  }

  /** Whether the next value that is stored is one of those that are measured. */
  get measuresNext(): boolean {
    return this.#stored < measuredAtFirst || this.#stored % measuredOneIn === 0;
  }

  /** `bytes`: undefined where it was not measured. */
  stored(tags: readonly string[], bytes: number | undefined): void {
    this.#stored++;
    for (const tag of tags) this.#note(kindOf(tag));
    if (bytes === undefined) return;
    this.#bytes.sum += bytes;
    this.#bytes.count++;
    this.#bytes.max = Math.max(this.#bytes.max, bytes);
  }

  notStored(why: WhyUnstored): void {
    this.#unstored.set(why, (this.#unstored.get(why) ?? 0) + 1);
  }

  foundInStore(ms: number): void {
    this.#storeHits.ms += ms;
    this.#storeHits.count++;
  }

  get results(): Results {
    const { ms, count } = this.#storeHits;
    const unstored = Object.fromEntries(this.#unstored);
    const stored = this.#stored - (this.#unstored.get('not kept') ?? 0);
    return { stored, unstored, storeHitMs: count === 0 ? undefined : ms / count };
  }

  /** Tags of these kinds were invalidated, here or elsewhere. */
  noteKinds(kinds: ReadonlySet<string>): void {
    for (const kind of kinds) {
      const before = this.kinds.get(kind);
      if (before !== undefined) this.kinds.set(kind, before + 1);
    }
  }

  /** The same, by this process; empty: everything was. */
  noteInvalidation(kinds: ReadonlySet<string>): void {
    if (kinds.size === 0 || [...kinds].some((kind) => this.kinds.has(kind))) this.invalidations++;
  }

  stats(): MethodStats {
    const answered = this.hits + this.stale + this.misses;
    const { sum, count, max } = this.#bytes;
    return {
      calls: answered + this.bypassed,
      hits: this.hits,
      hitsByTier: { memory: this.hitsInMemory, store: this.hits - this.hitsInMemory },
      misses: this.misses,
      missesByReason: Object.fromEntries(this.reasons),
      stale: this.stale,
      bypassed: this.bypassed,
      hitRate: answered === 0 ? 0 : this.hits / answered,
      loads: this.#loadStats(),
      savedMs: Math.round(this.savedMs),
      bytes: { mean: count === 0 ? 0 : Math.round(sum / count), max },
      invalidations: this.invalidations,
      invalidated: this.invalidated,
      mismatches: this.mismatches,
    };
  }

  /** Adds another method's counts to these. */
  add(other: Counts): void {
    this.hits += other.hits;
    this.hitsInMemory += other.hitsInMemory;
    this.stale += other.stale;
    this.bypassed += other.bypassed;
    this.misses += other.misses;
    this.savedMs += other.savedMs;
    this.invalidated += other.invalidated;
    this.mismatches += other.mismatches;
    for (const [reason, count] of other.reasons) this.reasons.set(reason, (this.reasons.get(reason) ?? 0) + count);
    this.#loads += other.#loads;
    this.#failedLoads += other.#failedLoads;
    this.#loadedMs += other.#loadedMs;
    if (other.#loadTimes) (this.#loadTimes ??= createHistogram(histogramRange)).add(other.#loadTimes);
    this.#bytes.sum += other.#bytes.sum;
    this.#bytes.count += other.#bytes.count;
    this.#bytes.max = Math.max(this.#bytes.max, other.#bytes.max);
  }

  #note(kind: string): void {
    if (!this.kinds.has(kind) && this.kinds.size < kindsAtMost) this.kinds.set(kind, 0);
  }

  #loadStats(): LoadStats {
    const times = this.#loadTimes;
    const percentile = (percent: number): number => (times ? times.percentile(percent) / 1_000 : 0);
    return {
      count: this.#loads,
      errors: this.#failedLoads,
      meanMs: this.#loads === 0 ? 0 : this.#loadedMs / this.#loads,
      p50Ms: percentile(50),
      p95Ms: percentile(95),
      p99Ms: percentile(99),
      maxMs: times ? times.max / 1_000 : 0,
    };
  }
}

/** Whether a miss for this reason found an entry that somebody had invalidated or expired. */
export function isOfInvalidation(reason: string): boolean {
  return reason.startsWith('invalidated: ') || reason.startsWith('expired: ');
}
