import { cacheMetadata } from 'cachette';
import { fresh, pathOf, Route, Traced } from './fresh.js';

describe('@Invalidates and @Cached above one method', () => {
  it('invalidate after each call where @Invalidates is outside', async () => {
    const { Cached, Invalidates } = fresh();
    let runs = 0;
    class Products {
      @Invalidates('products')
      @Cached('5m', { tags: 'products' })
      async find(): Promise<number> {
        return ++runs;
      }
    }
    const products = new Products();
    expect([await products.find(), await products.find()]).toEqual([1, 2]);
  });

  it('invalidate only where the method runs if @Cached is outside', async () => {
    const { Cached, Invalidates } = fresh();
    let [runs, lists] = [0, 0];
    class Products {
      @Cached('5m')
      @Invalidates('lists')
      async refresh(): Promise<number> {
        return ++runs;
      }

      @Cached('5m', { tags: 'lists' })
      async list(): Promise<number> {
        return ++lists;
      }
    }
    const products = new Products();
    expect(await products.list()).toBe(1);
    expect([await products.refresh(), await products.refresh()]).toEqual([1, 1]);
    expect(await products.list()).toBe(2);
    await products.refresh();
    expect(await products.list()).toBe(2);
  });

  it('are both in the metadata', () => {
    const { Cached, Invalidates } = fresh();
    class Products {
      @Invalidates('b')
      @Cached('5m', { sliding: true })
      @Invalidates({ tags: 'a', on: 'success' })
      async find(): Promise<void> {}

      async plain(): Promise<void> {}
    }
    expect(cacheMetadata(Products.prototype.find)).toEqual({
      cached: { ttl: '5m', sliding: true },
      invalidates: [{ tags: 'a', on: 'success' }, { tags: 'b' }],
    });
    expect(cacheMetadata(Products.prototype.plain)).toBeUndefined();
  });

  it('are several @Invalidates if they need be', async () => {
    const { Cached, Invalidates } = fresh();
    let runs = 0;
    class Products {
      @Cached('5m', { tags: 'a' })
      async a(): Promise<number> {
        return ++runs;
      }

      @Cached('5m', { tags: 'b' })
      async b(): Promise<number> {
        return ++runs;
      }

      @Invalidates('a')
      @Invalidates('b')
      async change(): Promise<void> {}
    }
    const products = new Products();
    expect([await products.a(), await products.b()]).toEqual([1, 2]);
    await products.change();
    expect([await products.a(), await products.b()]).toEqual([3, 4]);
  });
});

describe('two @Cached above one method', () => {
  it('are refused', () => {
    const { Cached } = fresh();
    expect(() => {
      class Products {
        @Cached('5m')
        @Cached('1m')
        async find(): Promise<void> {}
      }
      return Products;
    }).toThrow(/@Cached on (Products\.)?find: the method has a second @Cached; write one/);
  });
});

describe('the decorators of somebody else', () => {
  it('keep their metadata, above and below', async () => {
    const { Cached, Invalidates } = fresh();
    class Products {
      @Route('/above')
      @Cached('5m')
      async above(): Promise<string> {
        return 'above';
      }

      @Cached('5m')
      @Route('/below')
      async below(): Promise<string> {
        return 'below';
      }

      @Invalidates('products')
      @Cached('5m')
      @Route('/deep')
      async deep(): Promise<string> {
        return 'deep';
      }

      @Cached('5m')
      @Route('/static')
      static async ofClass(): Promise<string> {
        return 'static';
      }
    }
    expect(pathOf(Products.prototype.above)).toBe('/above');
    expect(pathOf(Products.prototype.below)).toBe('/below');
    expect(pathOf(Products.prototype.deep)).toBe('/deep');
    expect(pathOf(Products.ofClass)).toBe('/static');
    expect(await new Products().deep()).toBe('deep');
  });

  it('may wrap the method, outside and inside', async () => {
    const { Cached, cache } = fresh();
    let runs = 0;
    class Products {
      @Traced
      @Cached('5m')
      async outside(): Promise<number> {
        return ++runs;
      }

      @Cached('5m')
      @Traced
      async inside(): Promise<number> {
        return ++runs;
      }
    }
    const products = new Products();

    expect([await products.outside(), await products.outside()]).toEqual([1, 1]);
    expect([await products.inside(), await products.inside()]).toEqual([2, 2]);
    expect(cache.keyOf(products, 'outside', [])).toMatch(/Products\.outside/);
    expect(cache.keyOf(products, 'inside', [])).toMatch(/Products\.inside/);
  });
});
