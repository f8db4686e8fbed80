/** Options and variables of the environment, by what they do. What a wrong one says is in docs/errors.md. */

import { type Cache, type CacheOptions, createCache } from 'cachette';
import type { CachedOptions } from '../../src/cache/options.js';
import { cachedPolicy } from '../../src/cache/policy.js';
import { runChild } from '../support/child.js';
import { manualClock } from 'cachette/testing';
import { startRedis } from '../support/servers.js';
import { SteppedProcess } from '../support/stepped-process.js';

let opened: Cache[] = [];

afterEach(async () => {
  jest.restoreAllMocks();
  await Promise.all(opened.map((cache) => cache.close()));
  opened = [];
});

function open(options: CacheOptions = {}) {
  const cache = createCache('memory://', options);
  opened.push(cache);
  const warnings: string[] = [];
  cache.on('warning', ({ message }) => warnings.push(message));
  return { cache, warnings };
}

type Jitter = CachedOptions<unknown, () => Promise<void>>['jitter'];

describe('jitter', () => {
  const jittered = (jitter: Jitter, ttlMs: number): number => cachedPolicy({ jitter }, {}, 'test').jittered(ttlMs);
  const [least, most] = [0, 1 - 2 ** -53];

  it.each<[jitter: Jitter, ttlMs: number, shortest: number, longest: number]>([
    [undefined, 10_000, 10_000, 10_000],
    [0, 10_000, 10_000, 10_000],
    [0.25, 10_000, 7_501, 10_000],
    [1, 10_000, 1, 10_000],
    ['2s', 10_000, 8_001, 10_000],
    ['1h', 10_000, 1, 10_000],
    [1, 1, 1, 1],
    [0.5, Infinity, Infinity, Infinity],
    ['1h', Infinity, Infinity, Infinity],
  ])('%s leaves of %s ms from %s to %s', (jitter, ttlMs, shortest, longest) => {
    const random = jest.spyOn(Math, 'random').mockReturnValue(most);
    expect(jittered(jitter, ttlMs)).toBe(shortest);
    random.mockReturnValue(least);
    expect(jittered(jitter, ttlMs)).toBe(longest);
  });

  it('spreads ttls, and keeps them in whole milliseconds', () => {
    const ttls = Array.from({ length: 100 }, () => jittered(0.5, 10_000));
    expect(new Set(ttls).size).toBeGreaterThan(50);
    expect(ttls.every((ttlMs) => Number.isSafeInteger(ttlMs) && ttlMs > 5_000 && ttlMs <= 10_000)).toBe(true);
  });

  it('is what an entry lives by', async () => {
    jest.spyOn(Math, 'random').mockReturnValue(0.5);
    const clock = manualClock();
    const { cache } = open({ clock, defaults: { jitter: 0.5 } });
    let runs = 0;
    const read = cache.wrap('read', async () => ++runs, { ttl: '10s' });
    await read();
    await clock.advance(7_499);
    expect(await read()).toBe(1);
    await clock.advance(1);
    expect(await read()).toBe(2);
  });
});

describe('inheritTags: false', () => {
  it('leaves the tags of calls inside alone, and what they could not tell', async () => {
    const { cache } = open();
    let runs = 0;
    const inner = cache.wrap('inner', async () => 1, { tags: 'inner' });
    const outer = cache.wrap('outer', async () => [await inner(), await cache.bypass(() => inner()), ++runs], {
      tags: 'outer',
      inheritTags: false,
    });
    await outer();
    await cache.invalidate('inner');
    expect(await outer()).toEqual([1, 1, 1]);
    expect((await cache.explain(outer)).calls[0]?.tags).toEqual(['outer']);
    await cache.invalidate('outer');
    expect(await outer()).toEqual([1, 1, 2]);
  });
});

describe('64 tags', () => {
  const tags = (count: number): string[] => Array.from({ length: count }, (_, i) => `tag:${i}`);

  it('are stored, and one more is not, with one warning', async () => {
    const { cache, warnings } = open();
    for (const count of [64, 65]) {
      let runs = 0;
      const read = cache.wrap(`read ${count}`, async () => ++runs, { tags: tags(count) });
      await read();
      expect(await read()).toBe(count === 64 ? 1 : 2);
    }
    expect(warnings).toEqual([expect.stringMatching(/read 65.*over 64 tags/)]);
  });

  it('count with those of calls inside', async () => {
    const { cache, warnings } = open();
    const inner = cache.wrap('inner', async (tag: string) => tag, { tags: (tag) => tag });
    let runs = 0;
    const outer = cache.wrap('outer', async (count: number) => {
      for (const tag of tags(count)) await inner(tag);
      return ++runs;
    });
    expect([await outer(64), await outer(64)]).toEqual([1, 1]);
    expect([await outer(65), await outer(65), await outer(65)]).toEqual([2, 3, 4]);
    expect(warnings).toEqual([expect.stringMatching(/outer.*over 64 tags/)]);
  });
});

describe('defaults', () => {
  it('give a version to methods without one', () => {
    const { cache } = open({ defaults: { version: 7 } });
    const load = async (): Promise<number> => 1;
    expect(cache.wrap('read', load).keyOf()).toBe('cachette:1:read@7:');
    expect(cache.wrap('other', load, { version: 'b' }).keyOf()).toBe('cachette:1:other@b:');
  });

  it('take methods out of the partition', () => {
    const partition = (): string => 'acme';
    const load = async (): Promise<number> => 1;
    expect(open({ partition }).cache.wrap('read', load).keyOf()).toBe('cachette:1:[acme]:read:');
    const { cache } = open({ partition, defaults: { partition: false } });
    expect(cache.wrap('read', load).keyOf()).toBe('cachette:1:read:');
  });

  it.each<['class' | 'instance', number]>([
    ['class', 1],
    ['instance', 2],
  ])("say whether objects share entries: '%s'", async (per, runsExpected) => {
    const { cache, warnings } = open({ defaults: { per } });
    let runs = 0;
    class Products {
      @cache.Cached('5m')
      async count(): Promise<number> {
        return ++runs;
      }

      @cache.Cached('5m', { per: 'class' })
      async shared(): Promise<number> {
        return 0;
      }
    }
    const [one, two] = [new Products(), new Products()];
    await one.count();
    await two.count();
    expect(runs).toBe(runsExpected);
    expect(cache.keyOf(one, 'shared', [])).toBe(cache.keyOf(two, 'shared', []));
    expect(warnings).toEqual([]);
  });
});

describe('CACHETTE_URL', () => {
  it('says where the default cache is, asked at the first call and never at import', async () => {
    const redis = await startRedis({});
    const child = runChild<string>('__tests__/cache/default-cache.child.ts', { CACHETTE_URL: 'nowhere://' });
    try {
      expect(await child.next()).toBe('imported');
      expect(await redis.cli('KEYS', '*')).toBe('');
      child.send(redis.uri);
      expect(await child.next()).toBe('1#1 1#1');
      expect(await redis.cli('EXISTS', "cachette:1:Products.find:'1'")).toBe('1');
      expect(await child.done).toBe(0);
      expect(child.output()).toBe('');
    } finally {
      await child.kill();
      await redis.stop();
    }
  });
});

describe('CACHETTE_DISABLED=1', () => {
  it('makes calls run their methods, while invalidations still reach the store', async () => {
    const data = new Map<string, string>();
    const [here, there] = [new SteppedProcess({ data }), disabled(() => new SteppedProcess({ data }))];
    let runs = 0;
    const load = async (): Promise<number> => ++runs;
    const read = here.cache.wrap('read', load, { tags: 'rows' });
    const readThere = there.cache.wrap('read', load, { tags: 'rows' });
    expect([here.cache.enabled, there.cache.enabled]).toEqual([true, false]);
    await read();
    expect([await readThere(), await readThere(), await read()]).toEqual([2, 3, 1]);
    expect(there.backend.log).toEqual([]);
    expect(await there.cache.invalidate('rows')).toEqual({ status: 'done' });
    expect(await read()).toBe(4);
    await there.cache.clear();
    expect(await read()).toBe(5);
    await readThere.forget();
    expect(await read()).toBe(6);
    await here.close();
    await there.close();
  });
});

function disabled<T>(make: () => T): T {
  process.env['CACHETTE_DISABLED'] = '1';
  try {
    return make();
  } finally {
    delete process.env['CACHETTE_DISABLED'];
  }
}
