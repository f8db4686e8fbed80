/** What the two runs came to, as text. */

import type { CacheStats } from 'cachette';
import Table from 'cli-table3';
import type { Method, Report } from './workload.js';

/** The run without the cache, the one with it, and what the cache has counted. */
export interface Results {
  readonly without: Report;
  readonly cached: Report;
  readonly stats: CacheStats;
  /** Undefined where it was this one alone. */
  readonly processes?: number;
}

const methods: readonly Method[] = ['find', 'largest', 'search'];

/** What the cache did for each method, and how long a call took without it and with it. */
export function methodTable(results: Results): string {
  const table = new Table({
    head: ['', 'calls', 'hits', 'misses', 'hit rate', 'p50', 'p99'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  });
  table.push(...methods.map((method) => row(method, results)));
  return table.toString();
}

function row(method: Method, { without, cached, stats }: Results): string[] {
  const { hits = 0, misses = 0, hitRate = 0 } = stats.methods[`Cities.${method}`] ?? {};
  const time = (percent: number) =>
    [without, cached].map(({ latency }) => duration(latency[method].percentile(percent))).join(' → ');
  const rate = `${(hitRate * 100).toFixed(1)} %`;
  return [method, count(hits + misses), count(hits), count(misses), rate, time(50), time(99)];
}

export function summary({ without, cached, processes }: Results): string {
  const rate = ({ reads, seconds }: Report) => count(Math.round(reads / seconds));
  const both = (field: 'reads' | 'writes' | 'compared' | 'stale') => without[field] + cached[field];
  const together = processes ? [`All of it is the sum over ${processes} processes.`] : [];
  return [
    'p50 and p99: the time of a call without the cache → with it. find is called by largest and search as well.',
    `Reads per second: ${rate(without)} → ${rate(cached)}. Writes: ${count(both('writes'))}.`,
    `Stale reads: ${count(both('stale'))}. ${count(both('reads'))} were checked by version, ${count(both('compared'))} more compared with the database.`,
    ...together,
  ].join('\n');
}

export function count(value: number): string {
  return value.toLocaleString('en');
}

function duration(nanoseconds: number): string {
  const [value, unit] = nanoseconds < 1e6 ? [nanoseconds / 1e3, 'µs'] : [nanoseconds / 1e6, 'ms'];
  return `${value.toFixed(value < 10 ? 1 : 0)} ${unit}`;
}
