import 'reflect-metadata';
import { isCacheConfigError } from '../../src/base/errors.js';
import { makeCached } from '../../src/decorators/cached.js';
import { makeInvalidates } from '../../src/decorators/invalidates.js';
import { apply, dialects, fakeHost, standardContext } from './by-hand.js';

function setup() {
  const fake = fakeHost();
  return { ...fake, Cached: makeCached(fake.host), Invalidates: makeInvalidates(fake.host) };
}

/** The message of what `act` throws, which has to be a `CacheConfigError`. */
function complaintOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (isCacheConfigError(error)) return error.message;
    throw error;
  }
  return 'nothing was thrown';
}

describe.each(dialects)('a decorated method, %s', (dialect) => {
  it('runs through the cache with its object, arguments and result', async () => {
    const { Cached, calls } = setup();
    class Products {
      readonly table = 'products';
      async find(...ids: string[]): Promise<string> {
        return [this.table, ...ids].join();
      }
    }
    apply(dialect, Products.prototype, 'find', Cached('5m'));

    expect(await new Products().find('1', '2')).toBe('products,1,2');
    expect(calls).toEqual(['cached find']);
  });

  it('keeps its name, length and properties', () => {
    const { Cached } = setup();
    class Products {
      async find(id: string, deep: boolean): Promise<string> {
        return id + String(deep);
      }
    }
    const mark = Symbol('mark');
    Object.assign(Products.prototype.find, { [mark]: 7 });
    apply(dialect, Products.prototype, 'find', Cached('5m'));
    const find = Products.prototype.find as typeof Products.prototype.find & { [mark]: number };

    expect(find.name).toBe('find');
    expect(find).toHaveLength(2);
    expect(find[mark]).toBe(7);
    expect(Object.hasOwn(find, 'prototype')).toBe(false);
  });

  it('has the metadata of other decorators, in either order', () => {
    const { Cached, Invalidates } = setup();
    const Route = (path: string) => (target: object, _key: unknown, descriptor?: PropertyDescriptor) => {
      Reflect.defineMetadata('path', path, (descriptor?.value ?? target) as object);
    };
    class Products {
      async above(): Promise<void> {}
      async below(): Promise<void> {}
    }
    apply(dialect, Products.prototype, 'above', Route('/above'), Cached('5m'), Invalidates('x'));
    apply(dialect, Products.prototype, 'below', Cached('5m'), Invalidates('x'), Route('/below'));

    expect(Reflect.getMetadata('path', Products.prototype.above)).toBe('/above');
    expect(Reflect.getMetadata('path', Products.prototype.below)).toBe('/below');
  });

  it('may be static', async () => {
    const { Cached, seen } = setup();
    class Products {
      static readonly table = 'products';
      static async all(): Promise<string> {
        return this.table;
      }
    }
    apply(dialect, Products, 'all', Cached('5m'));

    expect(await Products.all()).toBe('products');
    expect(seen[0]?.source).toMatchObject({ name: 'all', isStatic: true, isPrivate: false });
  });

  it('may be named by a symbol', async () => {
    const { Cached, seen } = setup();
    const key = Symbol('find');
    class Products {
      async [key](): Promise<number> {
        return 7;
      }
    }
    apply(dialect, Products.prototype, key, Cached('5m'));

    expect(await new Products()[key]()).toBe(7);
    expect(seen[0]?.source).toMatchObject({ name: 'Symbol(find)', key });
  });

  it('rejects, saying what to write, where it returns no promise', async () => {
    const { Cached } = setup();
    class Products {
      find(): number {
        return 7;
      }
    }
    apply(dialect, Products.prototype, 'find', Cached('5m') as never);

    await expect(new Products().find()).rejects.toThrow(/no promise; write async find\(…\)/);
  });

  it('is refused if it is a generator', () => {
    const { Cached } = setup();
    class Products {
      async *rows(): AsyncGenerator<number> {
        yield 1;
      }
    }
    expect(complaintOf(() => apply(dialect, Products.prototype, 'rows', Cached('5m') as never))).toMatch(/generator/);
  });

  it('may have a decorator that is used several times', async () => {
    const { Cached, seen } = setup();
    const Short = Cached('1s');
    class Products {
      async one(): Promise<void> {}
      async other(): Promise<void> {}
    }
    apply(dialect, Products.prototype, 'one', Short);
    apply(dialect, Products.prototype, 'other', Short);

    expect(seen.map(({ source }) => source.name)).toEqual(['one', 'other']);
  });
});

describe('what is no method is refused, and the message says what to write', () => {
  const { Cached } = setup();
  const standard =
    (kind: string, name = 'find') =>
    () =>
      (Cached('5m') as (...args: unknown[]) => unknown)(undefined, standardContext({ kind, name }));
  const legacy =
    (...args: unknown[]) =>
    () =>
      (Cached('5m') as (...args: unknown[]) => unknown)(...args);
  class Products {
    get price(): number {
      return 1;
    }
  }
  const accessor = Object.getOwnPropertyDescriptor(Products.prototype, 'price');

  it.each<[string, () => unknown, RegExp]>([
    [
      'a standard getter',
      standard('getter', 'price'),
      /on price: this is a getter, not a method; write a method, async price/,
    ],
    ['a standard setter', standard('setter'), /this is a setter/],
    ['a standard accessor', standard('accessor'), /this is an accessor/],
    ['a standard field', standard('field'), /this is a field, not a method; write a method, async find\(…\) \{ … \}/],
    ['a standard class', standard('class'), /this is a class, not a method; decorate the methods/],
    ['a legacy accessor', legacy(Products.prototype, 'price', accessor), /on Products\.price: this is an accessor/],
    ['a legacy field', legacy(Products.prototype, 'find', undefined), /on Products\.find: this is a field/],
    [
      'a legacy field of Babel',
      legacy(Products.prototype, 'find', { initializer: null }),
      /on Products\.find: this is a field/,
    ],
    ['a legacy static field', legacy(Products, 'find', undefined), /on Products\.find: this is a field/],
    ['a legacy class', legacy(Products), /on Products: this is a class/],
    ['a legacy parameter', legacy(Products.prototype, 'find', 0), /this is a parameter/],
    ['a legacy parameter of a constructor', legacy(Products, undefined, 0), /this is a parameter/],
    ['a function', legacy(async function find() {}), /on find: this is a function, not a method; write cache\.wrap\(/],
    ['nothing', legacy(), /on a class without a name: this is a function/],
  ])('%s', (_what, act, message) => {
    expect(complaintOf(act)).toMatch(message);
  });
});

describe('a decorator without parentheses', () => {
  const { Cached, Invalidates } = setup();
  class Products {
    async find(): Promise<void> {}
  }

  it.each([
    ['@Cached', Cached, /write @Cached\('5m'\)/],
    ['@Invalidates', Invalidates, /write @Invalidates\('products'\)/],
  ] as const)('%s is refused', (_name, decorator, message) => {
    const bare = decorator as (...args: unknown[]) => unknown;
    const descriptor = Object.getOwnPropertyDescriptor(Products.prototype, 'find');

    expect(complaintOf(() => bare(Products.prototype, 'find', descriptor))).toMatch(message);
    expect(complaintOf(() => bare(Products, Symbol('all'), descriptor))).toMatch(message);
    expect(complaintOf(() => bare(Products.prototype.find, standardContext({ name: 'find' })))).toMatch(message);
    expect(complaintOf(() => bare(Products, standardContext({ name: 'Products', kind: 'class' })))).toMatch(message);
    expect(complaintOf(() => bare(Products))).toMatch(message);
  });
});
