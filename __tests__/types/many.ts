/** `@CachedMany`: what is inferred, and what must not compile. Compiled in both dialects, never run. */

import { CachedMany, type CachedManyOptions, createCache } from 'cachette';
import { exactly } from './same.js';

interface Product {
  readonly id: string;
  readonly price: number;
}

const cache = createCache('memory://', { tagKinds: ['product'] });

export class Products {
  readonly tenant: string = 'acme';

  @CachedMany({
    ttl: (item, id) => (exactly<Product | null>()(item) && exactly<string>()(id) ? '5m' : 1000),
    tags(id) {
      exactly<Products>()(this);
      exactly<string>()(id);
      return [`product:${id}`, this.tenant];
    },
    resultTags: (item, id) => (exactly<Product | null>()(item) && item ? item.id : id),
    key: (id) => id.toUpperCase(),
    when: (id) => exactly<string>()(id) && id !== '',
    storeWhen: (item) => exactly<Product | null>()(item) && item !== null,
    per: (self) => (exactly<Products>()(self) ? self.tenant : ''),
    sliding: true,
  })
  async findMany(ids: string[]): Promise<(Product | null)[]> {
    return ids.map(() => null);
  }

  @CachedMany('5m')
  async ttlAlone(ids: readonly number[]): Promise<readonly number[]> {
    return ids;
  }

  @CachedMany('5m', { tags: ({ row }) => `row:${row}`, storeWhen: (cell) => exactly<bigint>()(cell) })
  async objects(ids: readonly { readonly row: number }[]): Promise<bigint[]> {
    return ids.map(({ row }) => BigInt(row));
  }

  @CachedMany({ tags: (id) => (exactly<number>()(id) ? 'x' : []) })
  like(ids: number[]): PromiseLike<number[]> {
    return Promise.resolve(ids);
  }

  @CachedMany({
    tags(id) {
      exactly<typeof Products>()(this);
      return id;
    },
  })
  static async all(ids: string[]): Promise<string[]> {
    return ids;
  }

  @CachedMany('5m')
  async generic<T extends string>(ids: T[]): Promise<T[]> {
    return ids;
  }

  @CachedMany({ tags: (id) => (exactly<string>()(id) ? id : []) })
  private async hidden(ids: string[]): Promise<string[]> {
    return ids;
  }

  @cache.CachedMany({ tags: (id) => `product:${id}`, resultTags: 'product' })
  async kinds(ids: string[]): Promise<string[]> {
    return ids;
  }

  async forgetInside(): Promise<void> {
    await cache.forget(this, this.hidden, [['1']]);
  }
}

export class Repository<Entity extends { readonly id: string }, Id extends string> {
  @CachedMany({ tags: (id) => (exactly<Id>()(id) ? `entity:${id}` : []), resultTags: (item) => item.id })
  async findMany(ids: Id[]): Promise<Entity[]> {
    return ids.length > 0 ? [] : [];
  }
}

export const shared: CachedManyOptions<unknown, (ids: string[]) => Promise<Product[]>> = {
  tags: (id) => (exactly<string>()(id) ? id : []),
  resultTags: (item) => (exactly<Product>()(item) ? item.id : []),
};

declare const products: Products;
void cache.forget(products, 'findMany', [['1', '2']]);
void cache.forget(products, products.findMany, [['1']]);
void cache.forget(Products, 'all', [['1']]);
void cache.keyOf(products, 'findMany', [['1']]);
void cache.forgetAll(products, 'findMany');
// @ts-expect-error -- the method takes an array of ids
void cache.forget(products, 'findMany', ['1']);
// @ts-expect-error -- an id is a string
void cache.keyOf(products, 'findMany', [[1]]);

export class Refused {
  // @ts-expect-error -- one id
  @CachedMany('5m')
  async one(id: string): Promise<string[]> {
    return [id];
  }

  // @ts-expect-error -- no ids
  @CachedMany('5m')
  async none(): Promise<string[]> {
    return [];
  }

  // @ts-expect-error -- the ids are one array
  @CachedMany('5m')
  async rest(...ids: string[]): Promise<string[]> {
    return ids;
  }

  // @ts-expect-error -- a second argument would be in no key
  @CachedMany('5m')
  async second(ids: string[], deep: boolean): Promise<string[]> {
    return deep ? ids : [];
  }

  // @ts-expect-error -- nor would one that may be left out
  @CachedMany('5m')
  async optional(ids: string[], deep = false): Promise<string[]> {
    return deep ? ids : [];
  }

  // @ts-expect-error -- the ids are always there
  @CachedMany('5m')
  async withoutIds(ids?: string[]): Promise<string[]> {
    return ids ?? [];
  }

  // @ts-expect-error -- not an array
  @CachedMany('5m')
  async map(ids: string[]): Promise<Map<string, string>> {
    return new Map(ids.map((id) => [id, id]));
  }

  // @ts-expect-error -- not a method that returns a promise
  @CachedMany('5m')
  sync(ids: string[]): string[] {
    return ids;
  }

  // @ts-expect-error -- a callback has one id, not all
  @CachedMany({ tags: (ids: string[]) => ids })
  async callback(ids: string[]): Promise<string[]> {
    return ids;
  }

  // @ts-expect-error -- misspelt
  @CachedMany({ slidng: true })
  async misspelt(ids: string[]): Promise<string[]> {
    return ids;
  }

  // @ts-expect-error -- no such kind
  @cache.CachedMany({ tags: (id) => `order:${id}` })
  async kind(ids: string[]): Promise<string[]> {
    return ids;
  }

  // @ts-expect-error -- without parentheses
  @CachedMany
  async bare(ids: string[]): Promise<string[]> {
    return ids;
  }
}
