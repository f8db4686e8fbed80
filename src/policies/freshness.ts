/**
 * What an entry may be used for: the one place where fresh, stale, expired and invalidated are told apart.
 *
 * Expired is old; the user has said for how long an old value is better than a late one or none. Invalidated is wrong: no
 * option makes it good enough. The terms are those of RFC 9111 and RFC 5861.
 */

import type { Lifetime } from '../base/entry.js';

/** How long an old value may be served, and when a new one is fetched early. */
export interface FreshnessPolicy {
  /** After its expiry, while a new one is loaded; 0: not at all. */
  readonly staleWhileRevalidateMs: number;
  /** After its expiry, where the method has failed or is late; 0: not at all. */
  readonly staleIfErrorMs: number;
  /** The part of its life after which a hit loads a new one in the background; undefined: none. */
  readonly refreshAhead: number | undefined;
}

/**
 * What speaks against an entry besides its age.
 * - `invalidated`: it was computed from what has changed since: one of its tags was invalidated, or its version is another one
 * - `unverified`: its version could not be told, and so it may be wrong: that is better than a failure, and than nothing else
 * - `expired`: somebody has said that it is old
 */
export type Flaw = 'invalidated' | 'unverified' | 'expired';

/** What is known of an entry. */
export interface Condition {
  readonly entry: Lifetime & { readonly loadMs: number; readonly isError: boolean };
  /** How long it stays fresh; not above 0 for how long it has not been. */
  readonly remainingMs: number;
  /** What speaks against it besides its age. */
  readonly flaw: Flaw | undefined;
  readonly now: number;
  /**
   * A random number above 0 and not above 1, where many processes could begin to load at the same moment and nothing keeps
   * them from it; undefined where one does it for all.
   */
  readonly chance: number | undefined;
}

/**
 * - `fresh`: it is served; `isDue`: and a new one is loaded in the background
 * - `stale`: it is served while a new one is loaded, or instead of a failure
 * - `expired`: it was right once, and is too old for anything
 * - `invalidated`: it is wrong
 */
export type Freshness =
  | { readonly state: 'fresh'; readonly isDue: boolean }
  | { readonly state: 'stale'; readonly whileRevalidating: boolean; readonly ifError: boolean }
  | { readonly state: 'expired' }
  | { readonly state: 'invalidated' };

const expired: Freshness = { state: 'expired' };
const invalidated: Freshness = { state: 'invalidated' };

/** What `condition` allows under `policy`. */
export function freshnessOf(condition: Condition, policy: FreshnessPolicy): Freshness {
  const { entry, flaw, remainingMs } = condition;
  if (flaw === 'invalidated') return invalidated;
  if (remainingMs > 0 && !flaw) return { state: 'fresh', isDue: isDue(condition, policy.refreshAhead) };
  // A failure that was kept is no value to fall back on.
  if (entry.isError) return expired;
  const overMs = Math.max(0, -remainingMs);
  const whileRevalidating = flaw !== 'unverified' && overMs < policy.staleWhileRevalidateMs;
  const ifError = overMs < policy.staleIfErrorMs;
  return whileRevalidating || ifError ? { state: 'stale', whileRevalidating, ifError } : expired;
}

/**
 * Early enough, and where others are about to do the same, with a probability that grows towards the end and with the time
 * that a load takes: "Optimal Probabilistic Cache Stampede Prevention" (Vattani, Chierichetti, Lowenstein 2015), XFetch.
 */
function isDue({ entry, remainingMs, now, chance }: Condition, refreshAhead: number | undefined): boolean {
  if (entry.isError || !isAging(entry, now, refreshAhead)) return false;
  return chance === undefined || -entry.loadMs * Math.log(chance) >= remainingMs;
}

/** Whether the part of its life is over after which a new value may be loaded ahead. */
export function isAging(entry: Lifetime, now: number, refreshAhead: number | undefined): boolean {
  if (refreshAhead === undefined) return false;
  const lifetimeMs = Math.min(entry.ttlMs, entry.maxLifetimeMs);
  return lifetimeMs < Infinity && now - entry.writtenAt >= refreshAhead * lifetimeMs;
}
