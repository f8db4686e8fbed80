/** Snapshots of processes, made by hand. */

import type { Answered, MethodStats, Snapshot, StoreState } from '../../src/base/insight.js';

/** Nothing was counted. */
export const nothing: MethodStats = {
  calls: 0,
  hits: 0,
  hitsByTier: { memory: 0, store: 0 },
  misses: 0,
  missesByReason: {},
  stale: 0,
  bypassed: 0,
  hitRate: 0,
  loads: { count: 0, errors: 0, meanMs: 0, p50Ms: 0, p95Ms: 0, p99Ms: 0, maxMs: 0 },
  savedMs: 0,
  puts: 0,
  bytes: { mean: 0, max: 0, sum: 0, count: 0 },
  invalidations: 0,
  invalidated: 0,
  mismatches: 0,
};

/** Five entries of a hundred. */
export const memoryState: StoreState = {
  tier: 'memory',
  name: 'memory',
  entries: 5,
  maxEntries: 100,
  maxSize: undefined,
  size: undefined,
  evictions: 0,
  breaker: 'none',
  pending: 0,
};

export function storeState(name: string): StoreState {
  const unknown = { entries: undefined, maxEntries: undefined, maxSize: undefined, size: undefined };
  return { tier: 'store', name, ...unknown, evictions: undefined, breaker: 'closed', pending: 0 };
}

export function statsOf(given: Partial<MethodStats>): MethodStats {
  return { ...nothing, ...given };
}

/** Its only method, unless stated, is `Products.find`. */
export function snapshotOf(
  pid: number,
  stats: Partial<MethodStats>,
  more: Partial<Snapshot> & { readonly methods?: Readonly<Record<string, MethodStats>> } = {},
): Answered<'snapshot'> {
  const process = { id: `id-${pid}`, pid, host: 'alpha', startedAt: 0 };
  const { methods = { 'Products.find': statsOf(stats) }, ...rest } = more;
  const answer: Snapshot = {
    process,
    namespace: 'shop',
    enabled: true,
    at: 10_000,
    stats: { ...statsOf(stats), errors: 0, methods },
    stores: [memoryState, storeState('redis://a')],
    bus: { state: 'trusted', peers: 1 },
    ...rest,
  };
  return { process, answer };
}
