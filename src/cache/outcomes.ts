/** Counts what calls came to, and tells listeners. The one place where outcomes are emitted. */

import type { Emitter, Outcome, OutcomeStatus } from '../base/events.js';

/** What was counted. `hitRate` is `hits / (hits + stale + misses)`, 0 where there was no call. */
export interface MethodStats {
  /** Calls that were answered with a valid entry. */
  readonly hits: number;
  /** Calls for which the method ran, or which shared one that ran. */
  readonly misses: number;
  /** Expired entries that were served. */
  readonly stale: number;
  /** Calls that did not use the cache. */
  readonly bypassed: number;
  /** Of the calls that used the cache, from 0 to 1. */
  readonly hitRate: number;
}

/** The counts of a cache since it was made. */
export interface CacheStats extends MethodStats {
  /** Store operations and callbacks that failed. */
  readonly errors: number;
  /** Calls of `invalidate` and `clear`, those of `@Invalidates` too. */
  readonly invalidations: number;
  /** By `Class.method`. */
  readonly methods: Readonly<Record<string, MethodStats>>;
}

/** Plain numbers, so that counting costs an addition. */
export class Counts {
  hit = 0;
  miss = 0;
  stale = 0;
  bypass = 0;

  stats(): MethodStats {
    const answered = this.hit + this.stale + this.miss;
    return {
      hits: this.hit,
      misses: this.miss,
      stale: this.stale,
      bypassed: this.bypass,
      hitRate: answered === 0 ? 0 : this.hit / answered,
    };
  }
}

export class Outcomes {
  readonly #events: Emitter;
  readonly #methods = new Map<string, Counts>();
  #invalidations = 0;
  #errors = 0;

  constructor(events: Emitter) {
    this.#events = events;
    events.on('invalidation', () => this.#invalidations++);
    events.on('error', () => this.#errors++);
  }

  /** The counts of a method; hold on to them where calls are frequent. */
  of(method: string): Counts {
    let counts = this.#methods.get(method);
    if (!counts) this.#methods.set(method, (counts = new Counts()));
    return counts;
  }

  /** Whether an outcome must be made, or a count will do. */
  get watched(): boolean {
    return this.#events.heard('outcome');
  }

  count(counts: Counts, status: OutcomeStatus): void {
    counts[status]++;
  }

  emit(outcome: Outcome): void {
    this.#events.emit('outcome', outcome);
  }

  stats(): CacheStats {
    const total = new Counts();
    for (const counts of this.#methods.values()) {
      total.hit += counts.hit;
      total.miss += counts.miss;
      total.stale += counts.stale;
      total.bypass += counts.bypass;
    }
    return {
      ...total.stats(),
      errors: this.#errors,
      invalidations: this.#invalidations,
      methods: Object.fromEntries([...this.#methods].map(([method, counts]) => [method, counts.stats()])),
    };
  }
}
