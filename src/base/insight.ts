/** What a cache tells about itself: plain data that travel between processes as JSON. */

import type { Outcome } from './events.js';

/**
 * How long loads took, since the cache was made: how many were in each bucket, as `[bucket, count]`, by bucket and without those that
 * are empty. Bucket `b` of 256 begins at `2 ** (b / 8)` microseconds and ends where the next begins; the last has no end. So they can
 * be added over processes, and two that were taken one after the other be subtracted.
 */
export type LoadDistribution = readonly (readonly [bucket: number, count: number])[];

/** The runs of a method, in milliseconds; all 0 where it has not run. */
export interface LoadStats {
  /** How many there were. */
  readonly count: number;
  /** Of them, those that threw or rejected. */
  readonly errors: number;
  /** The mean. */
  readonly meanMs: number;
  /** Half of them took no longer. */
  readonly p50Ms: number;
  /** 95 of 100 took no longer. */
  readonly p95Ms: number;
  /** 99 of 100 took no longer. */
  readonly p99Ms: number;
  /** The longest. */
  readonly maxMs: number;
  /** Of all of them; undefined where none has run, and from a process with an older version of this package. */
  readonly distribution?: LoadDistribution;
}

/** What was counted of one method. `calls` is the sum of hits, misses, stale and bypassed. */
export interface MethodStats {
  /** All calls, also those that did not use the cache. */
  readonly calls: number;
  /** Calls that were answered with a valid entry. */
  readonly hits: number;
  /** The hits, by where the entry was. */
  readonly hitsByTier: {
    /** In this process. */
    readonly memory: number;
    /** In a shared store. */
    readonly store: number;
  };
  /** Calls for which the method ran, or which shared one that ran. */
  readonly misses: number;
  /** The misses by the first word or words of their reason, such as `absent`, `expired`, `invalidated`, `joined`. */
  readonly missesByReason: Readonly<Record<string, number>>;
  /** Old entries that were served. */
  readonly stale: number;
  /** Calls that did not use the cache. */
  readonly bypassed: number;
  /** `hits / (hits + stale + misses)`, 0 where there was no such call. */
  readonly hitRate: number;
  /** Runs of the method for the cache. */
  readonly loads: LoadStats;
  /**
   * What the callers have not waited for, in milliseconds: of each hit, and of each stale value that was served at once, how long
   * the method had run for the entry.
   */
  readonly savedMs: number;
  /** Entries that a store has taken. */
  readonly puts: number;
  /** The size of values, measured of some, in bytes; 0 where none was measured. */
  readonly bytes: {
    /** Of those that were measured. */
    readonly mean: number;
    /** Of those that were measured. */
    readonly max: number;
    /** Of those that were measured, all together. */
    readonly sum: number;
    /** How many were measured. */
    readonly count: number;
  };
  /** Invalidations here of tags of the kinds that its entries have, or of everything. */
  readonly invalidations: number;
  /** Entries that were asked for and had been invalidated, or expired by a tag; each once. */
  readonly invalidated: number;
  /** What `verify` has found. */
  readonly mismatches: number;
}

/** The counts of a cache since it was made; those of its methods, summed up, and what concerns no single one. */
export interface CacheStats extends MethodStats {
  /** Store operations, callbacks and background loads that failed. */
  readonly errors: number;
  /** Calls of `invalidate`, `expire` and `clear`, those of `@Invalidates` too. */
  readonly invalidations: number;
  /** By `Class.method`. */
  readonly methods: Readonly<Record<string, MethodStats>>;
}

/** Memory, or a shared store behind it. */
export interface StoreState {
  readonly tier: 'memory' | 'store';
  /** `memory`, or the URI without its password. */
  readonly name: string;
  /** Entries in memory; undefined for a shared store, which does not count them. */
  readonly entries: number | undefined;
  /** The bounds of memory; undefined where there is none. */
  readonly maxEntries: number | undefined;
  readonly maxSize: number | undefined;
  /** Approximate bytes of keys and values in memory; undefined where they are not its bound. */
  readonly size: number | undefined;
  /** Entries that memory gave up for room; undefined for a shared store, which does not tell. */
  readonly evictions: number | undefined;
  /** The circuit breaker; `none` for memory. */
  readonly breaker: 'none' | 'closed' | 'open' | 'probing';
  /** Invalidations that the store has not acknowledged yet. */
  readonly pending: number;
}

/** What carries invalidations between processes. `trusted`: memory is served without asking the store. */
export interface BusState {
  readonly state: 'none' | 'trusted' | 'untrusted' | 'idle';
  /** Other processes that remember something and are heard. */
  readonly peers: number;
}

/** What is written for a method, where it is the same for each call. Milliseconds; 0 where there is none. */
export interface PolicyTold {
  /** Undefined where a function tells it. `Infinity` without an end; JSON makes `null` of that. */
  readonly ttlMs: number | undefined;
  readonly sliding: boolean;
  readonly staleWhileRevalidateMs: number;
  readonly staleIfErrorMs: number;
  /** The kinds of tags that its entries were seen to have: `product` of `product:1`. */
  readonly tagKinds: readonly string[];
}

/** What one process tells about one cache. */
export interface Snapshot {
  readonly process: {
    /** Of this cache in this process. */
    readonly id: string;
    readonly pid: number;
    readonly host: string;
    /** Milliseconds since the epoch. */
    readonly startedAt: number;
  };
  readonly namespace: string;
  readonly enabled: boolean;
  /** Whether calls are counted: `statistics` of `createCache`. Undefined from an older version of this package. */
  readonly counted?: boolean;
  /** When it was taken, milliseconds since the epoch. */
  readonly at: number;
  /** Of its methods those with the most calls; the sums are those of all. */
  readonly stats: CacheStats;
  /** How many methods are not in `stats.methods`; undefined: none. */
  readonly methodsLeftOut?: number;
  /** By `Class.method`, of those in `stats.methods` whose calls have one policy. */
  readonly policies?: Readonly<Record<string, PolicyTold>>;
  /** Nearest first. */
  readonly stores: readonly StoreState[];
  readonly bus: BusState;
}

/** A hit rate that is to be expected with another ttl or size. */
export interface Prediction {
  /** Undefined: as now, where the ttl is not a number, as a function or each call tells it. */
  readonly ttlMs: number | undefined;
  /**
   * Entries of all methods together in memory; `Infinity` without a bound. JSON makes `null` of that. Where memory is bounded by
   * bytes: about as many as fit.
   */
  readonly maxEntries: number;
  /** The bound of memory in bytes; undefined where it has none, `Infinity` for a prediction without. */
  readonly maxSize?: number | undefined;
  /** As in {@link MethodStats}, from 0 to 1; in `bySize` where a store is behind memory: the part of the calls that memory answers. */
  readonly hitRate: number;
}

/** What could be better, in plain words. */
export interface Finding {
  /** For programs, such as `ttl-too-short`. */
  readonly code: FindingCode;
  /** Undefined where it concerns the whole cache. */
  readonly method: string | undefined;
  /** What was seen. */
  readonly what: string;
  /** What to write instead. */
  readonly change: string;
  /** How many calls `what` speaks of; undefined where it speaks of a part of them, or of none. */
  readonly count?: number | undefined;
  /** What it would bring; undefined where that is no number. */
  readonly gain:
    | undefined
    | {
        /**
         * The hit rate of the method (of the cache where it concerns no single one) now and afterwards; of `memory-too-small`
         * where a store is behind memory: the part of the calls that memory answers.
         */
        readonly hitRateNow: number;
        /** With the change. */
        readonly hitRateThen: number;
        /** Of loading, or of asking the store behind memory, per 1,000 calls; negative where it costs. */
        readonly savedMsPer1000Calls: number;
      };
  /** What would have to be written, for programs: all of it together. Undefined where it is no number. */
  readonly proposal?: {
    /** The ttl of the method, in milliseconds. */
    readonly ttlMs?: number;
    /** Of memory. */
    readonly maxEntries?: number;
    /** Of memory, in bytes. */
    readonly maxSize?: number;
    /** The ttl in the URI of memory, in milliseconds. */
    readonly memoryTtlMs?: number;
  };
}

/** What a finding is about; each is explained in docs/audit.md. */
export type FindingCode =
  | 'ttl-too-short'
  | 'ttl-too-long'
  | 'memory-too-small'
  | 'tags-never-invalidated'
  | 'invalidated-more-than-read'
  | 'mismatches'
  | 'many-instances'
  | 'unkeyable'
  | 'values-too-large'
  | 'results-not-stored'
  | 'not-worth-caching';

/** What an audit says of one method. */
export interface MethodAudit {
  /** As it was counted. */
  readonly hitRate: number;
  /** What the recording says that it should be: far from `hitRate`, the predictions are worth little. */
  readonly expectedHitRate: number;
  /** Whether the predictions can be gone by. No finding is made of others. */
  readonly trusted: boolean;
  /** Why they cannot, for people. */
  readonly doubt?: string | undefined;
  /** The hit rate with other ttls, all else being equal; ascending by ttl. */
  readonly byTtl: readonly Prediction[];
  /** The hit rate with other sizes of memory, ascending by size; where a store is behind memory, that of memory alone. */
  readonly bySize: readonly Prediction[];
}

/** What a cache would change about itself. */
export interface Audit {
  /** What is wrong comes first (mismatches, objects that share entries), then what saves the most load time. */
  readonly findings: readonly Finding[];
  /** By `Class.method`. */
  readonly methods: Readonly<Record<string, MethodAudit>>;
  /** How long the recording is, in milliseconds. */
  readonly spanMs: number;
  /** The part of the keys that was recorded, from 0 to 1. */
  readonly sampled: number;
}

/** What one may ask each process of a fleet. */
export type Question =
  { readonly topic: 'snapshot' } | { readonly topic: 'audit' } | { readonly topic: 'recent'; readonly method: string };

/** By topic, what a process answers. */
export interface Answers {
  snapshot: Snapshot;
  audit: Audit;
  /** The last outcomes of the method, oldest first. Kept from the first question on, for as long as questions come. */
  recent: readonly Outcome[];
}

/** What one process has answered. */
export interface Answered<Topic extends keyof Answers> {
  readonly process: Snapshot['process'];
  readonly answer: Answers[Topic];
}

/** A cache, as the inspector and the command line see it. */
export interface Insight {
  snapshot(): Snapshot;
  audit(): Audit;
  recent(method: string): readonly Outcome[];
  /** Tells of a misuse, once for each message. */
  warn(code: string, message: string): void;
  /**
   * Asks every process over the bus, this one included; resolves when all known have answered or after `waitMs` (500 unless
   * stated). What came from others has been checked. Never rejects.
   */
  ask<Topic extends keyof Answers>(
    question: Extract<Question, { topic: Topic }>,
    waitMs?: number,
  ): Promise<readonly Answered<Topic>[]>;
}

/** Under this a cache keeps its insight, out of its users' sight: `cache[insight]`. The same in every copy of this package. */
export const insight: unique symbol = Symbol.for('cachette.insight') as never;

/** What stands before the first colon: `product` of the tag `product:1`, `invalidated` of the reason `invalidated: product:1`. */
export function kindOf(text: string): string {
  const end = text.indexOf(':');
  return end < 0 ? text : text.slice(0, end);
}
