import { fresh, Traced } from './fresh.js';

describe('an inherited method', () => {
  it('is cached for each class of a generic repository apart', async () => {
    const { Cached, Invalidates, cache, warnings } = fresh();
    abstract class Repository<T> {
      protected abstract readonly table: string;
      runs = 0;

      @Cached({
        ttl: '5m',
        tags(id) {
          return `${this.tableName()}:${id}`;
        },
      })
      async find(id: string): Promise<{ id: string; from: string; value?: T }> {
        this.runs++;
        return { id, from: this.table };
      }

      @Invalidates(function (id) {
        return `${this.tableName()}:${id}`;
      })
      async remove(id: string): Promise<void> {
        void id;
      }

      tableName(): string {
        return this.table;
      }
    }
    class Users extends Repository<number> {
      protected readonly table = 'users';
    }
    class Orders extends Repository<string> {
      protected readonly table = 'orders';
    }
    const [users, orders] = [new Users(), new Orders()];

    expect(await users.find('1')).toEqual({ id: '1', from: 'users' });
    expect(await orders.find('1')).toEqual({ id: '1', from: 'orders' });
    await users.find('1');
    await orders.find('1');
    expect([users.runs, orders.runs]).toEqual([1, 1]);

    await users.remove('1');
    await users.find('1');
    await orders.find('1');
    expect([users.runs, orders.runs]).toEqual([2, 1]);
    expect(cache.keyOf(users, 'find', ['1'])).not.toBe(cache.keyOf(orders, 'find', ['1']));
    expect(warnings).toEqual([]);
  });

  it('is cached for static methods too', async () => {
    const { Cached } = fresh();
    class Base {
      static readonly label: string = 'base';

      @Cached('5m')
      static async find(): Promise<string> {
        return this.label;
      }
    }
    class Derived extends Base {
      static override readonly label = 'derived';
    }
    expect(await Base.find()).toBe('base');
    expect(await Derived.find()).toBe('derived');
  });
});

describe('an overridden method', () => {
  it('has another key than the one that it calls by super', async () => {
    const { Cached, warnings } = fresh();
    const runs: string[] = [];
    class Base {
      @Cached('5m')
      async find(id: string): Promise<string> {
        runs.push('Base');
        return `base ${id}`;
      }
    }
    class Middle extends Base {
      @Cached('5m')
      override async find(id: string): Promise<string> {
        runs.push('Middle');
        return `middle, ${await super.find(id)}`;
      }
    }
    class Top extends Middle {
      @Cached('5m')
      override async find(id: string): Promise<string> {
        runs.push('Top');
        return `top, ${await super.find(id)}`;
      }
    }
    expect(await new Top().find('1')).toBe('top, middle, base 1');
    expect(await new Top().find('1')).toBe('top, middle, base 1');
    expect(runs).toEqual(['Top', 'Middle', 'Base']);
    expect(await new Base().find('1')).toBe('base 1');
    expect(warnings.filter((message) => !message.includes('second object'))).toEqual([]);
  });

  it('is named in the same way by every process', async () => {
    const { Cached, cache } = fresh();
    class Base {
      @Cached('5m')
      async find(): Promise<string> {
        return 'base';
      }
    }
    class Derived extends Base {
      @Cached('5m')
      override async find(): Promise<string> {
        return super.find();
      }
    }
    const derived = new Derived();
    const { calls } = await cache.explain(() => derived.find());

    expect(calls.map(({ method }) => method)).toEqual(['Derived.find^Base', 'Derived.find']);
  });

  it('has another key where wrappers of somebody else hide both', async () => {
    const { Cached, warnings } = fresh();
    class Base {
      @Traced
      @Cached('5m')
      async find(id: string): Promise<string> {
        return `base ${id}`;
      }
    }
    class Derived extends Base {
      @Traced
      @Cached('5m')
      override async find(id: string): Promise<string> {
        return `derived, ${await super.find(id)}`;
      }
    }
    const derived = new Derived();

    expect(await derived.find('1')).toBe('derived, base 1');
    expect(await derived.find('1')).toBe('derived, base 1');
    expect(await new Base().find('1')).toBe('base 1');
    expect(warnings).toEqual([]);
  });

  it('inherits the tags of the one that it calls', async () => {
    const { Cached, cache } = fresh();
    let version = 1;
    class Base {
      @Cached('5m', { tags: 'data' })
      async find(): Promise<number> {
        return version;
      }
    }
    class Derived extends Base {
      @Cached('5m')
      override async find(): Promise<number> {
        return super.find();
      }
    }
    const derived = new Derived();
    expect(await derived.find()).toBe(1);
    version = 2;
    expect(await derived.find()).toBe(1);
    await cache.invalidate('data');
    expect(await derived.find()).toBe(2);
  });

  it('that is not decorated leaves the inherited one cached', async () => {
    const { Cached } = fresh();
    let runs = 0;
    class Base {
      @Cached('5m')
      async find(): Promise<number> {
        return ++runs;
      }
    }
    class Derived extends Base {
      override async find(): Promise<number> {
        return 10 * (await super.find());
      }
    }
    const derived = new Derived();
    expect(await derived.find()).toBe(10);
    expect(await derived.find()).toBe(10);
    expect(runs).toBe(1);
  });
});

describe('a class that is evaluated again', () => {
  it('takes over the entries of the one before, as after a hot reload', async () => {
    const { Cached, warnings } = fresh();
    let runs = 0;
    const evaluate = () => {
      class Products {
        @Cached('5m')
        async find(id: string): Promise<string> {
          return `${id} ${++runs}`;
        }
      }
      return new Products();
    };
    expect(await evaluate().find('1')).toBe('1 1');
    expect(await evaluate().find('1')).toBe('1 1');
    expect(await evaluate().find('1')).toBe('1 1');
    expect(warnings).toEqual([]);
  });

  it('shares nothing with one that is still in use, such as another of the same factory', async () => {
    const { Cached, warnings } = fresh();
    const repositoryOf = (table: string) => {
      class Repo {
        @Cached('5m')
        async find(id: string): Promise<string> {
          return `${table} ${id}`;
        }
      }
      return new Repo();
    };
    const [users, orders] = [repositoryOf('users'), repositoryOf('orders')];

    expect(await users.find('1')).toBe('users 1');
    expect(await orders.find('1')).toBe('orders 1');
    expect(await users.find('1')).toBe('users 1');
    expect(await orders.find('1')).toBe('orders 1');
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('name:');
  });
});

describe('a different class of the same name', () => {
  it('is not cached, and one warning says what to do', async () => {
    const { Cached, warnings } = fresh();
    let runs = 0;
    const shop = () => {
      class Products {
        @Cached('5m')
        async find(id: string): Promise<string> {
          return `shop ${id} ${++runs}`;
        }
      }
      return new Products();
    };
    const billing = () => {
      class Products {
        @Cached('5m')
        async find(id: string): Promise<string> {
          return `billing ${id} ${++runs}`;
        }
      }
      return new Products();
    };
    const [one, other] = [shop(), billing()];

    expect(await one.find('1')).toBe('shop 1 1');
    expect(await other.find('1')).toBe('billing 1 2');
    expect(await other.find('1')).toBe('billing 1 3');
    expect(await one.find('1')).toBe('shop 1 1');
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/Products\.find .*name: /);
  });

  it('is cached under a name of its own', async () => {
    const { Cached, warnings } = fresh();
    const evaluate = (shop: string) => {
      class Products {
        @Cached('5m', { name: `${shop}.find` })
        async find(id: string): Promise<string> {
          return `${shop} ${id}`;
        }
      }
      return new Products();
    };
    const [one, other] = [evaluate('shop'), evaluate('billing')];

    expect(await one.find('1')).toBe('shop 1');
    expect(await other.find('1')).toBe('billing 1');
    expect(warnings).toEqual([]);
  });

  it('is no matter to another cache', async () => {
    const evaluate = ({ Cached }: ReturnType<typeof fresh>) => {
      let runs = 0;
      class Products {
        @Cached('5m')
        async find(): Promise<number> {
          return ++runs;
        }
      }
      return new Products();
    };
    for (const products of [evaluate(fresh()), evaluate(fresh())]) {
      expect([await products.find(), await products.find()]).toEqual([1, 1]);
    }
  });
});
