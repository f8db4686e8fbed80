/** What snapshots come to, as numbers and as lines. */

import { fleetLines } from '../../../src/integrations/cli/fleet-lines.js';
import { fleetView, sorted } from '../../../src/integrations/cli/fleet-view.js';
import { Presence } from '../../../src/integrations/cli/presence.js';
import { snapshotOf, statsOf } from '../../support/snapshots.js';

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

describe('sorting', () => {
  const methods = {
    often: statsOf({ calls: 9, hits: 9, hitRate: 1 }),
    bad: statsOf({ calls: 3, hits: 1, misses: 2, savedMs: 1 }),
    slow: statsOf({ calls: 2, hits: 1, misses: 1, loads: load(900), savedMs: 7 }),
    never: statsOf({ calls: 0 }),
  };
  const view = fleetView(undefined, [snapshotOf(1, {}, { methods })]);

  it.each([
    ['calls', ['often', 'bad', 'slow', 'never']],
    ['hit-rate', ['bad', 'slow', 'often', 'never']],
    ['misses', ['bad', 'slow', 'often', 'never']],
    ['p95', ['slow', 'often', 'bad', 'never']],
    ['saved', ['slow', 'bad', 'often', 'never']],
  ])('by %s has first what is worth a look', (order, names) => {
    expect(sorted(view, order).methods.map(({ method }) => method)).toEqual(names);
  });
});

describe('a process that does not answer', () => {
  it('is kept for ten seconds, so that the sums do not fall', () => {
    const presence = new Presence();
    const [one, two] = [snapshotOf(1, { calls: 100 }), snapshotOf(2, { calls: 50 })];
    const seen = [
      presence.seen([one, two], 1_000),
      presence.seen([one], 5_000),
      presence.seen([one], 11_000),
      presence.seen([one], 11_001),
    ];
    expect(seen.map((each) => fleetView(undefined, each).total.calls)).toEqual([150, 150, 150, 100]);
    const { processes, total } = fleetView(seen[0], seen[1]!);
    expect(processes.map(({ pid, answered, silentMs }) => [pid, answered, silentMs])).toEqual([
      [1, true, undefined],
      [2, false, 4_000],
    ]);
    expect(total.callsPerSecond).toBe(0);
    expect(fleetView(undefined, presence.seen([two], 12_000)).processes.map(({ answered }) => answered)).toEqual([
      true,
      false,
    ]);
  });

  it('is dimmed', () => {
    const view = fleetView(undefined, [{ ...snapshotOf(1, {}), silentMs: 4_200 }]);
    const lines = fleetLines(view, { title: 'a', terminal: { hasColours: true, screen: undefined } });
    expect(lines[3]).toContain('\u001b[2malpha:1\u001b[0m');
    expect(lines[3]).toContain('\u001b[2mno answer for 4 s\u001b[0m');
  });
});

it('counts the calls of a method that is named all as its own', () => {
  const at = (ms: number, all: number, other: number) =>
    snapshotOf(
      1,
      { calls: all + other },
      { at: ms, methods: { all: statsOf({ calls: all }), other: statsOf({ calls: other }) } },
    );
  const { methods, total } = fleetView([at(10_000, 0, 0)], [at(11_000, 3, 40)]);
  expect(methods.map(({ method, callsPerSecond }) => [method, callsPerSecond])).toEqual([
    ['other', 40],
    ['all', 3],
  ]);
  expect(total.callsPerSecond).toBe(43);
  const coloured = { hasColours: true, screen: undefined };
  const lines = fleetLines(fleetView(undefined, [at(1, 3, 40)]), { title: 'a', terminal: coloured });
  expect(lines.filter((line) => line.includes('\u001b[1mall'))).toEqual([lines.at(-1)]);
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

  it('leave two thirds of the screen to methods and their sum, and show first which process is in a bad way', () => {
    const broken = { ...snapshotOf(1, {}).answer.stores[1]!, breaker: 'open' as const };
    const pending = { ...broken, breaker: 'closed' as const, pending: 3 };
    const now = Array.from({ length: 23 }, (_, i) => snapshotOf(i + 1, { calls: 1 }));
    now[19] = snapshotOf(20, {}, { stores: [broken] });
    now[20] = snapshotOf(21, {}, { stores: [pending] });
    now[21] = snapshotOf(22, {}, { bus: { state: 'untrusted', peers: 0 } });
    const lines = fleetLines(fleetView(undefined, now), {
      title,
      terminal: { hasColours: false, screen: { columns: 120, rows: 24 } },
    });
    expect(lines.length).toBeLessThan(24);
    expect(lines.slice(3, 10).map((line) => line.split(' ', 1)[0])).toEqual(
      [20, 21, 22, 1, 2, 3, 4].map((pid) => `alpha:${pid}`),
    );
    expect(lines[10]).toBe('and 16 processes more');
    expect(lines.at(-2)).toMatch(/^Products.find /);
    expect(lines.at(-1)).toMatch(/^all /);
  });

  it.each([30, 60, 80, 100])('fit into %i columns, and keep the ends of names', (columns) => {
    const name = 'InternationalWarehouseRepository.findAvailableByRegionAndProduct';
    const stats = statsOf({ calls: 12_345, missesByReason: { absent: 1 }, loads: load(123), savedMs: 4_000_000 });
    const view = fleetView(undefined, [snapshotOf(1, {}, { methods: { [name]: stats } })]);
    const lines = fleetLines(view, { title: 'a', terminal: { hasColours: false, screen: { columns, rows: 30 } } });
    expect(Math.max(...lines.slice(2).map((line) => line.length))).toBeLessThanOrEqual(columns);
    const line = lines.find((each) => each.startsWith('Inter'));
    expect(line).toMatch(/^Inter[A-Za-z]*…[A-Za-z]*uct /);
    expect(lines.find((each) => each.startsWith('method'))).toContain('calls/s');
  });

  it('can be scrolled, no further than to the last one', () => {
    const methods = Object.fromEntries(
      Array.from({ length: 50 }, (_, i) => [`m${String(i).padStart(2, '0')}`, statsOf({ calls: 50 - i })]),
    );
    const view = fleetView(undefined, [snapshotOf(1, {}, { methods })]);
    const scroll = { offset: 3, page: 0 };
    const screen = { columns: 120, rows: 20 };
    const shown = () => fleetLines(view, { title, terminal: { hasColours: false, screen }, scroll });
    expect(shown().filter((line) => /^m\d/.test(line))[0]).toMatch(/^m03 /);
    expect(shown().at(-1)).toBe('and 39 methods more, 3 of them above');
    scroll.offset = 99;
    expect(
      shown()
        .filter((line) => /^m\d/.test(line))
        .at(-1),
    ).toMatch(/^m49 /);
    expect(scroll).toEqual({ offset: 39, page: 11 });
  });

  it('say why nobody answers', () => {
    const view = { ...fleetView(undefined, [{ ...snapshotOf(1, {}), silentMs: 4_200 }]), problem: 'it is gone' };
    expect(fleetLines(view, { title, terminal })[1]).toBe('it is gone');
  });

  it('obey nothing that a method is called', () => {
    const view = fleetView(undefined, [snapshotOf(1, {}, { methods: { 'a\u001b[2J': statsOf({}) } })]);
    expect(fleetLines(view, { title, terminal }).join('\n')).toContain('a\\u001b[2J');
  });
});
