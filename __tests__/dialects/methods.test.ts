import { cacheIdentity } from 'cachette';
import { fresh } from './fresh.js';

test('decorators arrive in the dialect of the project', () => {
  const seen: string[] = [];
  const Probe = (_target: unknown, context: unknown, ..._descriptor: unknown[]): void => {
    seen.push(typeof context === 'object' ? 'standard' : 'legacy');
  };
  class Probed {
    @Probe
    async find(): Promise<void> {}
  }
  expect(Probed.name).toBe('Probed');
  expect(seen).toEqual([DIALECT]);
});

describe('a cached method', () => {
  it('runs once per arguments', async () => {
    const { Cached } = fresh();
    let runs = 0;
    class Products {
      @Cached('5m')
      async find(id: string): Promise<string> {
        return `${id} ${++runs}`;
      }
    }
    const products = new Products();

    expect(await products.find('a')).toBe('a 1');
    expect(await products.find('a')).toBe('a 1');
    expect(await products.find('b')).toBe('b 2');
  });

  it('has its object as this, in the method and in the callbacks', async () => {
    const { Cached, cache } = fresh();
    class Products {
      readonly table = 'products';
      runs = 0;

      @Cached({
        ttl: '5m',
        tags(id) {
          return `${this.table}:${id}`;
        },
        key(id) {
          return this.table + id;
        },
      })
      async find(id: string): Promise<string> {
        this.runs++;
        return `${this.table} ${id}`;
      }
    }
    const products = new Products();

    expect(await products.find('1')).toBe('products 1');
    await products.find('1');
    expect(products.runs).toBe(1);
    await cache.invalidate('products:1');
    await products.find('1');
    expect(products.runs).toBe(2);
  });

  it('takes rest and default parameters', async () => {
    const { Cached, cache } = fresh();
    let runs = 0;
    class Products {
      @Cached({ ttl: '5m', tags: (...ids) => ids.map((id) => `product:${id}`) })
      async all(...ids: string[]): Promise<string[]> {
        runs++;
        return ids;
      }

      @Cached('5m')
      async page(number = 1): Promise<number> {
        runs++;
        return number;
      }
    }
    const products = new Products();

    expect(await products.all('1', '2')).toEqual(['1', '2']);
    await products.all('1', '2');
    expect(runs).toBe(1);
    await cache.invalidate('product:2');
    await products.all('1', '2');
    expect(runs).toBe(2);

    expect(await products.page()).toBe(1);
    expect(await products.page(undefined)).toBe(1);
    expect(runs).toBe(3);
  });

  it('passes an error on as the same object, and stores none', async () => {
    const { Cached } = fresh();
    const errors: Error[] = [];
    class Products {
      @Cached('5m')
      async find(id: string): Promise<string> {
        const error = new Error(id);
        errors.push(error);
        throw error;
      }
    }
    const products = new Products();

    expect(await products.find('1').catch((error: unknown) => error)).toBe(errors[0]);
    expect(await products.find('1').catch((error: unknown) => error)).toBe(errors[1]);
    expect(errors).toHaveLength(2);
  });

  it('keeps its name and length', () => {
    const { Cached, Invalidates } = fresh();
    class Products {
      @Cached('5m')
      async find(id: string, deep: boolean): Promise<string> {
        return id + String(deep);
      }

      @Invalidates('products')
      async update(id: string): Promise<void> {
        void id;
      }
    }
    expect(Products.prototype.find.name).toBe('find');
    expect(Products.prototype.find).toHaveLength(2);
    expect(Products.prototype.update.name).toBe('update');
    expect(Products.prototype.update).toHaveLength(1);
  });

  it('may be static', async () => {
    const { Cached, Invalidates } = fresh();
    class Products {
      static runs = 0;

      @Cached('5m', { tags: 'products' })
      static async all(): Promise<number> {
        return ++this.runs;
      }

      @Invalidates('products')
      static async change(): Promise<void> {}
    }
    expect(await Products.all()).toBe(1);
    expect(await Products.all()).toBe(1);
    await Products.change();
    expect(await Products.all()).toBe(2);
  });

  it('may be static beside one of the same name that is not', async () => {
    const { Cached } = fresh();
    class Products {
      @Cached('5m')
      static async find(): Promise<string> {
        return 'of the class';
      }

      @Cached('5m')
      async find(): Promise<string> {
        return 'of the object';
      }
    }
    expect(await Products.find()).toBe('of the class');
    expect(await new Products().find()).toBe('of the object');
  });

  it('may be named by a symbol, a string or a number', async () => {
    const { Cached } = fresh();
    const key: unique symbol = Symbol('find');
    let runs = 0;
    class Products {
      @Cached('5m')
      async [key](id: string): Promise<string> {
        return `${id} ${++runs}`;
      }

      @Cached('5m')
      async 'with blanks'(id: string): Promise<string> {
        return `${id} ${++runs}`;
      }

      @Cached('5m')
      async 7(id: string): Promise<string> {
        return `${id} ${++runs}`;
      }
    }
    const products = new Products();

    for (const expected of ['a 1', 'a 1']) expect(await products[key]('a')).toBe(expected);
    for (const expected of ['a 2', 'a 2']) expect(await products['with blanks']('a')).toBe(expected);
    for (const expected of ['a 3', 'a 3']) expect(await products[7]('a')).toBe(expected);
  });

  it('need not be async, only return a promise', async () => {
    const { Cached } = fresh();
    class Products {
      @Cached('5m')
      find(id: string): Promise<string> {
        return Promise.resolve(id);
      }

      // A compiler would refuse it; without types it is found at the call.
      @(Cached('5m') as (target: unknown, context: unknown, descriptor?: unknown) => void)
      sync(id: string): string {
        return id;
      }
    }
    const products = new Products();

    expect(await products.find('1')).toBe('1');
    await expect(products.sync('1')).rejects.toMatchObject({ code: 'CACHE_CONFIG', instead: 'write async sync(…)' });
  });

  it('is not cached where it is called without its object, and says so once', async () => {
    const { Cached, warnings } = fresh();
    let runs = 0;
    class Products {
      @Cached('5m')
      async find(id: string): Promise<string> {
        return `${id} ${++runs}`;
      }
    }
    const find = Products.prototype.find;

    expect(await find.call(undefined, '1')).toBe('1 1');
    expect(await find.call(undefined, '1')).toBe('1 2');
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('name:');
  });
});

describe('objects of a class', () => {
  it('share entries, with one warning where nobody said that they may', async () => {
    const { Cached, warnings } = fresh();
    let runs = 0;
    class Products {
      @Cached('5m')
      async unstated(): Promise<number> {
        return ++runs;
      }

      @Cached('5m', { per: 'class' })
      async stated(): Promise<number> {
        return ++runs;
      }
    }
    expect(await new Products().stated()).toBe(1);
    expect(await new Products().stated()).toBe(1);
    expect(warnings).toEqual([]);
    expect(await new Products().unstated()).toBe(2);
    expect(await new Products().unstated()).toBe(2);
    expect(await new Products().unstated()).toBe(2);
    expect(warnings).toHaveLength(1);
  });

  it('have entries of their own where they are told apart', async () => {
    const { Cached, warnings } = fresh();
    let runs = 0;
    class Products {
      readonly tenant: string;
      constructor(tenant: string) {
        this.tenant = tenant;
      }

      @Cached('5m', { per: 'instance' })
      async perInstance(): Promise<number> {
        return ++runs;
      }

      @Cached('5m', { per: (self) => self.tenant })
      async perTenant(): Promise<number> {
        return ++runs;
      }
    }
    const [one, other, again] = [new Products('a'), new Products('b'), new Products('a')];

    expect([await one.perInstance(), await one.perInstance()]).toEqual([1, 1]);
    expect([await other.perInstance(), await again.perInstance()]).toEqual([2, 3]);
    expect([await one.perTenant(), await other.perTenant(), await again.perTenant()]).toEqual([4, 5, 4]);
    expect(warnings).toEqual([]);
  });

  it('identify themselves', async () => {
    const { Cached, warnings } = fresh();
    let runs = 0;
    class Tenant {
      readonly id: string;
      constructor(id: string) {
        this.id = id;
      }

      [cacheIdentity](): string {
        return this.id;
      }

      @Cached('5m')
      async find(): Promise<number> {
        return ++runs;
      }
    }
    expect(await new Tenant('a').find()).toBe(1);
    expect(await new Tenant('b').find()).toBe(2);
    expect(await new Tenant('a').find()).toBe(1);
    expect(warnings).toEqual([]);
  });
});
