/** What the two runs came to, as text. */

import type { Audit, CacheStats } from 'cachette';
import Table from 'cli-table3';
import type { Latency } from './latency.js';
import type { OutageReport } from './outage.js';
import type { Method, Report } from './workload.js';

/** The run without the cache, the one with it, and what the cache has counted. */
export interface Results {
  readonly without: Report;
  readonly cached: Report;
  readonly stats: CacheStats;
  /** What the cache of each process would change about itself. */
  readonly audits: readonly Audit[];
  /** How long a change lasted that was made behind the catalogue's back, until a read showed it; of one process alone. */
  readonly changes?: Latency;
  /** Undefined where it was this one alone. */
  readonly processes?: number;
}

const methods: readonly Method[] = ['find', 'largest', 'search'];

/** What the cache did for each method, and how long a call took without it and with it. */
export function methodTable(results: Results): string {
  const head = ['', 'calls', 'hits', 'misses', 'hit rate', 'p50', 'p99'];
  return tableOf(
    head,
    methods.map((method) => row(method, results)),
  );
}

function tableOf(head: string[], rows: string[][]): string {
  const colAligns = head.map((_, column) => (column === 0 ? 'left' : 'right'));
  const table = new Table({ head, colAligns, style: { head: [], border: [], compact: true } });
  table.push(...rows);
  return table.toString();
}

function row(method: Method, { without, cached, stats }: Results): string[] {
  const { hits = 0, misses = 0, hitRate = 0 } = stats.methods[`Cities.${method}`] ?? {};
  const time = (percent: number) =>
    [without, cached].map(({ latency }) => duration(latency[method].percentile(percent))).join(' → ');
  const rate = `${(hitRate * 100).toFixed(1)} %`;
  return [method, count(hits + misses), count(hits), count(misses), rate, time(50), time(99)];
}

export function summary({ without, cached, changes, processes }: Results): string {
  const rate = ({ reads, seconds }: Report) => count(Math.round(reads / seconds));
  const both = (field: 'reads' | 'writes' | 'compared' | 'stale') => without[field] + cached[field];
  const together = processes ? [`All of it is the sum over ${processes} processes.`] : [];
  return [
    'p50 and p99: the time of a call without the cache → with it. find is called by largest and search as well.',
    `Reads per second: ${rate(without)} → ${rate(cached)}. Writes: ${count(both('writes'))}.`,
    `Stale reads: ${count(both('stale'))}. ${count(both('reads'))} were checked by version, ${count(both('compared'))} more compared with the database.`,
    ...(changes ? [feedLine(changes)] : []),
    ...together,
  ].join('\n');
}

function feedLine(changes: Latency): string {
  const number = changes.calls.reduce((sum, [, times]) => sum + times, 0);
  const [p50, slowest] = [50, 100].map((percent) => duration(changes.percentile(percent)));
  return `${number} rows were changed past the catalogue, and the database told of it: from the commit to the first read that shows it p50 ${p50}, slowest ${slowest}.`;
}

/** What the caches would change, each finding once. */
export function findingLines(audits: readonly Audit[]): string {
  const findings = new Map(
    audits.flatMap(({ findings }) =>
      findings.map((finding) => [`${finding.code} ${finding.method}`, finding] as const),
    ),
  );
  if (findings.size === 0) return 'The audit has found nothing to change.';
  const lines = [...findings.values()].map(
    ({ method, what, change }) => `- ${method ?? 'memory'}: ${what}: ${change}.`,
  );
  return ['The audit says:', ...lines].join('\n');
}

/** The runs in which the database was gone for a while. */
export interface OutageResults {
  readonly bare: OutageReport;
  readonly covered: OutageReport;
  /** `staleIfError` of the second one. */
  readonly staleIfError: string;
}

export function outageTable({ bare, covered }: OutageResults): string {
  const head = ['', 'calls', 'hits', 'stale', 'misses', 'failed', 'p50', 'p99'];
  return tableOf(
    head,
    methods.map((method) => {
      const { hits = 0, stale = 0, misses = 0 } = covered.stats.methods[`Cities.${method}`] ?? {};
      const counts = [hits + stale + misses, hits, stale, misses].map(count);
      const failed = [bare, covered].map(({ report }) => count(report.failed[method])).join(' → ');
      const time = (percent: number) =>
        [bare, covered].map(({ report }) => duration(report.latency[method].percentile(percent))).join(' → ');
      return [method, ...counts, failed, time(50), time(99)];
    }),
  );
}

export function outageSummary({ bare, covered, staleIfError }: OutageResults): string {
  const down = [bare, covered].map(({ secondsDown }) => `${secondsDown.toFixed(1)} s`).join(' and ');
  const both = (field: 'reads' | 'writes' | 'compared' | 'stale') => bare.report[field] + covered.report[field];
  return [
    `The database was gone for ${down}. Writers waited meanwhile, readers did not.`,
    `Failed calls: ${count(failures(bare))} without staleIfError → ${count(failures(covered))} with staleIfError: '${staleIfError}'.`,
    'failed, p50 and p99 are those of the first run → those of the second one; all else is counted in the second one.',
    `Stale reads, which show less than had been written: ${count(both('stale'))}. Writes: ${count(both('writes'))}. ${count(both('reads'))} reads were checked by version, ${count(both('compared'))} more compared with the database.`,
  ].join('\n');
}

export function failures({ report }: OutageReport): number {
  return methods.reduce((sum, method) => sum + report.failed[method], 0);
}

export function count(value: number): string {
  return value.toLocaleString('en');
}

function duration(nanoseconds: number): string {
  const [value, unit] = nanoseconds < 1e6 ? [nanoseconds / 1e3, 'µs'] : [nanoseconds / 1e6, 'ms'];
  return `${value.toFixed(value < 10 ? 1 : 0)} ${unit}`;
}
