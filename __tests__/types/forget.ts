/** One call of a method, named by service, method and arguments. Compiled in both dialects, never run. */

import { createCache } from 'cachette';

const cache = createCache('memory://');
const key: unique symbol = Symbol('key');

class Products {
  readonly table: string = 'products';

  @cache.Cached('5m')
  async find(id: string, deep?: boolean): Promise<string> {
    return id + String(deep);
  }

  @cache.Cached('5m')
  async [key](id: number): Promise<number> {
    return id;
  }

  @cache.Cached('5m')
  async generic<T>(value: T): Promise<T> {
    return value;
  }

  @cache.Cached('5m')
  private async hidden(id: number): Promise<number> {
    return id;
  }

  @cache.Cached('5m')
  static async all(limit: number): Promise<string[]> {
    return [`${limit}`];
  }

  sync(id: string): string {
    return id;
  }

  // By the function: the names of a polymorphic `this` are not known to the compiler, private ones to nobody else.
  async forgetInside(id: string): Promise<void> {
    await cache.forget(this, this.find, [id, true]);
    await cache.forget(this, this.hidden, [1]);
    await cache.forgetAll(this, this.hidden);
    // @ts-expect-error -- hidden takes a number
    await cache.forget(this, this.hidden, ['1']);
  }
}

const products = new Products();

void cache.forget(products, 'find', ['1']);
void cache.forget(products, 'find', ['1', true]);
void cache.forget(products, key, [1]);
void cache.forget(products, 'generic', [{ any: 'thing' }]);
void cache.forget(products, products.find, ['1']);
void cache.forget(Products, 'all', [10]);
void cache.forgetAll(products, 'find');
void cache.forgetAll(Products, 'all');
void cache.forgetAll(products, products.find);
void cache.keyOf(products, 'find', ['1']);

// @ts-expect-error -- an id is a string
void cache.forget(products, 'find', [1]);
// @ts-expect-error -- an id is needed
void cache.forget(products, 'find', []);
// @ts-expect-error -- too many arguments
void cache.forget(products, 'find', ['1', true, 3]);
// @ts-expect-error -- no such method
void cache.forget(products, 'fnd', ['1']);
// @ts-expect-error -- not a method
void cache.forget(products, 'table', []);
// @ts-expect-error -- not async, so not cached
void cache.forget(products, 'sync', ['1']);
// @ts-expect-error -- private: only its class can name it
void cache.forget(products, 'hidden', [1]);
// @ts-expect-error -- the arguments are an array
void cache.forget(products, 'find', '1');
// @ts-expect-error -- not a method
void cache.forgetAll(products, 'table');
// @ts-expect-error -- not async, so not cached
void cache.forgetAll(products, products.sync);
// @ts-expect-error -- no such method
void cache.keyOf(products, 'fnd', ['1']);
