import { type Flight, Flights, type Landing } from '../../src/policies/flight.js';

const landing: Landing = { payload: undefined, generations: [], verified: true };
const tokens = (...pairs: [string, string | undefined][]) => new Map(pairs);

let flights: Flights;

beforeEach(() => {
  flights = new Flights();
});

function started(key: string, captured = tokens(['a', '1'])): Flight {
  const flight = flights.begin(key);
  flight.start(flights.startTime(), captured);
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
    flight.start(flights.startTime(), captured);
    expect(flight.admits(flights.arrival(), read)).toBe(admitted);
  });

  it('admits whoever came before it started, whatever was read', () => {
    const began = flights.arrival();
    const flight = started('x');
    expect(flight.admits(began, undefined)).toBe(true);
    expect(flight.startedAfter(began)).toBe(true);
    expect(flight.startedAfter(flights.arrival())).toBe(false);
  });

  it('admits nobody once it is closed', () => {
    const began = flights.arrival();
    const flight = started('x');
    flight.close();
    expect(flight.admits(began, tokens(['a', '1']))).toBe(false);
  });

  it('admits no later caller after an invalidation here, though the token is the same', () => {
    const flight = started('x');
    flights.fence(['b']);
    expect(flight.admits(flights.arrival(), tokens(['a', '1']))).toBe(true);
    flights.fence(['a']);
    expect(flight.admits(flights.arrival(), tokens(['a', '1']))).toBe(false);
  });
});

describe('a flight that has not started', () => {
  it('admits everybody', () => {
    const flight = flights.begin('x');
    started('y');
    expect(flight.admits(flights.arrival(), undefined)).toBe(true);
  });

  it('admits nobody once its entry is forgotten', () => {
    const flight = flights.begin('x');
    flights.forget('x');
    expect(flight.admits(flights.arrival(), undefined)).toBe(false);
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
    flights.forget('x');
    expect([first, second, other].map(({ storable }) => storable)).toEqual([false, false, true]);
  });

  it('store nothing any more once a newer one has landed', () => {
    const [first, second, third] = [started('x'), started('x'), started('x')];
    second.land(landing);
    expect([first, second, third].map(({ storable }) => storable)).toEqual([false, true, true]);
    third.land(landing);
    expect([first, second, third].map(({ storable }) => storable)).toEqual([false, false, true]);
  });

  it('may store if a newer one has failed', () => {
    const [first, second] = [started('x'), started('x')];
    second.fail(new Error('mine'));
    expect(first.storable).toBe(true);
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
