import { AsyncLocalStorage } from 'node:async_hooks';
import { createCache, type Mismatch } from 'cachette';
import { Keyv } from 'keyv';

/** A service whose writes may forget to invalidate, and what `verify` has found when the cache is closed. */
function service(verify = 1) {
  const cache = createCache('memory://');
  const mismatches: Mismatch[] = [];
  cache.on('mismatch', (mismatch) => mismatches.push(mismatch));
  const prices = new Map([['1', { name: 'pen', price: 10 }]]);
  const runs = { count: 0 };
  class Products {
    @cache.Cached({ ttl: '5m', verify, tags: (id) => `product:${id}` })
    async find(id: string): Promise<{ name: string; price: number } | undefined> {
      runs.count++;
      return prices.get(id);
    }

    async forgetful(id: string, price: number): Promise<void> {
      prices.set(id, { name: 'pen', price });
    }

    @cache.Invalidates((id) => `product:${id}`)
    async update(id: string, price: number): Promise<void> {
      prices.set(id, { name: 'pen', price });
      await new Promise(setImmediate);
      await new Promise(setImmediate);
    }
  }
  return { cache, mismatches, products: new Products(), prices, runs };
}

describe('verify', () => {
  it('finds a write that has invalidated nothing, and says where the values differ', async () => {
    const { cache, mismatches, products } = service();
    await products.find('1');
    await products.forgetful('1', 12);
    expect(await products.find('1')).toEqual({ name: 'pen', price: 10 });
    await cache.close();
    expect(mismatches).toEqual([
      {
        method: 'Products.find',
        key: expect.stringContaining('Products.find'),
        tags: ['product:1'],
        differences: ['.price: number, another one'],
      },
    ]);
    expect(cache.stats().methods['Products.find']?.mismatches).toBe(1);
  });

  it('finds nothing where each write invalidates, also while one is running', async () => {
    const { cache, mismatches, products } = service();
    await products.find('1');
    const writing = products.update('1', 12);
    await products.find('1');
    await writing;
    await products.find('1');
    await products.find('1');
    await cache.close();
    expect(mismatches).toEqual([]);
  });

  it('tells of an entry once', async () => {
    const { cache, mismatches, products } = service();
    await products.find('1');
    await products.forgetful('1', 12);
    for (let i = 0; i < 5; i++) await products.find('1');
    await cache.close();
    expect(mismatches).toHaveLength(1);
  });

  it('runs the method for the given fraction of hits', async () => {
    const random = jest.spyOn(Math, 'random');
    const { cache, products, runs } = service(0.25);
    await products.find('1');
    for (const value of [0.1, 0.3, 0.2, 0.9]) {
      random.mockReturnValue(value);
      await products.find('1');
      await new Promise(setImmediate);
    }
    random.mockRestore();
    await cache.close();
    expect(runs.count).toBe(1 + 2);
  });

  it('runs the method once at a time, and for each key that waits once', async () => {
    const cache = createCache();
    let [running, most, runs] = [0, 0, 0];
    const find = cache.wrap(
      'find',
      async (id: number) => {
        most = Math.max(most, ++running);
        runs++;
        await new Promise(setImmediate);
        running--;
        return id;
      },
      { verify: 1 },
    );
    await find(1);
    await find(2);
    for (let i = 0; i < 3; i++) for (const id of [1, 2]) await find(id);
    await cache.close();
    // key 1 runs at once; while it does, key 2 and once more key 1 wait
    expect([most, runs]).toEqual([1, 2 + 3]);
  });

  it('reports a method that fails where some hits are verified, and nobody else hears of it', async () => {
    jest.spyOn(Math, 'random').mockReturnValue(0);
    const cache = createCache();
    const errors: string[] = [];
    cache.on('error', ({ code }) => errors.push(code));
    let isDown = false;
    const find = cache.wrap('find', async () => (isDown ? Promise.reject(new Error('down')) : 1), { verify: 0.5 });
    await find();
    isDown = true;
    expect(await find()).toBe(1);
    expect(await cache.verified()).toEqual([]);
    await cache.close();
    expect(errors).toEqual(['background']);
    jest.restoreAllMocks();
  });

  it('takes it for a difference where all hits are verified: what was deleted is not found any more', async () => {
    const cache = createCache();
    class NotFoundError extends Error {}
    const rows = new Map([['1', { name: 'pen' }]]);
    const find = cache.wrap(
      'find',
      async (id: string) => {
        const row = rows.get(id);
        if (!row) throw new NotFoundError(`no row ${id}`);
        return row;
      },
      { verify: 1 },
    );
    await find('1');
    rows.delete('1');
    expect(await find('1')).toEqual({ name: 'pen' });
    expect(await cache.verified()).toMatchObject([{ differences: ['result: object, now NotFoundError is thrown'] }]);
  });

  it('runs the method when the hit has been returned, and before its caller goes on', async () => {
    const { products, runs, prices, cache } = service();
    await products.find('1');
    const hit = products.find('1');
    expect(runs.count).toBe(1);
    await hit;
    expect(runs.count).toBe(2);
    prices.set('1', { name: 'pen', price: 12 });
    expect(await cache.verified()).toEqual([]);
  });

  it('asks the source, not the cache, for what the method calls inside', async () => {
    const cache = createCache();
    const mismatches: Mismatch[] = [];
    cache.on('mismatch', (mismatch) => mismatches.push(mismatch));
    let price = 1;
    const inner = cache.wrap('inner', async () => price);
    const outer = cache.wrap('outer', async () => (await inner()) * 2, { verify: 1 });
    await outer();
    price = 2;
    await outer();
    await cache.close();
    expect(mismatches.map(({ method }) => method)).toEqual(['outer']);
  });

  it('verifies each element of a method that takes many ids', async () => {
    const cache = createCache();
    const mismatches: Mismatch[] = [];
    cache.on('mismatch', (mismatch) => mismatches.push(mismatch));
    const prices = new Map([
      [1, 10],
      [2, 20],
    ]);
    class Products {
      @cache.CachedMany({ verify: 1, tags: (id) => `product:${id}` })
      async prices(ids: number[]): Promise<(number | undefined)[]> {
        return ids.map((id) => prices.get(id));
      }
    }
    const products = new Products();
    await products.prices([1, 2]);
    prices.set(2, 21);
    expect(await products.prices([1, 2])).toEqual([10, 20]);
    await cache.close();
    expect(mismatches).toMatchObject([{ tags: ['product:2'], differences: ['result: number, another one'] }]);
  });

  it('sees on a shared store that an entry was invalidated in the meantime', async () => {
    const store = new Keyv();
    const cache = createCache(store);
    const mismatches: Mismatch[] = [];
    cache.on('mismatch', (mismatch) => mismatches.push(mismatch));
    let price = 1;
    const find = cache.wrap('find', async () => price, { verify: 1, tags: 'price' });
    await find();
    await cache.close();
    const [reader, writer] = [createCache(store), createCache(store)];
    reader.on('mismatch', (mismatch) => mismatches.push(mismatch));
    const read = reader.wrap('find', async () => price, { verify: 1, tags: 'price' });
    price = 2;
    expect(await read()).toBe(1);
    await writer.invalidate('price');
    await reader.close();
    await writer.close();
    expect(mismatches).toEqual([]);
  });

  it('does not take a look without a method for a hit that could be verified', async () => {
    const cache = createCache('memory://', { defaults: { verify: 1 } });
    const mismatches: Mismatch[] = [];
    cache.on('mismatch', (mismatch) => mismatches.push(mismatch));
    await cache.getOrLoad('settings', async () => ({ theme: 'dark' }));
    expect(await cache.get('settings')).toEqual({ theme: 'dark' });
    await cache.close();
    expect(mismatches).toEqual([]);
  });

  it('survives a method that throws what has no text', async () => {
    jest.spyOn(Math, 'random').mockReturnValue(0);
    const cache = createCache();
    const messages: string[] = [];
    cache.on('error', ({ message }) => messages.push(message));
    let fails = false;
    const find = cache.wrap('find', async () => (fails ? Promise.reject(Object.create(null) as Error) : 1), {
      verify: 0.5,
    });
    await find();
    fails = true;
    await find();
    await cache.close();
    expect(messages).toEqual(["wrap('find'): a hit could not be verified: something without a text"]);
    jest.restoreAllMocks();
  });

  it('has verified everything that waited when the cache is closed, and runs nothing afterwards', async () => {
    const cache = createCache('memory://', { deadline: 10 });
    const mismatches: Mismatch[] = [];
    cache.on('mismatch', (mismatch) => mismatches.push(mismatch));
    let [version, runs] = [1, 0];
    const find = cache.wrap(
      'find',
      async (_id: number) => {
        runs++;
        await new Promise((resolve) => setTimeout(resolve, 5));
        return version;
      },
      { verify: 1 },
    );
    const ids = Array.from({ length: 30 }, (_, id) => id);
    await Promise.all(ids.map((id) => find(id)));
    version = 2;
    await Promise.all(ids.map((id) => find(id)));
    await cache.close();
    expect(mismatches).toHaveLength(30);
    expect(runs).toBe(60);
    await new Promise(setImmediate);
    expect(runs).toBe(60);
  });

  it('gives up a run that hangs, by the limit that the method has, and begins no other one until it has ended', async () => {
    const cache = createCache();
    const errors: string[] = [];
    cache.on('error', ({ message }) => errors.push(message));
    let release = (): void => {};
    let hangs = false;
    const runs: number[] = [];
    const signals: AbortSignal[] = [];
    const find = cache.wrap(
      'find',
      async (id: number) => {
        runs.push(id);
        signals.push(cache.signal());
        if (hangs) await new Promise<void>((resolve) => (release = resolve));
        return id;
      },
      { verify: 1, timeout: { hard: 20 } },
    );
    await find(1);
    await find(2);
    hangs = true;
    await find(1);
    await find(2);
    await cache.verified();
    expect(errors).toEqual([
      "wrap('find'): a hit could not be verified: DeadlineError: no answer within 20 ms",
      'find: hits that were not verified: 1',
    ]);
    expect(signals.at(-1)?.aborted).toBe(true);
    await find(2);
    await cache.verified();
    expect(runs).toEqual([1, 2, 1]);
    hangs = false;
    release();
    await new Promise(setImmediate);
    await find(2);
    await cache.verified();
    expect(runs).toEqual([1, 2, 1, 2]);
    await cache.close();
  });

  it('says nothing where the arguments were changed while the method ran', async () => {
    const cache = createCache();
    let proceed = (): void => {};
    const find = cache.wrap(
      'find',
      async (at: { x: number }) => {
        await new Promise<void>((resolve) => (proceed = resolve));
        return at.x;
      },
      { verify: 1 },
    );
    const at = { x: 1 };
    const first = find(at);
    await new Promise(setImmediate);
    proceed();
    await first;
    await find(at);
    at.x = 2;
    proceed();
    expect(await cache.verified()).toEqual([]);
    await cache.close();
  });

  it("runs the method as the call's own tenant", async () => {
    const tenant = new AsyncLocalStorage<string>();
    const cache = createCache('memory://', { partition: () => tenant.getStore() });
    const seen: (string | undefined)[] = [];
    const find = cache.wrap('find', async () => seen.push(tenant.getStore()), { verify: 1 });
    for (let i = 0; i < 2; i++) await Promise.all(['a', 'b', 'c'].map((name) => tenant.run(name, () => find())));
    await cache.close();
    expect(seen).toEqual(['a', 'b', 'c', 'a', 'b', 'c']);
  });

  it("gives the method a signal of its own, as the caller's may be aborted by then", async () => {
    const cache = createCache();
    const errors: string[] = [];
    cache.on('error', ({ message }) => errors.push(message));
    const aborted: boolean[] = [];
    const find = cache.wrap(
      'find',
      async (signal: AbortSignal) => {
        await new Promise(setImmediate);
        aborted.push(signal.aborted);
        signal.throwIfAborted();
      },
      { verify: 1 },
    );
    await find(new AbortController().signal);
    const request = new AbortController();
    await find(request.signal);
    request.abort();
    await cache.close();
    expect([aborted, errors]).toEqual([[false, false], []]);
  });
});

describe('what is invalidated later', () => {
  /** `remove` does what it should. */
  function shop() {
    const { cache, mismatches, products, prices } = service();
    const remove = cache.Invalidates((id: string) => `product:${id}`);
    class Shop {
      @remove
      async remove(id: string): Promise<void> {
        prices.delete(id);
      }
    }
    return { cache, mismatches, products, prices, shop: new Shop() };
  }

  it('excuses nothing if the write began when the difference was seen already', async () => {
    const { mismatches, products, shop: shopping } = shop();
    await products.find('1');
    await products.forgetful('1', 12);
    await products.find('1');
    await new Promise(setImmediate);
    await shopping.remove('1');
    expect(mismatches).toMatchObject([{ differences: ['.price: number, another one'] }]);
  });

  it('nor if it is a transaction', async () => {
    const { cache, mismatches, products } = shop();
    await products.find('1');
    await products.forgetful('1', 12);
    await products.find('1');
    await new Promise(setImmediate);
    await cache.transaction(() => cache.invalidate('product:1'));
    expect(mismatches).toHaveLength(1);
  });

  it.each([
    ['by hand', ({ cache }: ReturnType<typeof shop>) => cache.invalidate('product:1')],
    ['altogether', ({ cache }: ReturnType<typeof shop>) => cache.clear()],
    [
      'by forgetting the entry',
      ({ cache, products }: ReturnType<typeof shop>) => cache.forget(products, 'find', ['1']),
    ],
  ])('was perhaps written by hand where it is invalidated %s', async (_, invalidate) => {
    const given = shop();
    const { mismatches, products } = given;
    await products.find('1');
    await products.forgetful('1', 12);
    await products.find('1');
    await new Promise(setImmediate);
    await invalidate(given);
    await given.cache.close();
    expect(mismatches).toEqual([]);
  });

  it('is no doubt any more when somebody has waited for it, as between two tests', async () => {
    const { cache, mismatches, products } = shop();
    await products.find('1');
    await products.forgetful('1', 12);
    await products.find('1');
    expect(await cache.verified()).toMatchObject([{ method: 'Products.find' }]);
    await cache.clear();
    expect(await cache.verified()).toEqual([]);
    expect(mismatches).toHaveLength(1);
    await products.find('1');
    await products.forgetful('1', 13);
    await products.find('1');
    expect(await cache.verified()).toHaveLength(1);
  });

  it('does not hold up what else is to be verified', async () => {
    const { cache, products, prices, runs } = { ...shop(), ...{ runs: [] as string[] } };
    const find = cache.wrap('names', async (id: string) => (runs.push(id), prices.get(id)?.price), { verify: 1 });
    for (const id of ['1', '2', '3']) await find(id);
    await products.forgetful('1', 12);
    for (const id of ['1', '2', '3']) await find(id);
    await new Promise(setImmediate);
    expect(runs).toEqual(['1', '2', '3', '1', '2', '3']);
    await cache.close();
  });
});
