/** What snapshots come to, as numbers and as lines. */

import { fleetLines } from '../../../src/integrations/cli/fleet-lines.js';
import { fleetView } from '../../../src/integrations/cli/fleet-view.js';
import { snapshotOf, statsOf } from './hand-made.js';

const load = (p95Ms: number) => ({ count: 1, errors: 0, meanMs: 0, p50Ms: 0, p95Ms, p99Ms: 0, maxMs: 0 });

describe('a view', () => {
  it('sums up what the processes counted', () => {
    const { total, methods, processes } = fleetView(undefined, [
      snapshotOf(1, {
        calls: 10,
        hits: 6,
        stale: 1,
        misses: 3,
        hitsByTier: { memory: 4, store: 2 },
        savedMs: 5,
        loads: load(20),
        missesByReason: { absent: 2, expired: 1 },
      }),
      snapshotOf(2, {
        calls: 10,
        hits: 9,
        misses: 1,
        hitsByTier: { memory: 9, store: 0 },
        savedMs: 7,
        loads: load(80),
        missesByReason: { expired: 4 },
      }),
    ]);
    expect(total).toEqual({ ...methods[0], method: 'all' });
    expect(methods).toEqual([
      expect.objectContaining({
        method: 'Products.find',
        calls: 20,
        hits: 15,
        hitRate: 0.75,
        hitsByTier: { memory: 13, store: 2 },
        missesByReason: { expired: 5, absent: 2 },
        loads: { count: 2, errors: 0, p95Ms: 80 },
        savedMs: 12,
        callsPerSecond: undefined,
      }),
    ]);
    expect(Object.keys(methods[0]!.missesByReason)).toEqual(['expired', 'absent']);
    expect(processes.map(({ pid, entries, breaker }) => [pid, entries, breaker])).toEqual([
      [1, 5, 'closed'],
      [2, 5, 'closed'],
    ]);
  });

  it('tells rates by the clock of each process, of one that has come since from its start', () => {
    const before = [snapshotOf(1, { calls: 100 }, { at: 10_000 }), snapshotOf(3, { calls: 999 }, { at: 10_000 })];
    const { total, processes } = fleetView(before, [
      snapshotOf(1, { calls: 300 }, { at: 12_000 }),
      snapshotOf(2, { calls: 40 }, { at: 4_000 }),
    ]);
    expect(processes.map(({ callsPerSecond }) => callsPerSecond)).toEqual([100, 10]);
    expect(total.callsPerSecond).toBe(110);
  });

  it('has the most called method first', () => {
    const at = (calls: [number, number, number]) =>
      snapshotOf(
        1,
        {},
        {
          at: 10_000 + calls[0],
          methods: Object.fromEntries(['a', 'b', 'c'].map((name, i) => [name, statsOf({ calls: calls[i]! })])),
        },
      );
    const names = (...args: Parameters<typeof fleetView>) => fleetView(...args).methods.map(({ method }) => method);
    expect(names(undefined, [at([1, 3, 2])])).toEqual(['b', 'c', 'a']);
    expect(names([at([1, 3, 2])], [at([9, 3, 4])])).toEqual(['a', 'c', 'b']);
  });

  it('names the worst breaker', () => {
    const store = snapshotOf(1, {}).answer.stores[1]!;
    const of = (...breakers: ('none' | 'closed' | 'open' | 'probing')[]) =>
      fleetView(undefined, [snapshotOf(1, {}, { stores: breakers.map((breaker) => ({ ...store, breaker })) })])
        .processes[0]!.breaker;
    expect([of('none'), of('closed', 'probing'), of('open', 'closed'), of()]).toEqual([
      'none',
      'probing',
      'open',
      'none',
    ]);
  });
});

describe('its lines', () => {
  const terminal = { hasColours: false, screen: undefined };
  const title = 'redis://a, namespace shop';

  it('are one for each process and method, and a sum', () => {
    jest.spyOn(Date, 'now').mockReturnValue(3_725_000);
    const now = [
      snapshotOf(1, {
        calls: 12_345,
        hits: 9,
        misses: 1,
        hitRate: 0.9,
        hitsByTier: { memory: 8, store: 1 },
        savedMs: 61_000,
        missesByReason: { absent: 1 },
        loads: load(12.4),
      }),
    ];
    expect(fleetLines(fleetView(undefined, now), { title, terminal })).toEqual([
      'redis://a, namespace shop, 1 process',
      '',
      'process       up  bus              breaker  pending   entries  calls/s  hit rate',
      'alpha:1  1 h 2 m  trusted, 1 peer  closed         0  5 of 100        -    90.0 %',
      '',
      'method         calls/s  calls  hit rate  memory  store  stale  misses  mostly  p95 load    saved',
      'Products.find        -  12.3k    90.0 %       8      1      0       1  absent     12 ms  1 m 1 s',
      'all                  -  12.3k    90.0 %       8      1      0       1  absent     12 ms  1 m 1 s',
    ]);
    jest.restoreAllMocks();
  });

  it('are no more than the screen has, and say so', () => {
    const methods = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`m${i}`, statsOf({ calls: i })]));
    const view = fleetView(undefined, [snapshotOf(1, {}, { methods })]);
    const lines = fleetLines(view, { title, terminal: { hasColours: false, screen: { columns: 80, rows: 20 } } });
    expect(lines).toHaveLength(19);
    expect(lines.at(-1)).toBe('and 39 methods more');
  });

  it('obey nothing that a method is called', () => {
    const view = fleetView(undefined, [snapshotOf(1, {}, { methods: { 'a\u001b[2J': statsOf({}) } })]);
    expect(fleetLines(view, { title, terminal }).join('\n')).toContain('a\\u001b[2J');
  });
});
