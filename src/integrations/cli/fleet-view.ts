/** What the snapshots of a fleet come to: a line for each process and for each method, and rates between two snapshots. */

import type { MethodStats, Snapshot, StoreState } from '../../base/insight.js';
import type { Seen } from './presence.js';

export interface ProcessRow {
  readonly host: string;
  readonly pid: number;
  readonly startedAt: number;
  readonly enabled: boolean;
  /** It has not answered the last time: the rest is what it said before. */
  readonly answered: boolean;
  /** Since when it does not answer. */
  readonly silentMs: number | undefined;
  readonly bus: Snapshot['bus'];
  /** The worst of its stores. */
  readonly breaker: StoreState['breaker'];
  /** Invalidations that its stores have not acknowledged. */
  readonly pending: number;
  /** In memory; undefined where there is none. */
  readonly entries: number | undefined;
  readonly maxEntries: number | undefined;
  readonly callsPerSecond: number | undefined;
  readonly hitRate: number;
}

/** Counts since each process has made its cache, summed up. */
export interface MethodRow {
  readonly method: string;
  /** Between the last two refreshes; undefined before the second. */
  readonly callsPerSecond: number | undefined;
  readonly calls: number;
  readonly hits: number;
  readonly hitsByTier: MethodStats['hitsByTier'];
  readonly hitRate: number;
  readonly stale: number;
  readonly misses: number;
  readonly missesByReason: MethodStats['missesByReason'];
  readonly bypassed: number;
  /** `p95Ms`: of the process with the greatest. */
  readonly loads: { readonly count: number; readonly errors: number; readonly p95Ms: number };
  readonly savedMs: number;
  readonly invalidated: number;
  readonly mismatches: number;
}

export interface FleetView {
  readonly processes: readonly ProcessRow[];
  /** The most called first, unless they were sorted in another way. */
  readonly methods: readonly MethodRow[];
  readonly total: MethodRow;
  /** Why nobody can answer; undefined where the store does. */
  readonly problem?: string;
}

/** By what methods can be sorted, what is worth a look first. */
export const orders: Readonly<Record<string, (a: MethodRow, b: MethodRow) => number>> = {
  calls: byCalls,
  'hit-rate': (a, b) => shownRate(a) - shownRate(b),
  misses: (a, b) => b.misses - a.misses,
  p95: (a, b) => b.loads.p95Ms - a.loads.p95Ms,
  saved: (a, b) => b.savedMs - a.savedMs,
};

/** A method that was not called has none, and comes last. */
function shownRate({ hits, stale, misses, hitRate }: MethodRow): number {
  return hits + stale + misses === 0 ? Infinity : hitRate;
}

/** `order`: a name of {@link orders}. */
export function sorted(view: FleetView, order: string): FleetView {
  const compare = orders[order] ?? byCalls;
  return { ...view, methods: [...view.methods].sort((a, b) => compare(a, b) || byCalls(a, b)) };
}

/** `before`: of the refresh before, or none. A process that was not there then counts from its start. */
export function fleetView(before: readonly Seen[] | undefined, now: readonly Seen[]): FleetView {
  const earlier = new Map(before?.map(({ process, answer }) => [process.id, answer]));
  const pairs = now.map(({ answer, silentMs = 0 }): Pair => [
    before && (earlier.get(answer.process.id) ?? newborn(answer)),
    answer,
    silentMs,
  ]);
  const names = new Set(now.flatMap(({ answer }) => Object.keys(answer.stats.methods)));
  const methods = [...names].map((name) => methodRow(name, pairs, (stats) => stats.methods[name]));
  return {
    processes: pairs.map(processRow),
    methods: methods.sort(byCalls),
    total: methodRow('all', pairs, (stats) => stats),
  };
}

type Pair = readonly [
  before: { readonly at: number; readonly stats: Counted } | undefined,
  now: Snapshot,
  silentMs: number,
];
type Calls = Pick<MethodStats, 'calls'>;
type Counted = Calls & { readonly methods: Readonly<Record<string, Calls>> };

function newborn({ process }: Snapshot): NonNullable<Pair[0]> {
  return { at: process.startedAt, stats: { calls: 0, methods: {} } };
}

function byCalls(a: MethodRow, b: MethodRow): number {
  return (b.callsPerSecond ?? 0) - (a.callsPerSecond ?? 0) || b.calls - a.calls || a.method.localeCompare(b.method);
}

function processRow(pair: Pair): ProcessRow {
  const [, { process, enabled, bus, stores, stats }, silentMs] = pair;
  const memory = stores.find(({ tier }) => tier === 'memory');
  const { host, pid, startedAt } = process;
  return {
    host,
    pid,
    startedAt,
    enabled,
    answered: silentMs === 0,
    silentMs: silentMs === 0 ? undefined : silentMs,
    bus,
    breaker: worst(stores.map(({ breaker }) => breaker)),
    pending: sum(stores.map(({ pending }) => pending)),
    entries: memory?.entries,
    maxEntries: memory?.maxEntries,
    callsPerSecond: rate([pair], (each) => each.calls),
    hitRate: stats.hitRate,
  };
}

function worst(breakers: readonly StoreState['breaker'][]): StoreState['breaker'] {
  const order = ['open', 'probing', 'closed'] as const;
  return order.find((state) => breakers.includes(state)) ?? 'none';
}

function methodRow(
  method: string,
  pairs: readonly Pair[],
  statsOf: <Stats extends Calls>(
    stats: Stats & { readonly methods: Readonly<Record<string, Stats>> },
  ) => Stats | undefined,
): MethodRow {
  const all = pairs.map(([, { stats }]) => statsOf<MethodStats>(stats)).filter((stats) => stats !== undefined);
  const total = (count: (stats: MethodStats) => number): number => sum(all.map(count));
  const [hits, stale, misses] = [total((each) => each.hits), total((each) => each.stale), total((each) => each.misses)];
  return {
    method,
    callsPerSecond: rate(pairs, (stats) => statsOf<Calls>(stats)?.calls ?? 0),
    calls: total((each) => each.calls),
    hits,
    hitsByTier: { memory: total((each) => each.hitsByTier.memory), store: total((each) => each.hitsByTier.store) },
    hitRate: hits + stale + misses === 0 ? 0 : hits / (hits + stale + misses),
    stale,
    misses,
    missesByReason: summed(all.map((each) => each.missesByReason)),
    bypassed: total((each) => each.bypassed),
    loads: {
      count: total(({ loads }) => loads.count),
      errors: total(({ loads }) => loads.errors),
      p95Ms: Math.max(0, ...all.map(({ loads }) => loads.p95Ms)),
    },
    savedMs: total((each) => each.savedMs),
    invalidated: total((each) => each.invalidated),
    mismatches: total((each) => each.mismatches),
  };
}

/** By the clock of each process: a call that is counted late is in the next refresh. Undefined before the second one. */
function rate(pairs: readonly Pair[], callsOf: (stats: Counted) => number): number | undefined {
  if (pairs.some(([before]) => before === undefined)) return undefined;
  return sum(
    pairs.map(([before, { at, stats }]) => {
      if (before === undefined || at <= before.at) return 0;
      return Math.max(0, callsOf(stats) - callsOf(before.stats)) / ((at - before.at) / 1_000);
    }),
  );
}

function summed(tables: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sums = new Map<string, number>();
  for (const [reason, count] of tables.flatMap((each) => Object.entries(each)))
    sums.set(reason, (sums.get(reason) ?? 0) + count);
  return Object.fromEntries([...sums].sort(([, a], [, b]) => b - a));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
