/** How a fleet is shown as lines: the processes, then a table of the methods. */

import type { Terminal } from './command.js';
import { type Cell, fitted } from './fit.js';
import type { FleetView, MethodRow, ProcessRow } from './fleet-view.js';
import { type Column, table } from './table.js';
import { type Colour, counted, type Paint, paintFor, printable, shownMs } from './text.js';

export interface Showing {
  readonly title: string;
  readonly terminal: Pick<Terminal, 'hasColours' | 'screen'>;
  /** How many methods have been scrolled past, and how many fit; both are put right here. */
  readonly scroll?: Scroll;
}

export interface Scroll {
  offset: number;
  page: number;
}

export function fleetLines({ processes, methods, total, problem }: FleetView, showing: Showing): string[] {
  const { title, terminal, scroll = { offset: 0, page: 0 } } = showing;
  const paint = paintFor(terminal);
  const { rows = Infinity, columns: width = Infinity } = terminal.screen ?? {};
  const head = [
    `${paint('bold', title)}, ${counted(processes.length, 'process', 'processes')}`,
    ...(problem === undefined ? [] : [paint('red', problem)]),
    '',
    ...processLines(processes, { rows, width, paint }),
    '',
  ];
  // The lines of the table's head and of the sum, one that tells of more, and the last one, which stays empty.
  scroll.page = Math.max(1, rows - head.length - 4);
  scroll.offset = Math.max(0, Math.min(scroll.offset, methods.length - scroll.page));
  const shown = methods.slice(scroll.offset, scroll.offset + scroll.page);
  const more = methods.length - shown.length;
  const above = scroll.offset === 0 ? '' : `, ${scroll.offset} of them above`;
  return [
    ...head,
    ...drawn(
      {
        columns: methodColumns,
        rows: [...shown.map((row) => methodCells(row)), methodCells(total, 'bold')],
        width,
        drops: ['stale', 'mostly', 'store', 'memory', 'calls', 'misses', 'p95 load', 'saved'],
      },
      paint,
    ),
    ...(more > 0 ? [paint('dim', `and ${counted(more, 'method')} more${above}`)] : []),
  ];
}

interface Room {
  readonly rows: number;
  readonly width: number;
  readonly paint: Paint;
}

/** At most a third of the screen: what is in a bad way is seen in any case. */
function processLines(processes: readonly ProcessRow[], { rows, width, paint }: Room): string[] {
  const room = Math.max(2, Math.floor(rows / 3));
  const isTooMuch = processes.length > room;
  const shown = isTooMuch ? [...processes].sort((a, b) => trouble(b) - trouble(a)).slice(0, room - 1) : processes;
  const more = processes.length - shown.length;
  return [
    ...drawn(
      {
        columns: processColumns,
        rows: shown.map(processCells),
        width,
        drops: ['up', 'entries', 'hit rate', 'pending', 'breaker', 'calls/s'],
      },
      paint,
    ),
    ...(more > 0 ? [paint('dim', `and ${counted(more, 'process', 'processes')} more`)] : []),
  ];
}

function trouble({ answered, breaker, bus, pending }: ProcessRow): number {
  const isWeighing = [!answered, breaker === 'open', breaker === 'probing', pending > 0, bus.state === 'untrusted'];
  return isWeighing.reverse().reduce((sum, isSo, at) => sum + (isSo ? 2 ** at : 0), 0);
}

function drawn(fitting: Parameters<typeof fitted>[0], paint: Paint): string[] {
  const { columns, rows } = fitted(fitting);
  const painted = rows.map((row) => row.map(([text, colour]) => (colour === undefined ? text : paint(colour, text))));
  return table(columns, painted, (text) => paint('dim', text));
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

function processCells(row: ProcessRow): Cell[] {
  const { host, pid, startedAt, enabled, bus, breaker, pending, entries, maxEntries, silentMs } = row;
  const heard =
    silentMs === undefined ? undefined : `no answer for ${shownMs(Math.max(1_000, wholeSeconds(silentMs)))}`;
  const cells: Cell[] = [
    [`${printable(host)}:${pid}${enabled ? '' : ' (off)'}`, enabled ? undefined : 'yellow'],
    [shownMs(Math.max(0, wholeSeconds(Date.now() - startedAt)))],
    [heard ?? `${bus.state}, ${counted(bus.peers, 'peer')}`, bus.state === 'untrusted' ? 'yellow' : 'green'],
    [breaker, breaker === 'open' ? 'red' : breaker === 'probing' ? 'yellow' : 'green'],
    [`${pending}`, pending > 0 ? 'yellow' : undefined],
    [shownEntries(entries, maxEntries)],
    [shownRate(row.callsPerSecond)],
    [percent(row.hitRate)],
  ];
  return silentMs === undefined ? cells : cells.map(([text]) => [text, 'dim']);
}

function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1_000) * 1_000;
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

function methodCells(row: MethodRow, colour?: Colour): Cell[] {
  const { method, calls, hitsByTier, hitRate, stale, misses, missesByReason, loads, savedMs } = row;
  const [mostly = ''] = Object.keys(missesByReason);
  return [
    [printable(method), colour],
    [shownRate(row.callsPerSecond)],
    [shownCount(calls)],
    [percent(hitRate), hitRate >= 0.8 ? 'green' : hitRate >= 0.5 ? 'yellow' : 'red'],
    [shownCount(hitsByTier.memory)],
    [shownCount(hitsByTier.store)],
    [shownCount(stale)],
    [shownCount(misses)],
    [printable(mostly)],
    [shownMs(loads.p95Ms)],
    [shownMs(savedMs)],
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
