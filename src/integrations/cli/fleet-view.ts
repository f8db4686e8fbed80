/** What the snapshots of a fleet come to: a line for each process and for each method, and rates between two snapshots. */

import type { Answered, MethodStats, Snapshot, StoreState } from '../../base/insight.js';

export interface ProcessRow {
  readonly host: string;
  readonly pid: number;
  readonly startedAt: number;
  readonly enabled: boolean;
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
  /** The most called first. */
  readonly methods: readonly MethodRow[];
  readonly total: MethodRow;
}

type Snapshots = readonly Answered<'snapshot'>[];

/** `before`: of the refresh before, or none. A process that was not there then counts from its start. */
export function fleetView(before: Snapshots | undefined, now: Snapshots): FleetView {
  const earlier = new Map(before?.map(({ process, answer }) => [process.id, answer]));
  const pairs = now.map(({ answer }): Pair => [before && (earlier.get(answer.process.id) ?? newborn(answer)), answer]);
  const names = new Set(now.flatMap(({ answer }) => Object.keys(answer.stats.methods)));
  const methods = [...names].map((name) => methodRow(name, pairs, ({ stats }) => stats.methods[name]));
  return {
    processes: pairs.map(processRow),
    methods: methods.sort(byCalls),
    total: methodRow('all', pairs, ({ stats }) => stats),
  };
}

type Pair = readonly [before: { readonly at: number; readonly stats: Counted } | undefined, now: Snapshot];
type Counted = Pick<MethodStats, 'calls'> & { readonly methods: Readonly<Record<string, Pick<MethodStats, 'calls'>>> };

function newborn({ process }: Snapshot): NonNullable<Pair[0]> {
  return { at: process.startedAt, stats: { calls: 0, methods: {} } };
}

function byCalls(a: MethodRow, b: MethodRow): number {
  return (b.callsPerSecond ?? 0) - (a.callsPerSecond ?? 0) || b.calls - a.calls || a.method.localeCompare(b.method);
}

function processRow(pair: Pair): ProcessRow {
  const [, { process, enabled, bus, stores, stats }] = pair;
  const memory = stores.find(({ tier }) => tier === 'memory');
  const { host, pid, startedAt } = process;
  return {
    host,
    pid,
    startedAt,
    enabled,
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
  statsOf: (snapshot: Snapshot) => MethodStats | undefined,
): MethodRow {
  const all = pairs.map(([, now]) => statsOf(now)).filter((stats) => stats !== undefined);
  const total = (count: (stats: MethodStats) => number): number => sum(all.map(count));
  const [hits, stale, misses] = [total((each) => each.hits), total((each) => each.stale), total((each) => each.misses)];
  const callsOf =
    method === 'all' ? (stats: Counted) => stats.calls : (stats: Counted) => stats.methods[method]?.calls ?? 0;
  return {
    method,
    callsPerSecond: rate(pairs, callsOf),
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
