import { type Flight, Flights, type Landing } from '../../src/policies/flight.js';

const landing: Landing = { payload: undefined, generations: [], names: [], verified: true };
const tokens = (...pairs: [string, string | undefined][]) => new Map(pairs);

const holds = (): boolean => true;

let flights: Flights;

beforeEach(() => {
  flights = new Flights();
});

/** Whether a caller that began then, and knows and has read this, may share `flight`. */
function admits(
  flight: Flight,
  began: number,
  read: Map<string, string | undefined> | undefined,
  names = ['a'],
): boolean {
  return flight.admits({ began, names, tokens: read, isStrong: false });
}

function started(key: string, captured = tokens(['a', '1'])): Flight {
  const flight = flights.begin(key);
  flight.start(flights.startTime(), captured, holds);
  return flight;
}

describe('a flight that has started', () => {
  it.each<
    [
      who: string,
      read: Map<string, string | undefined> | undefined,
      captured: Map<string, string | undefined> | undefined,
      admitted: boolean,
    ]
  >([
    ['has read the same token', tokens(['a', '1']), tokens(['a', '1']), true],
    ['has read another one', tokens(['a', '2']), tokens(['a', '1']), false],
    ['has read that there is none', tokens(['a', undefined]), tokens(['a', '1']), false],
    ['has not read it', tokens(), tokens(['a', '1']), false],
    ['had no answer', undefined, tokens(['a', '1']), false],
    ['has read more than that', tokens(['b', '9'], ['a', '1']), tokens(['a', '1']), true],
    ['has read one of two', tokens(['a', '1']), tokens(['a', '1'], ['b', '1']), false],
    ['meets a flight without generations', tokens(['a', '1']), undefined, false],
    ['meets a flight with an unknown generation', tokens(['a', undefined]), tokens(['a', undefined]), false],
  ])('for a later caller that %s', (_who, read, captured, admitted) => {
    const flight = flights.begin('x');
    flight.start(flights.startTime(), captured, holds);
    expect(admits(flight, flights.arrival(), read)).toBe(admitted);
  });

  it('admits whoever came before it started, whatever was read', () => {
    const began = flights.arrival();
    const flight = started('x');
    expect(admits(flight, began, undefined)).toBe(true);
    expect(flight.startedAfter(began)).toBe(true);
    expect(flight.startedAfter(flights.arrival())).toBe(false);
  });

  it('admits nobody once it is closed', () => {
    const began = flights.arrival();
    const flight = started('x');
    flight.close();
    expect(admits(flight, began, tokens(['a', '1']))).toBe(false);
  });

  it('admits no later caller after an invalidation here, though the token is the same', () => {
    const flight = started('x');
    flights.fence(['b']);
    expect(admits(flight, flights.arrival(), tokens(['a', '1']))).toBe(true);
    flights.fence(['a']);
    expect(admits(flight, flights.arrival(), tokens(['a', '1']))).toBe(false);
  });
});

describe('a flight that has started, further', () => {
  it('admits no later caller that knows a tag which the flight did not capture', () => {
    const read = tokens(['a', '1'], ['b', '1']);
    expect(admits(started('x'), flights.arrival(), read, ['a', 'b'])).toBe(false);
  });

  it('admits no later caller once the store was connected to anew', () => {
    let isUp = true;
    const flight = flights.begin('x');
    flight.start(flights.startTime(), tokens(['a', '1']), () => isUp);
    expect(admits(flight, flights.arrival(), tokens(['a', '1']))).toBe(true);
    isUp = false;
    expect(admits(flight, flights.arrival(), tokens(['a', '1']))).toBe(false);
  });

  it('admits callers that ask the store each time only if it does so too', () => {
    const [weak, strong] = [started('x'), flights.begin('y', true)];
    const arrival = { began: flights.arrival(), names: ['a'], tokens: tokens(['a', '1']), isStrong: true };
    expect([weak, strong].map((flight) => flight.admits(arrival))).toEqual([false, true]);
  });

  it('is shared in an outage for as long as the grace period, and not after an invalidation here', () => {
    const flight = started('x', undefined);
    expect(flight.admitsInOutage(['a'], 10_000)).toBe(true);
    expect(flight.admitsInOutage(['a'], 0)).toBe(false);
    flights.fence(['a']);
    expect(flight.admitsInOutage(['a'], 10_000)).toBe(false);
    expect(flight.admitsInOutage(['b'], 10_000)).toBe(true);
  });
});

describe('a flight that has not started', () => {
  it('admits everybody', () => {
    const flight = flights.begin('x');
    started('y');
    expect(admits(flight, flights.arrival(), undefined)).toBe(true);
  });

  it('admits nobody once its entry is forgotten', () => {
    const flight = flights.begin('x');
    flights.forget(['x']);
    expect(admits(flight, flights.arrival(), undefined)).toBe(false);
  });
});

describe('the fence', () => {
  it('knows each name that was invalidated since the flight began', () => {
    flights.fence(['before']);
    const flight = started('x');
    flights.fence(['a', 'b']);
    expect(['before', 'a', 'b', 'c'].map((name) => flight.isFenced(name))).toEqual([false, true, true, false]);
  });

  it.each([
    ['one after the other', 1],
    ['by the hundred', 100],
    ['at once', 10_001],
  ])('takes every name for invalidated after ten thousand, %s', (_how, step) => {
    const flight = started('x');
    for (let i = 0; i < 10_001; i += step) flights.fence(Array.from({ length: step }, (_, n) => `n${i + n}`));
    expect(flight.isFenced('n10000')).toBe(true);
    expect(flight.isFenced('any')).toBe(true);
  });

  it('is nothing to a flight that has ended', () => {
    const flight = started('x');
    flights.end(flight);
    flights.fence(['a']);
    expect(flight.isFenced('a')).toBe(false);
  });
});

describe('the flights of a key', () => {
  it('are replaced by the newest, and end each by itself', () => {
    const [first, second] = [started('x'), started('x')];
    expect(flights.get('x')).toBe(second);
    flights.end(first);
    expect(flights.get('x')).toBe(second);
    flights.end(second);
    expect(flights.get('x')).toBeUndefined();
  });

  it('are all forgotten, and those of other keys are not', () => {
    const [first, second, other] = [started('x'), started('x'), started('y')];
    flights.forget(['x']);
    expect([first, second, other].map(({ storable }) => storable)).toEqual([false, false, true]);
  });

  it('store nothing any more once a newer one has landed', () => {
    const [first, second, third] = [started('x'), started('x'), started('x')];
    flights.outdateBefore(second);
    expect([first, second, third].map(({ storable }) => storable)).toEqual([false, true, true]);
    flights.outdateBefore(third);
    expect([first, second, third].map(({ storable }) => storable)).toEqual([false, false, true]);
  });

  // T1 begins · T0 begins and fails · T2 begins, lands · T1 lands: must not store over it
  it('may store if a newer one has failed, and not over one that began after that', () => {
    const [first, second] = [started('x'), started('x')];
    second.fail(new Error('mine'));
    flights.end(second);
    expect(first.storable).toBe(true);
    flights.outdateBefore(started('x'));
    expect(first.storable).toBe(false);
  });

  it('land and fail for those who share them, and for nobody else', async () => {
    const [first, second] = [started('x'), started('x')];
    const error = new Error('mine');
    first.fail(error);
    second.land(landing);
    await expect(first.landing).rejects.toBe(error);
    await expect(second.landing).resolves.toBe(landing);
  });
});

describe('waiting for one another', () => {
  function waits(from: Flight, ...others: Flight[]): void {
    for (const other of others) from.waitingFor.add(other);
  }

  it('is seen over any number of flights, and in one direction', () => {
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((key) => started(key)) as [Flight, Flight, Flight, Flight];
    waits(a, b, d);
    waits(b, c);
    expect(a.waitsFor(c)).toBe(true);
    expect(c.waitsFor(a)).toBe(false);
    expect(d.waitsFor(c)).toBe(false);
    expect(d.waitsFor(d)).toBe(true);
    b.waitingFor.delete(c);
    expect(a.waitsFor(c)).toBe(false);
  });

  it('is found out at once where the paths are countless', () => {
    const layers = Array.from({ length: 40 }, (_, layer) => [0, 1, 2].map((n) => started(`${layer}.${n}`)));
    layers.forEach((layer, i) => {
      for (const flight of layer) waits(flight, ...(layers[i + 1] ?? []));
    });
    expect(layers[0]?.[0]?.waitsFor(started('elsewhere'))).toBe(false);
  });
});
