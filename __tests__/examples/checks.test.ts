import { Checks } from '../../examples/cities/checks.js';
import type { City } from '../../examples/cities/cities.js';
import { Latency } from '../../examples/cities/latency.js';
import { randomFrom, zipf } from '../../examples/cities/zipf.js';

const city = (id: number, version: number): City => ({ id, name: `city ${id}`, country: 'XX', population: 1, version });
const reading = (result: City | City[] | undefined) => () => Promise.resolve(result);

describe('the checks of the example', () => {
  let checks: Checks;
  beforeEach(() => (checks = new Checks()));

  const write = (id: number, version: number) => checks.write(() => Promise.resolve(city(id, version)));

  it('find a read that shows less than a write that had returned before it', async () => {
    await write(1, 2);
    checks.beforeRead()(city(1, 1));
    checks.beforeRead()([city(2, 1), city(1, 1)]);
    expect(checks).toMatchObject({ checked: 2, stale: 2 });
  });

  it('find a city that is missing', () => {
    checks.beforeRead()(undefined);
    expect(checks.stale).toBe(1);
  });

  it('let a read show the write during it, or not', async () => {
    const [one, other] = [checks.beforeRead(), checks.beforeRead()];
    await write(1, 2);
    one(city(1, 1));
    other(city(1, 2));
    expect(checks).toMatchObject({ checked: 2, stale: 0 });
  });

  it('want the newest version where two writes return in the other order', async () => {
    await write(1, 3);
    await write(1, 2);
    checks.beforeRead()(city(1, 2));
    checks.beforeRead()(city(1, 3));
    expect(checks).toMatchObject({ stale: 1, writes: 2, writtenIds: [1] });
  });

  it('find a read that differs from the database', async () => {
    await checks.compare(reading([city(1, 1)]), reading([city(1, 1)]));
    await checks.compare(reading([city(1, 1)]), reading([city(1, 1), city(2, 1)]));
    expect(checks).toMatchObject({ compared: 2, stale: 1 });
  });

  it('compare nothing while a write runs', async () => {
    let end = (_: City | undefined): void => {};
    const writing = checks.write(() => new Promise((resolve) => (end = resolve)));
    await checks.compare(reading(city(1, 1)), reading(city(1, 2)));
    const comparing = checks.compare(reading(city(1, 1)), reading(city(1, 2)));
    end(city(1, 2));
    await Promise.all([writing, comparing]);
    expect(checks).toMatchObject({ compared: 0, stale: 0 });
  });
});

describe('the checks of several processes', () => {
  const soFar = { begun: 0, ended: 0 };
  const told: (City | undefined)[] = [];
  const elsewhere = { written: (each: City | undefined) => void told.push(each), soFar: async () => ({ ...soFar }) };

  it('tell of writes here, and know of writes elsewhere once they are heard', async () => {
    const checks = new Checks({ elsewhere });
    await checks.write(() => Promise.resolve(city(1, 2)));
    expect(told).toEqual([city(1, 2)]);
    const early = checks.beforeRead();
    checks.hear(city(2, 2));
    early(city(2, 1));
    expect(checks).toMatchObject({ stale: 0, writes: 1, writtenIds: [1, 2] });
    checks.beforeRead()(city(2, 1));
    expect(checks.stale).toBe(1);
  });

  it('go on with what is known from before', async () => {
    const before = new Checks({ elsewhere });
    before.hear(city(1, 2));
    const checks = new Checks({ elsewhere, before });
    expect(checks.writtenIds).toEqual([]);
    checks.beforeRead()(city(1, 1));
    expect(checks.stale).toBe(1);
  });

  it('compare nothing while anybody writes', async () => {
    const checks = new Checks({ elsewhere });
    soFar.begun = 1;
    await checks.compare(reading(city(1, 1)), reading(city(1, 2)));
    soFar.ended = 1;
    const beginning = async (): Promise<City> => ((soFar.begun = 2), city(1, 1));
    await checks.compare(beginning, reading(city(1, 2)));
    expect(checks).toMatchObject({ compared: 0, stale: 0 });
    soFar.ended = 2;
    await checks.compare(reading(city(1, 1)), reading(city(1, 2)));
    expect(checks).toMatchObject({ compared: 1, stale: 1 });
  });
});

describe('the latency of the example', () => {
  it('is known to two digits, and is put together', () => {
    const [one, other] = [new Latency(), new Latency()];
    for (let ns = 1; ns <= 50; ns++) one.record(ns);
    for (let ns = 51; ns <= 100; ns++) other.record(ns + 0.4);
    const sum = Latency.sum([one, new Latency(other.calls)]);
    expect([sum.percentile(50), sum.percentile(99), new Latency().percentile(50)]).toEqual([50, 99, 0]);
  });
});

describe('the chance of the example', () => {
  const draws = (seed: number) => {
    const random = randomFrom(seed);
    const draw = zipf(Array.from({ length: 1_000 }, (_, rank) => rank));
    return Array.from({ length: 10_000 }, () => draw(random));
  };

  it('is the same for the same seed only', () => {
    expect(draws(1)).toEqual(draws(1));
    expect(draws(1)).not.toEqual(draws(2));
  });

  it('draws the n-th in proportion to 1 / n ** 1.2', () => {
    const count = (rank: number) => draws(3).filter((drawn) => drawn === rank).length;
    // of 1,000 the first has 1 / 4.34 of all
    expect(count(0) / 10_000).toBeCloseTo(0.23, 1);
    expect(count(0) / count(1)).toBeCloseTo(2 ** 1.2, 0);
    expect(Math.max(...draws(3))).toBeGreaterThan(900);
  });
});
