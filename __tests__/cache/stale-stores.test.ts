/** Stale windows on real servers: entries outlive their ttl there, slide, and come back as they were. */

import { type Cache, createCache, type Outcome } from 'cachette';
import { manualClock, type ManualClock } from 'cachette/testing';
import { type MemcachedTestServer, type RedisTestServer, startMemcached, startRedis } from '../support/servers.js';
import { jobs } from '../support/stepped-backend.js';
import { SteppedMethod } from '../support/stepped-process.js';
import { timeOfDay } from '../support/time-of-day.js';

const ttl = 10_000;

let redis: RedisTestServer;
let memcached: MemcachedTestServer;
let caches = 0;

beforeAll(async () => {
  [redis, memcached] = await Promise.all([startRedis(), startMemcached()]);
});

afterAll(async () => {
  await Promise.all([redis?.stop(), memcached?.stop()]);
});

class Point {
  constructor(readonly x: number) {}
}

const stores: Readonly<Record<string, () => readonly string[]>> = {
  memory: () => ['memory://'],
  Redis: () => [redis.uri],
  memcached: () => [memcached.uri],
  'memory and Redis': () => ['memory://', redis.uri],
  'memory and memcached': () => ['memory://', memcached.uri],
};

describe.each(Object.entries(stores))('on %s', (_name, uris) => {
  let clock: ManualClock;
  let cache: Cache;
  let works: Promise<unknown>[];
  let o: SteppedMethod<[], { list: number[]; point: Point }>;

  beforeEach(() => {
    clock = manualClock();
    works = [];
    cache = createCache(uris(), {
      clock: timeOfDay(clock),
      namespace: `stale-${++caches}`,
      deadline: '5s',
      waitUntil: (work) => works.push(work),
    });
    cache.on('warning', () => {});
    o = new SteppedMethod(() => ({ list: [1], point: new Point(2) }));
    o.automatic = true;
  });

  afterEach(() => cache.close());

  async function told(call: () => Promise<unknown>): Promise<string> {
    const { calls } = await cache.explain(call);
    const last = calls.at(-1) as Outcome;
    await jobs();
    return `${last.status}: ${last.reason}`;
  }

  it('an entry is served stale to the end of the longer window, and no longer', async () => {
    const read = cache.wrap('windows', o.run, {
      ttl,
      staleWhileRevalidate: 1_000,
      staleIfError: { for: 5_000, backOff: 1 },
      revive: [Point],
    });
    await read();
    o.automatic = false;
    await clock.advance(ttl);
    expect(await told(read)).toBe('stale: revalidating');
    await (await o.begun()).fail(new Error('down'));
    await Promise.all(works);
    await clock.advance(1_000);
    for (const lateMs of [0, 3_999]) {
      await clock.advance(lateMs);
      const reading = told(read);
      await (await o.begun()).fail(new Error('down'));
      expect(await reading).toBe('stale: error');
    }
    await clock.advance(1);
    o.automatic = true;
    expect(await told(read)).toMatch(/^miss/);
  });

  it('a window that slides is stale only after the last access', async () => {
    const read = cache.wrap('slides', o.run, {
      ttl,
      sliding: true,
      maxLifetime: 5 * ttl,
      staleWhileRevalidate: '1h',
      revive: [Point],
    });
    await read();
    for (let i = 0; i < 4; i++) {
      await clock.advance(9_000);
      expect(await told(read)).toBe('hit: fresh');
      await Promise.all(works);
    }
    o.automatic = false;
    await clock.advance(ttl);
    expect(await told(read)).toBe('stale: revalidating');
    const run = await o.begun();
    expect(o.runs).toBe(2);
    await run.end();
    await Promise.all(works);
    expect(await told(read)).toBe('hit: fresh');
  });

  it.each(['isolated', 'frozen', 'shared'] as const)(
    'a stale value obeys `copies: %s`, and is revived',
    async (copies) => {
      const read = cache.wrap(copies, o.run, { ttl, staleIfError: '1h', copies, revive: [Point] });
      await read();
      o.automatic = false;
      await clock.advance(ttl);
      const calls = Promise.all([read(), read()]);
      await (await o.begun()).fail(new Error('down'));
      for (const value of [...(await calls), await read()]) {
        expect(value).toEqual({ list: [1], point: new Point(2) });
        expect(value.point).toBeInstanceOf(Point);
        expect(Object.isFrozen(value)).toBe(copies === 'frozen');
        if (copies === 'isolated') value.list.push(2);
      }
    },
  );

  it('a value that a refresh in the background brought is a copy for each', async () => {
    const read = cache.wrap('refreshed', o.run, { ttl, staleWhileRevalidate: '1h', revive: [Point] });
    await read();
    await clock.advance(ttl);
    await read();
    await jobs();
    await Promise.all(works);
    const [one, two] = await Promise.all([read(), read()]);
    one.list.push(2);
    expect(two).toEqual({ list: [1], point: new Point(2) });
    expect(await told(read)).toBe('hit: fresh');
    expect(o.runs).toBe(2);
  });

  it('an expired tag makes an entry old, an invalidated one wrong', async () => {
    const read = cache.wrap('tagged', o.run, { ttl: '1h', staleWhileRevalidate: '1h', tags: 'a', revive: [Point] });
    await read();
    await cache.expire('a');
    expect(await told(read)).toBe('stale: revalidating');
    await Promise.all(works);
    expect(await told(read)).toBe('hit: fresh');
    await cache.expire('a');
    await cache.invalidate('a');
    expect(await told(read)).toMatch(/^miss/);
  });

  it('a version is written with its entry', async () => {
    let version: number | string | Date = 1;
    const read = cache.wrap('versioned', o.run, { ttl, version: () => version, revive: [Point] });
    await read();
    expect(await told(read)).toBe('hit: fresh');
    for (const another of ['1', new Date(1), 2]) {
      version = another;
      expect(await told(read)).toBe('miss: version changed');
      expect(await told(read)).toBe('hit: fresh');
    }
  });

  it('an early load is one, of a hit', async () => {
    const read = cache.wrap('ahead', o.run, { ttl, refreshAhead: 0.5, revive: [Point] });
    await read();
    o.automatic = false;
    await clock.advance(5_000);
    for (let i = 0; i < 3; i++) expect(await told(read)).toBe('hit: fresh');
    await (await o.begun()).end();
    await Promise.all(works);
    expect(o.runs).toBe(2);
    expect(await told(read)).toBe('hit: fresh');
    await Promise.all(works);
    expect(o.runs).toBe(2);
  });
});
