/** What `stats()` counts, method by method. */

import { type Cache, createCache, type LoadEvent, localBus } from 'cachette';
import { Keyv } from 'keyv';
import { manualClock } from 'cachette/testing';
import { insight } from '../../src/base/insight.js';

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

  it('counts one run for many elements once, and shares its time among them', async () => {
    let ms = 0;
    const cache = open('memory://', { clock: { now: () => ms, monotonic: () => ms } });
    class Products {
      @cache.CachedMany('1m')
      async findMany(ids: readonly number[]): Promise<number[]> {
        ms += 100;
        return [...ids];
      }
    }
    const loads: LoadEvent[] = [];
    cache.on('load', (load) => loads.push(load));
    const products = new Products();
    const ids = [...Array(100).keys()];
    await products.findMany(ids);
    await products.findMany(ids);
    expect(loads.map(({ status, durationMs }) => [status, durationMs])).toEqual([['ok', 100]]);
    const { hits, loads: counted, savedMs } = cache.stats();
    expect([hits, counted.count, savedMs]).toEqual([100, 1, 100]);
    expect(Math.abs(counted.maxMs / 100 - 1)).toBeLessThan(0.01);
  });

  it('counts one run for many elements that fails once', async () => {
    const cache = open();
    const loads: string[] = [];
    cache.on('load', ({ status }) => loads.push(status));
    class Products {
      @cache.CachedMany('1m')
      findMany(_ids: readonly number[]): Promise<number[]> {
        return Promise.reject(new Error('no'));
      }
    }
    await expect(new Products().findMany([1, 2, 3])).rejects.toThrow('no');
    expect(loads).toEqual(['error']);
    expect(cache.stats().loads).toMatchObject({ count: 1, errors: 1 });
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

  it('measures a shared store in bytes, not in characters', async () => {
    const cache = open(new Keyv());
    const texts: number[] = [];
    for (const text of ['x'.repeat(100), '€'.repeat(100)]) {
      await cache.getOrLoad(text, async () => text);
      texts.push(cache.stats().bytes.sum);
    }
    const [ascii = 0, both = 0] = texts;
    expect(both - ascii).toBe(ascii + 200);
    expect(cache.stats().bytes).toMatchObject({ count: 2, max: ascii + 200, mean: both / 2 });
  });

  it('counts the entries that a store has taken, and no other', async () => {
    const rows = new Map<string, unknown>();
    let isFull = false;
    const cache = open({
      get: (key: string) => Promise.resolve(rows.get(key) as undefined),
      set: (key: string, value: unknown) => (isFull ? Promise.reject(new Error('full')) : rows.set(key, value)),
      delete: (key: string) => Promise.resolve(rows.delete(key)),
      clear: () => Promise.resolve(),
    });
    const find = cache.wrap('find', async (id: number) => id, { storeWhen: (id) => id !== 2 });
    for (const id of [1, 2, 3, 3]) await find(id);
    isFull = true;
    await find(4);
    await cache.close();
    expect(of(cache, 'find')).toMatchObject({ misses: 4, hits: 1, puts: 2 });
  });

  it.each(['memory://?maxEntries=2', 'memory://?maxSize=1kb'])('counts what %s gave up for room', async (uri) => {
    const cache = open(uri);
    const memory = () => cache[insight].snapshot().stores[0];
    const find = cache.wrap('find', async (_id: number) => 'x'.repeat(50));
    for (let id = 0; id < 50; id++) await find(id);
    const before = memory()?.evictions ?? 0;
    expect((memory()?.entries ?? 0) + before).toBe(50);
    await cache.refresh(() => find(49));
    await find.forget(49);
    expect(memory()?.evictions).toBe(before);
    expect(uri.endsWith('kb') === (memory()?.size ?? 0) > 0).toBe(true);
  });

  it('counts an invalidated entry once, however often the method then fails', async () => {
    const cache = open();
    let fails = false;
    const find = cache.wrap(
      'find',
      async () => {
        if (fails) throw new Error('no');
        return 1;
      },
      { tags: 'all' },
    );
    await find();
    await cache.invalidate('all');
    fails = true;
    for (let i = 0; i < 5; i++) await expect(find()).rejects.toThrow('no');
    expect(of(cache, 'find')).toMatchObject({ invalidated: 1, missesByReason: { invalidated: 5 } });
    fails = false;
    await find();
    await cache.invalidate('all');
    await find();
    expect(of(cache, 'find')?.invalidated).toBe(2);
  });

  it('counts an entry that was expired by a tag once, also where it is served', async () => {
    const cache = open();
    let load = Promise.resolve(1);
    const find = cache.wrap('find', () => load, { ttl: '1h', staleWhileRevalidate: '1h', tags: 'all' });
    await find();
    await cache.expire('all');
    load = new Promise(() => {});
    for (let i = 0; i < 3; i++) await find();
    expect(of(cache, 'find')).toMatchObject({ stale: 3, invalidated: 1 });
  });

  it('counts what `forgetAll` made invalid as invalidated, and itself as no invalidation', async () => {
    const cache = open();
    const find = cache.wrap('find', async (id: number) => id, { tags: 'all' });
    await find(1);
    await find.forgetAll();
    await find(1);
    await find.forget(1);
    await find(1);
    expect(cache.stats()).toMatchObject({ invalidated: 1, invalidations: 0 });
  });

  it('counts the invalidations of a method whose entries another process has stored', async () => {
    const store = new Keyv();
    const [writer, reader] = [open(store), open(store)];
    const findIn = (cache: Cache) =>
      cache.wrap('find', async () => 1, { tags: 'argument:1', resultTags: () => ['result:1'] });
    const [write, read] = [findIn(writer), findIn(reader)];
    for (let i = 0; i < 3; i++) await write();
    await reader.invalidate('argument:0');
    await read();
    expect(reader.stats()).toMatchObject({ hits: 1, puts: 0 });
    await reader.invalidate('argument:0');
    await reader.invalidate('result:0');
    await reader.invalidate('other:0');
    expect(of(reader, 'find')?.invalidations).toBe(2);
  });

  it('counts the invalidations of a method whose results are never stored, by its arguments', async () => {
    const cache = open();
    const find = cache.wrap('find', async () => 1, { tags: 'argument:1', storeWhen: () => false });
    await find();
    await cache.invalidate('argument:1');
    expect(of(cache, 'find')?.invalidations).toBe(1);
  });

  it('counts as saved what callers did not wait for: hits, and stale values that are served at once', async () => {
    let ms = 0;
    const cache = open('memory://', { clock: { now: () => ms, monotonic: () => ms } });
    let fails = false;
    const load = async (): Promise<number> => {
      ms += 100;
      if (fails) throw new Error('no');
      return 1;
    };
    const find = cache.wrap('find', load, { ttl: '1s', staleWhileRevalidate: '1h', staleIfError: '1h' });
    const covered = cache.wrap('covered', load, { ttl: '1s', staleIfError: { for: '1h', backOff: '1s' } });
    await find();
    await find();
    expect(of(cache, 'find')?.savedMs).toBe(100);
    ms += 2_000;
    await find();
    expect(of(cache, 'find')).toMatchObject({ hits: 1, stale: 1, savedMs: 200 });
    await covered();
    ms += 2_000;
    fails = true;
    await covered();
    expect(of(cache, 'covered')).toMatchObject({ stale: 1, savedMs: 0 });
    await covered();
    expect(of(cache, 'covered')).toMatchObject({ stale: 2, savedMs: 100 });
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
