/** `@CachedMany`: each element is a call of its own, and those that have to load do so together. */

import { type CachedManyOptions, createCache } from 'cachette';
import type { Cache } from '../../src/decorators/cache.js';
import { type RedisTestServer, startRedis } from '../support/servers.js';
import { until } from '../support/until.js';
import { Gate, jobs } from '../support/stepped-backend.js';
import { type Setting, settings, SteppedMethod, SteppedProcess } from '../support/stepped-process.js';

interface Item {
  readonly id: string;
  readonly version: number;
}

type Find = (this: Products, ids: string[]) => Promise<(Item | null)[]>;
type Options = CachedManyOptions<Products, Find>;

/** The method is the test's. */
abstract class Products {
  readonly asked: string[][] = [];
  abstract findMany(ids: string[]): Promise<(Item | null)[]>;
}

let version = 0;

function productsOf(
  cache: Cache,
  options: Options = {},
  load: (ids: string[]) => Promise<(Item | null)[]> = async (ids) => ids.map(itemOf),
): Products {
  class Shop extends Products {
    @cache.CachedMany<Products, Find>({ tags: (id) => `product:${id}`, ...options })
    async findMany(ids: string[]): Promise<(Item | null)[]> {
      this.asked.push(ids);
      return load(ids);
    }
  }
  return new Shop();
}

function itemOf(id: string): Item | null {
  return id === 'none' ? null : { id, version };
}

const idsOf = (items: readonly (Item | null)[]) => items.map((item) => item?.id);

beforeEach(() => (version = 0));

describe.each(settings)('a method with many ids %s', (_name, open) => {
  let setting: Setting;
  let cache: Cache;

  beforeEach(() => {
    setting = open();
    cache = setting.cache;
  });

  afterEach(() => setting.close());

  it('is asked once for those that are missing, in the order in which they came, each once', async () => {
    const products = productsOf(cache);
    expect(idsOf(await products.findMany(['b', 'a']))).toEqual(['b', 'a']);
    await jobs();
    expect(idsOf(await products.findMany(['d', 'a', 'c', 'd', 'b', 'c']))).toEqual(['d', 'a', 'c', 'd', 'b', 'c']);
    expect(products.asked).toEqual([
      ['b', 'a'],
      ['d', 'c'],
    ]);
  });

  it('is not asked where nothing is missing, also where there are no ids at all', async () => {
    const products = productsOf(cache);
    await products.findMany(['a', 'none']);
    await jobs();
    expect(await products.findMany(['none', 'a'])).toEqual([null, { id: 'a', version: 0 }]);
    expect(await products.findMany([])).toEqual([]);
    expect(products.asked).toEqual([['a', 'none']]);
  });

  it('is asked again for those alone that were invalidated', async () => {
    const products = productsOf(cache);
    await products.findMany(['a', 'b', 'c']);
    await jobs();
    version = 1;
    await setting.other.invalidate('product:b');
    expect((await products.findMany(['a', 'b', 'c'])).map((item) => item?.version)).toEqual([0, 1, 0]);
    expect(products.asked[1]).toEqual(['b']);
  });

  it('has an outcome for each element', async () => {
    const products = productsOf(cache);
    await products.findMany(['a']);
    await jobs();
    const { calls } = await cache.explain(() => products.findMany(['a', 'b']));
    expect(calls.map(({ method, status, tags }) => [method, status, tags]).sort()).toEqual([
      ['Shop.findMany', 'hit', ['product:a']],
      ['Shop.findMany', 'miss', ['product:b']],
    ]);
  });

  // A leads x, joins y · B leads y, joins x · A must not wait for y before it runs for x
  it('shares what two calls ask for at once, whichever came first, and waits for nobody who waits for it', async () => {
    const gates = [new Gate(), new Gate()];
    let runs = 0;
    const products = productsOf(cache, {}, async (ids) => {
      await gates[runs++]?.promise;
      return ids.map(itemOf);
    });
    const calls = [
      products.findMany(['a', 'b', 'c']),
      products.findMany(['d', 'c', 'b']),
      products.findMany(['d', 'a']),
    ];
    await jobs();
    expect(products.asked).toEqual([['a', 'b', 'c'], ['d']]);
    gates.forEach((gate) => gate.open());
    expect((await Promise.all(calls)).map(idsOf)).toEqual([
      ['a', 'b', 'c'],
      ['d', 'c', 'b'],
      ['d', 'a'],
    ]);
    expect(products.asked).toHaveLength(2);
  });

  // A reads x, y: x is missing, y runs in B · B's y depends on what is invalidated meanwhile · A loads y after all
  it('asks once more for what it had waited for in vain', async () => {
    const price = new SteppedMethod((id: string) => Promise.resolve(`${id}${version}`));
    const priceOf = cache.wrap('price', price.run, { tags: (id) => `price:${id}` });
    const gates = [new Gate(), new Gate()];
    let runs = 0;
    const products = productsOf(cache, {}, async (ids) => {
      const run = runs++;
      const found = await Promise.all(ids.map(async (id) => (await priceOf(id), itemOf(id))));
      await gates[run]?.promise;
      return found;
    });
    price.automatic = true;
    const b = products.findMany(['y', 'z']);
    await jobs();
    const a = products.findMany(['x', 'y', 'z']);
    await jobs();
    expect(products.asked).toEqual([['y', 'z'], ['x']]);
    version = 1;
    await setting.other.invalidate('price:y', 'price:z');
    gates[0]?.open();
    await b;
    await jobs();
    expect(products.asked).toEqual([['y', 'z'], ['x'], ['y', 'z']]);
    gates[1]?.open();
    expect((await a).map((item) => item?.version)).toEqual([0, 1, 1]);
  });

  it('hands its error to every caller of the ids, and stores nothing', async () => {
    const error = new Error('no');
    const gate = new Gate();
    let fails = true;
    const products = productsOf(cache, {}, async (ids) => {
      await gate.promise;
      if (fails) throw error;
      return ids.map(itemOf);
    });
    const calls = [products.findMany(['a', 'b']), products.findMany(['b']), products.findMany(['a', 'a'])];
    const reasons = Promise.all(calls.map((call) => call.catch((reason: unknown) => reason)));
    await jobs();
    gate.open();
    for (const reason of await reasons) expect(reason).toBe(error);
    expect(products.asked).toEqual([['a', 'b']]);
    fails = false;
    expect(idsOf(await products.findMany(['a', 'b']))).toEqual(['a', 'b']);
  });

  it.each<[string, () => unknown, string]>([
    ['too few items', () => [null], 'an array of 1 for 2 ids'],
    ['too many items', () => [null, null, null], 'an array of 3 for 2 ids'],
    ['a map', () => new Map(), 'no array but a Map for 2 ids'],
    ['an object', () => ({}), 'no array but one object for 2 ids'],
    ['nothing', () => undefined, 'no array but undefined for 2 ids'],
  ])('that gives %s says so to all who waited', async (_what, give, said) => {
    const products = productsOf(cache, {}, async () => give() as Item[]);
    const calls = [products.findMany(['a', 'b']), products.findMany(['b'])];
    const [one, two] = await Promise.all(calls.map((call) => call.catch((reason: unknown) => reason)));
    expect(one).toBe(two);
    expect(one).toMatchObject({
      code: 'CACHE_CONFIG',
      message: expect.stringMatching(
        /^@CachedMany on (Shop\.)?findMany: the method gave .*; return one item for each id/,
      ),
    });
    expect(String(one)).toContain(said);
  });

  it('is asked for all ids at once under bypass, under refresh, in a transaction and while the cache is off', async () => {
    const products = productsOf(cache);
    const both = (): Promise<unknown> => products.findMany(['a', 'b', 'a']);
    await cache.bypass(both);
    await cache.transaction(both);
    cache.enabled = false;
    await both();
    cache.enabled = true;
    await cache.refresh(both);
    await jobs();
    await cache.refresh(both);
    expect(products.asked).toEqual(Array.from({ length: 5 }, () => ['a', 'b']));
    expect(cache.stats()).toMatchObject({ bypassed: 6, misses: 4, hits: 0 });
  });

  it('is asked in a transaction for what is pending there or not cached', async () => {
    const products = productsOf(cache);
    await products.findMany(['a', 'b']);
    await jobs();
    const found = await cache.transaction(async () => {
      version = 1;
      await cache.invalidate('product:b');
      return products.findMany(['a', 'b', 'c']);
    });
    expect(found.map((item) => item?.version)).toEqual([0, 1, 1]);
    expect(products.asked[1]).toEqual(['b', 'c']);
    await products.findMany(['a', 'b', 'c']);
    expect(products.asked[2]).toEqual(['b', 'c']);
  });

  it('has a ttl, tags of the result, and a say for each item', async () => {
    const seen: unknown[] = [];
    const products = productsOf(cache, {
      ttl: (item, id) => (seen.push(['ttl', item?.id, id]), '1h'),
      resultTags: (item, id) => (seen.push(['resultTags', item?.id, id]), []),
      storeWhen: (item, id) => (seen.push(['storeWhen', item?.id, id]), item !== null),
      when: (id) => id !== 'never',
      key: (id) => id.toLowerCase(),
      tags: (id) => `product:${id.toLowerCase()}`,
    });
    await products.findMany(['a', 'none', 'never']);
    await jobs();
    expect(seen).toContainEqual(['ttl', 'a', 'a']);
    expect(seen).toContainEqual(['resultTags', undefined, 'none']);
    await products.findMany(['A', 'none', 'never']);
    expect(products.asked).toEqual([
      ['a', 'none', 'never'],
      ['none', 'never'],
    ]);
  });

  it('is asked for an item of each result tag until it is stored', async () => {
    const products = productsOf(cache, { resultTags: (item) => `version:${item?.version}` });
    for (let time = 0; time < 3; time++) {
      await products.findMany(['a', 'b']);
      await jobs();
    }
    expect(products.asked).toHaveLength(2);
    await setting.other.invalidate('version:0');
    await products.findMany(['a', 'b']);
    expect(products.asked).toHaveLength(3);
  });

  it('gives its tags to the cached method around it, and takes over those of cached calls inside', async () => {
    let price = 1;
    const priceOf = cache.wrap('price', async (id: string) => `${id}:${price}`, { tags: (id) => `price:${id}` });
    const products = productsOf(cache, {}, async (ids) => {
      await Promise.all(ids.map((id) => priceOf(id)));
      return ids.map(itemOf);
    });
    let totals = 0;
    const total = cache.wrap('total', async () => (totals++, (await products.findMany(['a', 'b'])).length));
    await total();
    await jobs();
    await total();
    expect(totals).toBe(1);
    price = 2;
    await setting.other.invalidate('price:a');
    await total();
    expect([totals, products.asked.length]).toEqual([2, 2]);
    await jobs();
    await setting.other.invalidate('product:b');
    await total();
    expect([totals, products.asked[2]]).toEqual([3, ['b']]);
  });

  // findMany(a) calls findMany(b) inside, which calls findMany(a): it must not wait for the first
  it('never waits for itself', async () => {
    let depth = 0;
    const products: Products = productsOf(cache, {}, async (ids) => {
      if (depth++ < 4) await products.findMany(ids[0] === 'a' ? ['b'] : ['a']);
      return ids.map(itemOf);
    });
    expect((await Promise.all([products.findMany(['a']), products.findMany(['b', 'a'])])).map(idsOf)).toEqual([
      ['a'],
      ['b', 'a'],
    ]);
  });

  it('gives each caller items of its own', async () => {
    const products = productsOf(cache);
    const gave = await Promise.all([products.findMany(['a']), products.findMany(['a'])]);
    await jobs();
    gave.push(await products.findMany(['a']));
    expect(new Set(gave.flat()).size).toBe(3);
  });

  it('takes ids that are objects, and each only once', async () => {
    interface Place {
      readonly row: number;
    }
    let asked: readonly Place[] = [];
    class Cells {
      @cache.CachedMany('5m')
      async at(places: readonly Place[]): Promise<number[]> {
        asked = places;
        return places.map(({ row }) => row);
      }
    }
    expect(await new Cells().at([{ row: 1 }, { row: 2 }, { row: 1 }])).toEqual([1, 2, 1]);
    expect(asked).toEqual([{ row: 1 }, { row: 2 }]);
  });

  it('is forgotten for the ids that are named', async () => {
    const products = productsOf(cache);
    await products.findMany(['a', 'b', 'c']);
    await jobs();
    expect(await cache.forget(products, 'findMany', [['a', 'c', 'a']])).toEqual({ status: 'done' });
    await products.findMany(['a', 'b', 'c']);
    expect(products.asked[1]).toEqual(['a', 'c']);
    await jobs();
    await cache.forgetAll(products, 'findMany');
    await products.findMany(['a', 'b', 'c']);
    expect(products.asked[2]).toEqual(['a', 'b', 'c']);
  });

  it('has a key for each id', () => {
    const products = productsOf(cache);
    expect(cache.keyOf(products, 'findMany', [['a']])).toBe("cachette:1:Shop.findMany:'a'");
    expect(() => cache.keyOf(products, 'findMany', [['a', 'b']])).toThrow(
      'there is a key for each id, and there are 2',
    );
  });

  it.each<[string, unknown[], RegExp]>([
    ['one id', ['a'], /called without an array of ids; call it with \[id, …\]/],
    ['nothing', [], /called without an array of ids/],
    ['more than the ids', [['a'], true], /called with 2 arguments, and only the ids identify an item/],
  ])('says what is wrong when it is called with %s', async (_what, args, said) => {
    const products = productsOf(cache) as unknown as { findMany(...args: unknown[]): Promise<unknown> };
    await expect(products.findMany(...args)).rejects.toThrow(said);
    expect(await products.findMany(['a'], undefined)).toHaveLength(1);
  });
});

describe('on a shared store', () => {
  const commands = ({ backend }: SteppedProcess, operation: string): number =>
    backend.sentSoFar.filter((command) => command.operation === operation).length;

  it.each([[3], [150]])('%i elements are read in one command, cold and warm', async (size) => {
    const process = new SteppedProcess();
    const products = productsOf(process.cache);
    const ids = Array.from({ length: size }, (_, n) => `${n}`);
    await products.findMany(ids);
    expect(commands(process, 'getMany')).toBe(1);
    await jobs();
    await products.findMany(ids);
    expect([commands(process, 'getMany'), products.asked.length]).toEqual([2, 1]);
    await process.close();
  });

  it('elements are asked for together, though their generations are made one after the other', async () => {
    const process = new SteppedProcess();
    const products = productsOf(process.cache);
    const making = process.backend.sent('add', 'product:a');
    const call = products.findMany(['a', 'b']);
    const add = await making;
    await jobs();
    expect(products.asked).toEqual([]);
    await add.answer();
    await call;
    expect(products.asked).toEqual([['a', 'b']]);
    await process.close();
  });

  it('is asked for all where the store does not answer', async () => {
    const process = new SteppedProcess();
    const reading = process.backend.sent('getMany');
    const products = productsOf(process.cache);
    const call = products.findMany(['a', 'b']);
    await (await reading).fail();
    expect(idsOf(await call)).toEqual(['a', 'b']);
    expect(products.asked).toEqual([['a', 'b']]);
    await process.close();
  });
});

describe('on Redis', () => {
  let redis: RedisTestServer;
  let caches: [here: Cache, there: Cache];

  beforeAll(async () => {
    redis = await startRedis({});
    caches = [createCache(redis.uri, { deadline: '5s' }), createCache(redis.uri, { deadline: '5s' })];
  });

  afterAll(async () => {
    await Promise.all(caches.map((cache) => cache.close()));
    await redis.stop();
  });

  it('is asked in each process for what no process has stored', async () => {
    const [mine, theirs] = caches.map((cache) => productsOf(cache)) as [Products, Products];
    await mine.findMany(['a', 'b']);
    const stored = async (): Promise<boolean> => (await redis.cli('KEYS', '*.findMany:*')).split('\n').length === 2;
    await until('both entries stand on the server', stored);
    expect(idsOf(await theirs.findMany(['b', 'none', 'a']))).toEqual(['b', undefined, 'a']);
    expect(theirs.asked).toEqual([['none']]);
    version = 1;
    await caches[1].invalidate('product:a');
    expect((await mine.findMany(['a', 'b'])).map((item) => item?.version)).toEqual([1, 0]);
    expect(mine.asked[1]).toEqual(['a']);
  });
});
