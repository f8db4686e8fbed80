import { fresh, Traced } from './fresh.js';

describe('a private method', () => {
  it('is cached', async () => {
    const { Cached, warnings } = fresh();
    let runs = 0;
    class Products {
      @Cached('5m')
      async #load(id: string): Promise<string> {
        return `${id} ${++runs}`;
      }

      async find(id: string): Promise<string> {
        return this.#load(id);
      }
    }
    const products = new Products();

    expect([await products.find('1'), await products.find('1')]).toEqual(['1 1', '1 1']);
    expect(warnings).toEqual([]);
  });

  it('is cached if it is static', async () => {
    const { Cached, cache } = fresh();
    let runs = 0;
    class Products {
      @Cached('5m')
      static async #load(): Promise<number> {
        return ++runs;
      }

      static async find(): Promise<number> {
        return this.#load();
      }

      static async forget(): Promise<void> {
        await cache.forget(this, this.#load, []);
      }
    }
    expect([await Products.find(), await Products.find()]).toEqual([1, 1]);
    await Products.forget();
    expect(await Products.find()).toBe(2);
  });

  it('has the private fields of its object, in callbacks too', async () => {
    const { Cached, cache } = fresh();
    let runs = 0;
    class Products {
      readonly #tenant = 'acme';

      @Cached({
        ttl: '5m',
        tags(id) {
          return `${this.#tenant}:${id}`;
        },
      })
      async find(id: string): Promise<string> {
        return `${this.#tenant} ${id} ${++runs}`;
      }
    }
    const products = new Products();
    expect(await products.find('1')).toBe('acme 1 1');
    await cache.invalidate('acme:1');
    expect(await products.find('1')).toBe('acme 1 2');
  });

  it('can be forgotten inside the class, also under the wrapper of somebody else', async () => {
    const { Cached, cache } = fresh();
    let runs = 0;
    class Products {
      @Cached('5m')
      async #load(id: string): Promise<string> {
        return `${id} ${++runs}`;
      }

      @Traced
      @Cached('5m')
      async #traced(id: string): Promise<string> {
        return `${id} ${++runs}`;
      }

      async find(id: string): Promise<string[]> {
        return [await this.#load(id), await this.#traced(id)];
      }

      async forgetLoad(id: string): Promise<void> {
        await cache.forget(this, this.#load, [id]);
      }

      async forgetTraced(): Promise<void> {
        await cache.forgetAll(this, this.#traced);
      }
    }
    const products = new Products();

    expect(await products.find('1')).toEqual(['1 1', '1 2']);
    await products.forgetLoad('1');
    expect(await products.find('1')).toEqual(['1 3', '1 2']);
    await products.forgetTraced();
    expect(await products.find('1')).toEqual(['1 3', '1 4']);
  });

  it('shares nothing with one of the same name in a subclass', async () => {
    const { Cached, warnings } = fresh();
    class Base {
      @Cached('5m')
      async #load(id: string): Promise<string> {
        return `base ${id}`;
      }

      async find(id: string): Promise<string> {
        return this.#load(id);
      }
    }
    class Derived extends Base {
      @Cached('5m')
      async #load(id: string): Promise<string> {
        return `derived ${id}`;
      }

      override async find(id: string): Promise<string> {
        return `${await this.#load(id)}, ${await super.find(id)}`;
      }
    }
    const derived = new Derived();

    expect(await derived.find('1')).toBe('derived 1, base 1');
    expect(await derived.find('1')).toBe('derived 1, base 1');
    expect(warnings).toEqual([]);
  });

  it('shares nothing between the subclasses that inherit it', async () => {
    const { Cached } = fresh();
    class Repository {
      readonly table: string = '';

      @Cached('5m')
      async #load(id: string): Promise<string> {
        return `${this.table} ${id}`;
      }

      async find(id: string): Promise<string> {
        return this.#load(id);
      }
    }
    class Users extends Repository {
      override readonly table = 'users';
    }
    class Orders extends Repository {
      override readonly table = 'orders';
    }
    expect(await new Users().find('1')).toBe('users 1');
    expect(await new Orders().find('1')).toBe('orders 1');
  });
});
