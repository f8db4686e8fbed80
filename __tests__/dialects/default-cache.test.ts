import { Cached, createCache, defaultCache, Invalidates, setDefaultCache } from 'cachette';

let runs = 0;

class Products {
  @Cached('5m', { tags: 'products' })
  async find(id: string): Promise<string> {
    return `${id} ${++runs}`;
  }

  @Invalidates('products')
  async update(): Promise<void> {}

  @Cached('5m')
  static async all(): Promise<number> {
    return ++runs;
  }
}

const products = new Products();

beforeEach(() => {
  runs = 0;
  setDefaultCache(createCache('memory://'));
});

test('the imported decorators use the default cache', async () => {
  expect([await products.find('1'), await products.find('1')]).toEqual(['1 1', '1 1']);
  await products.update();
  expect(await products.find('1')).toBe('1 2');
  expect([await Products.all(), await Products.all()]).toEqual([3, 3]);
});

test('another default cache is used by methods that are decorated already', async () => {
  await products.find('1');
  setDefaultCache(createCache('memory://', { namespace: 'other' }));
  expect(await products.find('1')).toBe('1 2');
  expect(defaultCache().keyOf(products, 'find', ['1'])).toMatch(/^other:/);
});

test('entries of the default cache can be forgotten', async () => {
  await products.find('1');
  await defaultCache().forget(products, 'find', ['1']);
  expect(await products.find('1')).toBe('1 2');
  await defaultCache().forgetAll(products, 'find');
  expect(await products.find('1')).toBe('1 3');
});
