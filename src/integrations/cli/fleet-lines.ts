/** How a fleet is shown as lines: the processes, then a table of the methods. */

import type { Terminal } from './command.js';
import type { FleetView, MethodRow, ProcessRow } from './fleet-view.js';
import { type Column, table } from './table.js';
import { counted, type Paint, paintFor, printable, shownMs } from './text.js';

export interface Showing {
  readonly title: string;
  readonly terminal: Pick<Terminal, 'hasColours' | 'screen'>;
}

export function fleetLines({ processes, methods, total }: FleetView, { title, terminal }: Showing): string[] {
  const paint = paintFor(terminal);
  const head = [
    `${paint('bold', title)}, ${counted(processes.length, 'process', 'processes')}`,
    '',
    ...table(
      processColumns,
      processes.map((row) => processCells(row, paint)),
      (text) => paint('dim', text),
    ),
    '',
  ];
  // The lines of the table's head and of the sum, one that tells of more, and the last one, which stays empty.
  const room = Math.max(1, (terminal.screen?.rows ?? Infinity) - head.length - 4);
  const shown = methods.slice(0, room);
  const more = methods.length - shown.length;
  return [
    ...head,
    ...table(
      methodColumns,
      [...shown, total].map((row) => methodCells(row, paint)),
      (text) => paint('dim', text),
    ),
    ...(more > 0 ? [paint('dim', `and ${counted(more, 'method')} more`)] : []),
  ];
}

const processColumns: readonly Column[] = [
  { head: 'process', isText: true },
  { head: 'up' },
  { head: 'bus', isText: true },
  { head: 'breaker', isText: true },
  { head: 'pending' },
  { head: 'entries' },
  { head: 'calls/s' },
  { head: 'hit rate' },
];

function processCells(row: ProcessRow, paint: Paint): string[] {
  const { host, pid, startedAt, enabled, bus, breaker, pending, entries, maxEntries } = row;
  return [
    `${printable(host)}:${pid}${enabled ? '' : paint('yellow', ' (off)')}`,
    shownMs(Math.max(0, Math.floor((Date.now() - startedAt) / 1_000) * 1_000)),
    paint(bus.state === 'untrusted' ? 'yellow' : 'green', `${bus.state}, ${counted(bus.peers, 'peer')}`),
    paint(breaker === 'open' ? 'red' : breaker === 'probing' ? 'yellow' : 'green', breaker),
    pending > 0 ? paint('yellow', `${pending}`) : '0',
    shownEntries(entries, maxEntries),
    shownRate(row.callsPerSecond),
    percent(row.hitRate),
  ];
}

function shownEntries(entries: number | undefined, maxEntries: number | undefined): string {
  if (entries === undefined) return '-';
  return `${shownCount(entries)}${maxEntries === undefined ? '' : ` of ${shownCount(maxEntries)}`}`;
}

const methodColumns: readonly Column[] = [
  { head: 'method', isText: true },
  { head: 'calls/s' },
  { head: 'calls' },
  { head: 'hit rate' },
  { head: 'memory' },
  { head: 'store' },
  { head: 'stale' },
  { head: 'misses' },
  { head: 'mostly', isText: true },
  { head: 'p95 load' },
  { head: 'saved' },
];

function methodCells(row: MethodRow, paint: Paint): string[] {
  const { method, calls, hitsByTier, hitRate, stale, misses, missesByReason, loads, savedMs } = row;
  const [mostly = ''] = Object.keys(missesByReason);
  return [
    method === 'all' ? paint('bold', method) : printable(method),
    shownRate(row.callsPerSecond),
    shownCount(calls),
    paint(hitRate >= 0.8 ? 'green' : hitRate >= 0.5 ? 'yellow' : 'red', percent(hitRate)),
    shownCount(hitsByTier.memory),
    shownCount(hitsByTier.store),
    shownCount(stale),
    shownCount(misses),
    printable(mostly),
    shownMs(loads.p95Ms),
    shownMs(savedMs),
  ];
}

function shownRate(perSecond: number | undefined): string {
  if (perSecond === undefined) return '-';
  return perSecond < 10 ? perSecond.toFixed(1) : shownCount(Math.round(perSecond));
}

function shownCount(count: number): string {
  if (count < 10_000) return `${count}`;
  return count < 1_000_000 ? `${(count / 1_000).toFixed(1)}k` : `${(count / 1_000_000).toFixed(1)}M`;
}

function percent(part: number): string {
  return `${(part * 100).toFixed(1)} %`;
}
