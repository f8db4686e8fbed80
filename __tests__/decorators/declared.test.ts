/** What is decorated is listed while somebody looks on, and by nobody else. */

import { createCache } from 'cachette';
import { listDeclared } from '../../src/decorators/declared.js';

const cache = createCache();

function decorate(): object {
  class Products {
    @cache.Invalidates('products')
    @cache.Cached('5m', { tags: 'products' })
    async find(id: string): Promise<string> {
      return id;
    }
  }
  return new Products();
}

it('lists each decorator and each wrapped function, with its cache and its options', () => {
  const { list, close } = listDeclared();
  const service = decorate() as { readonly find: object };
  const rates = cache.wrap('rates', async () => 1, { ttl: '1m' });
  close();
  expect(list.map(({ kind, name, cache: of }) => [kind, name, of()])).toEqual([
    ['cached', 'find', cache],
    ['invalidates', 'find', cache],
    ['wrapped', 'rates', cache],
  ]);
  const [cached, invalidates, wrapped] = list;
  expect(invalidates!.original).toBe(cached!.wrapper);
  expect(invalidates!.wrapper).toBe(service.find);
  expect(wrapped!.wrapper).toBe(rates);
  expect(cached!.options).toMatchObject({ ttl: '5m', tags: 'products' });
  expect(wrapped!.options).toEqual({ ttl: '1m', name: 'rates' });
  expect(invalidates!.holders).toEqual([service.constructor.prototype]);
});

it('keeps nothing before and afterwards', () => {
  const before = decorate();
  const { list, close } = listDeclared();
  close();
  expect([before, decorate(), list]).toEqual([before, expect.anything(), []]);
  expect(Reflect.get(globalThis, Symbol.for('cachette.declared'))).toBeUndefined();
});
