/** What `stats()` counts, method by method. */

import { type Cache, createCache, type LoadEvent, localBus } from 'cachette';
import { Keyv } from 'keyv';
import { manualClock } from 'cachette/testing';

let opened: Cache[];

beforeEach(() => {
  opened = [];
});

afterEach(() => Promise.all(opened.map((cache) => cache.close())));

function open(...[stores, options]: Parameters<typeof createCache>): Cache {
  const cache = createCache(stores, options);
  opened.push(cache);
  return cache;
}

function of(cache: Cache, method: string) {
  return cache.stats().methods[method];
}

describe('stats()', () => {
  it('counts calls by what they came to, hits by where the entry was and misses by their reason', async () => {
    const clock = manualClock();
    const cache = open('memory://', { clock });
    const find = cache.wrap('find', async (id: string) => id, { ttl: '1m', tags: (id) => `product:${id}` });
    await find('1');
    await find('1');
    await cache.invalidate('product:1');
    await find('1');
    await cache.expire('product:1');
    await find('1');
    await clock.advance(60_000);
    await find('1');
    await cache.bypass(() => find('1'));
    await cache.refresh(() => find('1'));
    expect(of(cache, 'find')).toMatchObject({
      calls: 7,
      hits: 1,
      hitsByTier: { memory: 1, store: 0 },
      misses: 5,
      missesByReason: { absent: 1, invalidated: 2, expired: 1, refresh: 1 },
      bypassed: 1,
      hitRate: 1 / 6,
      invalidations: 2,
      invalidated: 2,
    });
  });

  it('tells memory from the store behind it', async () => {
    const [store, bus] = [new Keyv(), localBus()];
    const [one, other] = [0, 1].map(() => open(['memory://', store], { bus: bus.connect() })) as [Cache, Cache];
    await one.getOrLoad('a', async () => 1);
    await other.getOrLoad('a', async () => 1);
    expect(of(other, 'getOrLoad')?.hitsByTier).toEqual({ memory: 0, store: 1 });
  });

  it('knows how long the method ran, how often it failed, and what the hits would have cost', async () => {
    const cache = open();
    const loads: LoadEvent[] = [];
    cache.on('load', (load) => loads.push(load));
    let fails = false;
    const find = cache.wrap('find', async (id: number) => {
      const until = performance.now() + 5;
      while (performance.now() < until);
      if (fails) throw new Error('no');
      return id;
    });
    await find(1);
    for (let i = 0; i < 10; i++) await find(1);
    fails = true;
    await expect(find(2)).rejects.toThrow('no');
    expect(loads.map(({ method, status }) => `${method} ${status}`)).toEqual(['find ok', 'find error']);
    expect(loads.every(({ durationMs }) => durationMs >= 5)).toBe(true);
    const { loads: counted, savedMs } = of(cache, 'find') ?? {};
    expect(counted).toMatchObject({ count: 2, errors: 1 });
    for (const ms of [counted?.p50Ms, counted?.p95Ms, counted?.p99Ms, counted?.maxMs]) {
      expect(ms).toBeGreaterThanOrEqual(4.95);
    }
    expect(savedMs).toBeGreaterThanOrEqual(50);
  });

  it('has percentiles that are right to one part in a hundred', async () => {
    const { Counts } = await import('../../src/cache/counts.js');
    const counts = new Counts();
    for (let ms = 1; ms <= 1_000; ms++) counts.loaded(ms, false);
    const { p50Ms, p95Ms, p99Ms, meanMs } = counts.stats().loads;
    expect(Math.abs(p50Ms / 500 - 1)).toBeLessThan(0.01);
    expect(Math.abs(p95Ms / 950 - 1)).toBeLessThan(0.01);
    expect(Math.abs(p99Ms / 990 - 1)).toBeLessThan(0.01);
    expect(meanMs).toBeCloseTo(500.5);
  });

  it('has a distribution of the loads, in buckets of an eighth of an octave, that adds up', async () => {
    const { Counts } = await import('../../src/cache/counts.js');
    const [one, other, total] = [new Counts(), new Counts(), new Counts()];
    expect(one.stats().loads.distribution).toBeUndefined();
    for (const ms of [0, 0.001, 1, 1, 1.024]) one.loaded(ms, false);
    other.loaded(1.024, true);
    other.loaded(Infinity, false);
    total.add(one);
    total.add(other);
    expect(one.stats().loads.distribution).toEqual([
      [0, 2],
      [79, 2],
      [80, 1],
    ]);
    expect(total.stats().loads.distribution).toEqual([
      [0, 2],
      [79, 2],
      [80, 2],
      [255, 1],
    ]);
  });

  it('measures the size of values', async () => {
    const cache = open();
    const text = cache.wrap('text', async (length: number) => 'x'.repeat(length));
    await text(1_000);
    await text(3_000);
    const { mean, max } = of(cache, 'text')?.bytes ?? { mean: 0, max: 0 };
    expect(max).toBeGreaterThanOrEqual(3_000);
    expect(mean).toBeGreaterThanOrEqual(2_000);
    expect(mean).toBeLessThan(max);
  });

  it('counts an invalidation for the methods whose entries have tags of that kind', async () => {
    const cache = open();
    const products = cache.wrap('products', async (id: string) => id, { tags: (id) => `product:${id}` });
    const users = cache.wrap('users', async (id: string) => id, { tags: (id) => `user:${id}` });
    await products('1');
    await users('1');
    await cache.invalidate('product:2');
    await cache.clear();
    expect([of(cache, 'products')?.invalidations, of(cache, 'users')?.invalidations]).toEqual([2, 1]);
  });

  it('sums up its methods', async () => {
    const cache = open();
    const [one, other] = ['one', 'other'].map((name) => cache.wrap(name, async (id: number) => id));
    await one?.(1);
    await one?.(1);
    await other?.(1);
    expect(cache.stats()).toMatchObject({
      calls: 3,
      hits: 1,
      misses: 2,
      missesByReason: { absent: 2 },
      loads: { count: 2 },
    });
  });

  it('counts nothing where statistics are off, and listeners hear all the same', async () => {
    const cache = open('memory://', { statistics: false });
    const heard: string[] = [];
    cache.on('outcome', ({ status }) => heard.push(status));
    cache.on('load', ({ status }) => heard.push(status));
    for (let i = 0; i < 2; i++) await cache.getOrLoad('a', async () => 1, { tags: 'a' });
    await cache.invalidate('a');
    expect(heard).toEqual(['ok', 'miss', 'hit']);
    expect(cache.stats()).toMatchObject({ calls: 0, hits: 0, invalidations: 0, errors: 0 });
  });

  it('does not grow with the texts of reasons and tags', async () => {
    const { Counts } = await import('../../src/cache/counts.js');
    const counts = new Counts();
    for (let i = 0; i < 1_000; i++) {
      counts.other('miss', `reason ${i}`);
      counts.stored([`tag${i}`], undefined);
    }
    expect([counts.reasons.size, counts.kinds.size]).toEqual([50, 100]);
    expect(counts.misses).toBe(1_000);
  });
});
