import { CachedMany, cacheMetadata, createCache, defaultCache, setDefaultCache } from 'cachette';
import { fresh, methodIn, pathOf, Route, Traced } from './fresh.js';

// What a compiler would refuse too; people without types meet the message.
type Loose = (target: unknown, context?: unknown, descriptor?: unknown) => void;
const Loosely = (decorator: unknown): Loose => decorator as Loose;

const inLegacy = DIALECT === 'legacy';

function setup() {
  const made = fresh();
  const { CachedMany: Many, Invalidates } = made;
  class Products {
    readonly asked: number[][] = [];
    readonly unit = 'g';

    @Route('/products')
    @Many({
      tags(id) {
        return `${this.unit}:${id}`;
      },
      ttl: (item) => (item.length > 9 ? '1m' : '1h'),
    })
    async findMany(ids: readonly number[]): Promise<string[]> {
      this.asked.push([...ids]);
      return ids.map((id) => `${id}${this.unit}`);
    }

    @Traced
    @Many('5m')
    async traced(ids: number[]): Promise<number[]> {
      this.asked.push(ids);
      return ids;
    }

    @Many('5m')
    static async all(ids: string[]): Promise<string[]> {
      return ids;
    }

    @Invalidates((id) => `g:${id}`)
    async update(id: number): Promise<number> {
      return id;
    }
  }
  return { ...made, Products, products: new Products() };
}

describe('a method with many ids', () => {
  it('is asked for the missing ones, with its object as this', async () => {
    const { products } = setup();
    expect(await products.findMany([2, 1, 2])).toEqual(['2g', '1g', '2g']);
    expect(await products.findMany([3, 1])).toEqual(['3g', '1g']);
    await products.update(1);
    expect(await products.findMany([1, 2, 3])).toEqual(['1g', '2g', '3g']);
    expect(products.asked).toEqual([[2, 1], [3], [1]]);
  });

  it('keeps its name, length, metadata, and tells its options', () => {
    const { Products } = setup();
    const { findMany } = Products.prototype;
    expect([findMany.name, findMany.length, pathOf(findMany)]).toEqual(['findMany', 1, '/products']);
    expect(cacheMetadata(findMany)?.cachedMany?.tags).toBeInstanceOf(Function);
    expect(cacheMetadata(findMany)?.cached).toBeUndefined();
  });

  it('has entries under the names of its class and method, static too', () => {
    const { cache, Products, products } = setup();
    const key = cache.keyOf(products, 'findMany', [[1]]);
    expect([methodIn(key), key.endsWith(':1')]).toEqual(['Products.findMany', true]);
    expect(methodIn(cache.keyOf(Products, 'all', [['1']]))).toBe('Products.all');
  });

  it('is found to be forgotten, also behind a decorator of somebody else', async () => {
    const { cache, products } = setup();
    await products.traced([1, 2]);
    await cache.forget(products, 'traced', [[2]]);
    await products.traced([1, 2]);
    await cache.forgetAll(products, products.traced);
    await products.traced([1, 2]);
    expect(products.asked).toEqual([[1, 2], [2], [1, 2]]);
  });

  it('belongs to its runtime class', async () => {
    const { Products } = setup();
    class Books extends Products {}
    const books = new Books();
    await new Products().findMany([1]);
    await books.findMany([1]);
    expect(books.asked).toEqual([[1]]);
  });
});

describe('the imported CachedMany', () => {
  class Products {
    asked = 0;

    @CachedMany('5m')
    async findMany(ids: string[]): Promise<string[]> {
      this.asked++;
      return ids;
    }
  }

  it('uses the default cache', async () => {
    setDefaultCache(createCache('memory://'));
    const products = new Products();
    await products.findMany(['1']);
    expect([await products.findMany(['1']), products.asked]).toEqual([['1'], 1]);
    await defaultCache().forget(products, 'findMany', [['1']]);
    await products.findMany(['1']);
    expect(products.asked).toBe(2);
  });
});

describe('a wrong use says what to write instead', () => {
  it.each<[string, unknown[], RegExp]>([
    ['no options', [], /@CachedMany: there is neither a ttl nor are there options; write @CachedMany\('5m'\)/],
    ['two ttls', ['5m', { ttl: '1m' }], /@CachedMany: there are two ttls/],
    ['an unknown option', [{ slidng: true }], /@CachedMany: there is no option 'slidng'; did you mean 'sliding'\?/],
  ])('%s', (_what, args, message) => {
    expect(() => Loosely(CachedMany)(...(args as [unknown]))).toThrow(message);
  });

  it('no parentheses', () => {
    expect(() => {
      class Products {
        @Loosely(CachedMany)
        async findMany(ids: string[]): Promise<string[]> {
          return ids;
        }
      }
      return Products;
    }).toThrow("@CachedMany: it stands without parentheses; write @CachedMany('5m').");
  });

  it('two of them, or one with @Cached', () => {
    const { Cached, CachedMany: Many } = fresh();
    const where = (name: string): string => `${name} on ${inLegacy ? 'Products.' : ''}findMany`;
    expect(() => {
      class Products {
        @Many('5m')
        @Many('5m')
        async findMany(ids: string[]): Promise<string[]> {
          return ids;
        }
      }
      return Products;
    }).toThrow(`${where('@CachedMany')}: the method has a second @CachedMany; write one, with the options of both.`);
    expect(() => {
      class Products {
        @Cached('5m')
        @Many('5m')
        async findMany(ids: string[]): Promise<string[]> {
          return ids;
        }
      }
      return Products;
    }).toThrow(
      `${where('@Cached')}: the method has both @Cached and @CachedMany; write one, with the options of both.`,
    );
  });
});
