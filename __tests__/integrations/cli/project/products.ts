/** One of everything that is to be found. */

import { Cached, Invalidates } from 'cachette';

abstract class Repository {
  @Cached({ tags: (id) => `row:${id}` })
  async row(id: string): Promise<string> {
    return id;
  }
}

export class Products extends Repository {
  @Cached('5m', { tags: (id) => `product:${id}` })
  async find(id: string): Promise<string> {
    return id;
  }

  @Cached('5m', { name: 'Products.count', tags: ['products', 'stock:all'] })
  static async count(): Promise<number> {
    return 1;
  }

  @Invalidates((id) => `prodct:${id}`)
  @Invalidates('products')
  async update(id: string): Promise<void> {
    await Promise.resolve(id);
  }
}

/** An object, and not its class. */
class Orders {
  @Cached({ name: 'Orders.find', ttl: '1m', tags: 'row' })
  async find(): Promise<number> {
    return 1;
  }

  @Invalidates('row')
  async change(): Promise<void> {}
}
export const orders = new Orders();
