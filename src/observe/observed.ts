/** What every kind of meter takes from a cache: its counts as flat samples that name methods and reasons, never keys or tags. */

import { CacheConfigError } from '../base/errors.js';
import { type CacheStats, type Insight, insight, type MethodStats, type Snapshot } from '../base/insight.js';
import type { CacheManager } from '../cache/manager.js';

/** What `createCache` gives. */
export type ObservedCache = Pick<CacheManager, 'stats' | 'on'>;

/** Calls of one method that came to the same. `tier` and `reason` are empty where they do not apply. */
export interface CallCount {
  readonly method: string;
  readonly result: 'hit' | 'stale' | 'miss' | 'bypass';
  readonly tier: 'memory' | 'store' | '';
  readonly reason: string;
  readonly count: number;
}

/** @throws CacheConfigError if it is no cache */
export function insightOf(cache: ObservedCache, where: string): Insight {
  // The types of the package do not show it to users.
  const found = (cache as Partial<Record<typeof insight, Insight>> | undefined)?.[insight];
  if (found) return found;
  throw new CacheConfigError({
    where,
    what: 'what it was given is no cache',
    instead: 'give what createCache() returned',
  });
}

/** Counts and state, taken at one moment. */
export interface Reading {
  readonly stats: CacheStats;
  readonly state: Pick<Snapshot, 'stores' | 'bus'>;
}

export function read(cache: ObservedCache, told: Insight): Reading {
  return { stats: cache.stats(), state: told.snapshot() };
}

export function callCounts({ methods }: CacheStats): CallCount[] {
  return Object.entries(methods).flatMap(([method, stats]) => countsOf(method, stats));
}

function countsOf(method: string, stats: MethodStats): CallCount[] {
  const none = { method, tier: '', reason: '' } as const;
  const told = Object.entries(stats.missesByReason);
  const untold = stats.misses - told.reduce((sum, [, count]) => sum + count, 0);
  const misses = untold > 0 ? [...told, ['other', untold] as const] : told;
  return [
    { ...none, result: 'hit', tier: 'memory', count: stats.hitsByTier.memory },
    { ...none, result: 'hit', tier: 'store', count: stats.hitsByTier.store },
    { ...none, result: 'stale', count: stats.stale },
    { ...none, result: 'bypass', count: stats.bypassed },
    ...misses.map(([reason, count]): CallCount => ({ ...none, result: 'miss', reason, count })),
  ];
}

/** Loads a library that is not part of this package's dependencies. */
export async function loadPeer<T>(where: string, name: string, load: () => Promise<T>): Promise<T> {
  try {
    const library = await load();
    // Modules of CommonJS may have a default export alone.
    return { ...(library as { readonly default?: T }).default, ...library };
  } catch (cause) {
    if (!/MODULE_NOT_FOUND$/.test(String((cause as NodeJS.ErrnoException).code))) throw cause;
    const what = `needs the package ${name}, which is not installed`;
    throw new CacheConfigError({ where, what, instead: `run: npm install ${name}` }, { cause });
  }
}
