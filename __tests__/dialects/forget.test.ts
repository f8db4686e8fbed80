import { fresh, methodIn, Traced } from './fresh.js';

function setup() {
  const made = fresh();
  const { Cached, Invalidates, cache } = made;
  const runs: string[] = [];
  class Products {
    @Cached('5m')
    async find(id: string): Promise<string> {
      runs.push(id);
      return id;
    }

    @Traced
    @Cached('5m')
    async traced(id: string): Promise<string> {
      runs.push(id);
      return id;
    }

    @Cached('5m')
    static async all(limit: number): Promise<number> {
      runs.push(`all ${limit}`);
      return limit;
    }

    @Cached('5m')
    private async hidden(id: string): Promise<string> {
      runs.push(`hidden ${id}`);
      return id;
    }

    @Invalidates('products')
    async change(): Promise<void> {}

    async useHidden(id: string): Promise<string> {
      return this.hidden(id);
    }

    async forgetInside(id: string): Promise<void> {
      await cache.forget(this, this.find, [id]);
      await cache.forget(this, this.hidden, [id]);
    }
  }
  return { ...made, runs, Products, products: new Products() };
}

describe('forget', () => {
  it.each(['find', 'traced'] as const)('removes one call: %s', async (method) => {
    const { cache, products, runs } = setup();
    await products[method]('1');
    await products[method]('2');
    await cache.forget(products, method, ['1']);
    await products[method]('1');
    await products[method]('2');
    expect(runs).toEqual(['1', '2', '1']);

    await cache.forget(products, products[method], ['2']);
    await products[method]('2');
    expect(runs).toEqual(['1', '2', '1', '2']);
  });

  it('removes one call of a static method', async () => {
    const { cache, Products, runs } = setup();
    await Products.all(10);
    await cache.forget(Products, 'all', [10]);
    await Products.all(10);
    expect(runs).toEqual(['all 10', 'all 10']);
  });

  it('removes calls inside the class, also of methods that only TypeScript calls private', async () => {
    const { products, runs } = setup();
    await products.find('1');
    await products.useHidden('1');
    await products.forgetInside('1');
    await products.find('1');
    await products.useHidden('1');
    expect(runs).toEqual(['1', 'hidden 1', '1', 'hidden 1']);
  });

  it('removes the calls of the class alone', async () => {
    const { cache, Products, products, runs } = setup();
    class Derived extends Products {}
    const derived = new Derived();
    await products.find('1');
    await derived.find('1');
    await cache.forget(derived, 'find', ['1']);
    await products.find('1');
    expect(runs).toEqual(['1', '1']);
    await derived.find('1');
    expect(runs).toEqual(['1', '1', '1']);
  });

  it('refuses what is not cached', () => {
    const { cache, products } = setup();
    expect(() => cache.forget(products, 'change', [])).toThrow(/change is not a cached method/);
    expect(() => cache.forget(products, products.forgetInside, ['1'])).toThrow(/forgetInside is not a cached method/);
    expect(() => cache.forget(products, 'missing' as 'find', ['1'])).toThrow(/missing is not a cached method/);
  });
});

describe('forgetAll', () => {
  it('removes every call of one method', async () => {
    const { cache, products, runs } = setup();
    await products.find('1');
    await products.traced('1');
    await cache.forgetAll(products, 'find');
    await products.find('1');
    await products.traced('1');
    expect(runs).toEqual(['1', '1', '1']);
  });
});

describe('keyOf', () => {
  it('has the runtime class and the method in it', () => {
    const { cache, Products, products } = setup();
    expect(methodIn(cache.keyOf(products, 'find', ['1']))).toBe('Products.find');
    expect(methodIn(cache.keyOf(Products, 'all', [1]))).toBe('Products.all');
  });
});
