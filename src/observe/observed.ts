/** What every kind of meter shows of a cache: its counts as flat samples that name methods and reasons, never keys or tags. */

import { CacheConfigError } from '../base/errors.js';
import {
  type CacheStats,
  type Insight,
  insight,
  type MethodStats,
  type Snapshot,
  type StoreState,
} from '../base/insight.js';
import type { CacheManager } from '../cache/manager.js';

/** What `createCache` gives. */
export type ObservedCache = Pick<CacheManager, 'stats' | 'on'>;

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

/** What tells a value from the others of its kind; empty where it does not apply. */
export type LabelName = 'method' | 'result' | 'tier' | 'reason';
export type Labels = Readonly<Partial<Record<LabelName, string>>>;

/** A value with what its labels say. */
export type Sample<L extends object = Labels> = readonly [value: number, labels: L];

/** One number, or one for each method or tier, that every kind of meter shows under a name of its own. */
export interface Measure {
  /** `counter`: only grows. Of caches that nothing tells apart, an `amount` is the sum, and of a `level` the greatest counts. */
  readonly kind: 'counter' | 'amount' | 'level';
  readonly help: string;
  readonly labels: readonly LabelName[];
  readonly samples: (reading: Reading) => readonly Sample[];
}

const byMethod = (of: (stats: MethodStats) => number | undefined): Pick<Measure, 'labels' | 'samples'> => ({
  labels: ['method'],
  samples: ({ stats }) => Object.entries(stats.methods).flatMap(([method, counts]) => sampled(of(counts), { method })),
});

const byTier = (of: (store: StoreState) => number | undefined): Pick<Measure, 'labels' | 'samples'> => ({
  labels: ['tier'],
  samples: ({ state }) => state.stores.flatMap((store) => sampled(of(store), { tier: store.tier })),
});

const ofCache = (of: (reading: Reading) => number | undefined): Pick<Measure, 'labels' | 'samples'> => ({
  labels: [],
  samples: (reading) => sampled(of(reading), {}),
});

function sampled(value: number | undefined, labels: Labels): Sample[] {
  return value === undefined || !Number.isFinite(value) ? [] : [[value, labels]];
}

/** Nothing is said of the size of values where none was measured. */
const whereMeasured = (of: (bytes: MethodStats['bytes']) => number) => {
  return ({ bytes }: MethodStats): number | undefined => (bytes.count === 0 ? undefined : of(bytes));
};

/** All that is shown, but for the histogram of loads. */
export const measures = {
  gets: {
    kind: 'counter',
    help: 'Calls, by what they came to.',
    labels: ['method', 'result', 'tier', 'reason'],
    samples: ({ stats }) => Object.entries(stats.methods).flatMap(([method, counts]) => gets(method, counts)),
  },
  puts: { kind: 'counter', help: 'Entries that a store has taken.', ...byMethod(({ puts }) => puts) },
  evictions: {
    kind: 'counter',
    help: 'Entries that memory gave up for room.',
    ...byTier(({ evictions }) => evictions),
  },
  loadSaved: {
    kind: 'counter',
    help: 'How long the methods would have run for what callers did not wait for: hits, and stale values served at once.',
    ...byMethod(({ savedMs }) => savedMs / 1_000),
  },
  invalidatedEntries: {
    kind: 'counter',
    help: 'Entries that were asked for and had been invalidated, or expired by a tag; each once.',
    ...byMethod(({ invalidated }) => invalidated),
  },
  mismatches: {
    kind: 'counter',
    help: 'Hits that verify found to be wrong.',
    ...byMethod(({ mismatches }) => mismatches),
  },
  invalidations: {
    kind: 'counter',
    help: 'Invalidations by this process.',
    ...ofCache(({ stats }) => stats.invalidations),
  },
  errors: {
    kind: 'counter',
    help: 'Store operations, callbacks and background loads that failed.',
    ...ofCache(({ stats }) => stats.errors),
  },
  valueBytes: {
    kind: 'counter',
    help: 'The size of the values that were measured, all together.',
    ...byMethod(whereMeasured(({ sum }) => sum)),
  },
  valuesMeasured: {
    kind: 'counter',
    help: 'Values that were measured.',
    ...byMethod(whereMeasured(({ count }) => count)),
  },
  valueMaxBytes: {
    kind: 'level',
    help: 'The size of the greatest value that was measured.',
    ...byMethod(whereMeasured(({ max }) => max)),
  },
  entries: { kind: 'amount', help: 'Entries in memory.', ...byTier(({ entries }) => entries) },
  entryLimit: { kind: 'amount', help: 'Entries that memory may hold.', ...byTier(({ maxEntries }) => maxEntries) },
  size: {
    kind: 'amount',
    help: 'Approximate size of keys and values in memory, where that is its bound.',
    ...byTier(({ size }) => size),
  },
  sizeLimit: { kind: 'amount', help: 'What that size may be.', ...byTier(({ maxSize }) => maxSize) },
  breakerOpen: {
    kind: 'level',
    help: '1 while the store is not asked, as it has been silent.',
    ...byTier(({ breaker }) => (breaker === 'none' ? undefined : Number(breaker !== 'closed'))),
  },
  pending: {
    kind: 'amount',
    help: 'Invalidations that the store has not acknowledged yet.',
    ...byTier(({ pending }) => pending),
  },
  busPeers: {
    kind: 'level',
    help: 'Other processes that are heard on the bus.',
    ...ofCache(({ state: { bus } }) => (bus.state === 'none' ? undefined : bus.peers)),
  },
} as const satisfies Readonly<Record<string, Measure>>;

/** How long loads take, in seconds: upper bounds of a histogram. */
export const loadBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;
export const loadHelp = 'How long the methods ran for the cache.';

function gets(method: string, stats: MethodStats): Sample[] {
  const none = { method, tier: '', reason: '' } as const;
  const told = Object.entries(stats.missesByReason);
  const untold = stats.misses - told.reduce((sum, [, count]) => sum + count, 0);
  const misses = untold > 0 ? [...told, ['other', untold] as const] : told;
  return [
    [stats.hitsByTier.memory, { ...none, result: 'hit', tier: 'memory' }],
    [stats.hitsByTier.store, { ...none, result: 'hit', tier: 'store' }],
    [stats.stale, { ...none, result: 'stale' }],
    [stats.bypassed, { ...none, result: 'bypass' }],
    ...misses.map(([reason, count]): Sample => [count, { ...none, result: 'miss', reason }]),
  ];
}

/** A cache that is shown, with the labels that tell it from others; several may have the same. */
export interface Shown<L extends object> {
  readonly reading: Reading;
  readonly labels: L;
}

/** What is to be shown of several caches: one value for each set of labels. */
export function combined<L extends object>(
  { kind, samples }: Measure,
  caches: readonly Shown<L>[],
): Sample<L & Labels>[] {
  const found = new Map<string, Sample<L & Labels>>();
  for (const { reading, labels: own } of caches) {
    for (const [value, more] of samples(reading)) {
      const labels = { ...own, ...more };
      const id = JSON.stringify(labels);
      const [before] = found.get(id) ?? [0];
      found.set(id, [kind === 'level' ? Math.max(before, value) : before + value, labels]);
    }
  }
  return [...found.values()];
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
