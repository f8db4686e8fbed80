/** What is counted of one method: numbers, so that a call costs a few additions, and a histogram of its loads. */

import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import type { OutcomeStatus, Tier } from '../base/events.js';
import { kindOf, type LoadStats, type MethodStats } from '../base/insight.js';
import { Distribution } from './distribution.js';
import type { Policy } from './policy.js';

/** Of values in memory so many are measured at first, and then one in `measuredOneIn`: that takes a copy of each. */
const measuredAtFirst = 8;
const measuredOneIn = 64;
/** The tags of so many calls are looked at, and then of one in `lookedAtOneIn`: a hit on a store is not to pay for more. */
const lookedAtFirst = 16;
const lookedAtOneIn = 64;
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
  hitsInStore = 0;
  stale = 0;
  bypassed = 0;
  misses = 0;
  /** Of the loads of what was served without waiting for one. */
  savedMs = 0;
  puts = 0;
  invalidations = 0;
  invalidated = 0;
  mismatches = 0;
  readonly reasons = new Map<string, number>();
  /** The kinds of tags, such as `product`, that entries were stored with, and how often one was seen to be invalidated. */
  readonly kinds = new Map<string, number>();
  /** More kinds, of entries that others have stored and of calls. */
  readonly #seenKinds = new Set<string>();
  /** The codes of warnings that concern it. */
  readonly warnings = new Set<string>();
  /** Undefined where each call has its own, or none was made with the cache. */
  policy: Policy | undefined;
  #loads = 0;
  #failedLoads = 0;
  #loadedMs = 0;
  #loadTimes: RecordableHistogram | undefined;
  #distribution: Distribution | undefined;
  #stored = 0;
  #looked = 0;
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

  /** A hit in memory costs no more than this: which hits were elsewhere is counted there. */
  hit(loadMs: number): void {
    this.hits++;
    this.savedMs += loadMs;
  }

  hitIn(tier: Tier, loadMs: number): void {
    this.hit(loadMs);
    if (tier === 'store') this.hitsInStore++;
  }

  /** `savedMs`: of the load that the caller did not wait for; 0 where it waited. */
  servedStale(savedMs: number): void {
    this.stale++;
    this.savedMs += savedMs;
  }

  other(status: Exclude<OutcomeStatus, 'hit' | 'stale'>, reason: string): void {
    if (status === 'bypass') this.#bypass(reason);
    else this.#miss(reason);
  }

  #bypass(reason: string): void {
    this.bypassed++;
    if (reason === 'unkeyable') this.warnings.add(reason);
  }

  #miss(reason: string): void {
    this.misses++;
    const kind = kindOf(reason);
    if (this.reasons.has(kind) || this.reasons.size < reasonsAtMost)
      this.reasons.set(kind, (this.reasons.get(kind) ?? 0) + 1);
  }

  /** An entry was found that had been: by another process, perhaps, which told nobody here. */
  foundInvalidated(reason: string): void {
    this.invalidated++;
    const kind = kindOf(reason.slice(reason.indexOf(': ') + 2));
    this.noteKinds(new Set([kind]));
  }

  loaded(ms: number, isFailed: boolean): void {
    this.#loads++;
    if (isFailed) this.#failedLoads++;
    this.#loadedMs += ms;
    this.#loadTimes ??= createHistogram(histogramRange);
    (this.#distribution ??= new Distribution()).record(ms);
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

  /** Whether the tags of the next call are looked at; to be asked once for each call. */
  looksAtTags(): boolean {
    const looked = this.#looked++;
    return looked < lookedAtFirst || looked % lookedAtOneIn === 0;
  }

  /** What its entries are stored with, here or elsewhere, or will be. */
  sawTags(tags: readonly string[]): void {
    for (const tag of tags) {
      const kind = kindOf(tag);
      if (!this.kinds.has(kind) && this.#seenKinds.size < kindsAtMost) this.#seenKinds.add(kind);
    }
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
    const isConcerned = [...kinds].some((kind) => this.kinds.has(kind) || this.#seenKinds.has(kind));
    if (kinds.size === 0 || isConcerned) this.invalidations++;
  }

  stats(): MethodStats {
    const answered = this.hits + this.stale + this.misses;
    const { sum, count, max } = this.#bytes;
    return {
      calls: answered + this.bypassed,
      hits: this.hits,
      hitsByTier: { memory: this.hits - this.hitsInStore, store: this.hitsInStore },
      misses: this.misses,
      missesByReason: Object.fromEntries(this.reasons),
      stale: this.stale,
      bypassed: this.bypassed,
      hitRate: answered === 0 ? 0 : this.hits / answered,
      loads: this.#loadStats(),
      savedMs: Math.round(this.savedMs),
      puts: this.puts,
      bytes: { mean: count === 0 ? 0 : Math.round(sum / count), max, sum, count },
      invalidations: this.invalidations,
      invalidated: this.invalidated,
      mismatches: this.mismatches,
    };
  }

  /** Adds another method's counts to these. */
  add(other: Counts): void {
    this.hits += other.hits;
    this.hitsInStore += other.hitsInStore;
    this.stale += other.stale;
    this.bypassed += other.bypassed;
    this.misses += other.misses;
    this.savedMs += other.savedMs;
    this.puts += other.puts;
    this.invalidated += other.invalidated;
    this.mismatches += other.mismatches;
    for (const [reason, count] of other.reasons) this.reasons.set(reason, (this.reasons.get(reason) ?? 0) + count);
    this.#loads += other.#loads;
    this.#failedLoads += other.#failedLoads;
    this.#loadedMs += other.#loadedMs;
    if (other.#loadTimes) (this.#loadTimes ??= createHistogram(histogramRange)).add(other.#loadTimes);
    if (other.#distribution) (this.#distribution ??= new Distribution()).add(other.#distribution);
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
      ...(this.#distribution && { distribution: this.#distribution.told() }),
    };
  }
}

/** Whether a call with this reason found an entry that somebody had invalidated or expired. */
export function isOfInvalidation(reason: string): boolean {
  return reason.startsWith('invalidated: ') || reason.startsWith('expired: ');
}
