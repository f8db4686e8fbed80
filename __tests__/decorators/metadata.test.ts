import 'reflect-metadata';
import type { CachedMethodHandle } from '../../src/cache/host.js';
import { makeCached, makeCachedMany } from '../../src/decorators/cached.js';
import { makeInvalidates } from '../../src/decorators/invalidates.js';
import { cacheMetadata, findCachedMethod } from '../../src/decorators/metadata.js';
import { apply, type Construct, dialects, fakeHost, standardContext } from './by-hand.js';

function setup() {
  const fake = fakeHost();
  return {
    ...fake,
    Cached: makeCached(fake.host),
    CachedMany: makeCachedMany(fake.host),
    Invalidates: makeInvalidates(fake.host),
  };
}

type Method = (...args: unknown[]) => Promise<unknown>;

/** A decorator of somebody else that wraps and keeps nothing. */
function Foreign(target: object, _key: unknown, descriptor?: PropertyDescriptor): unknown {
  const inner = (descriptor?.value ?? target) as Method;
  async function wrapper(this: unknown, ...args: unknown[]): Promise<unknown> {
    return inner.apply(this, args);
  }
  return descriptor ? { ...descriptor, value: wrapper } : wrapper;
}

const nameOf = (handle: CachedMethodHandle | undefined) => handle?.source.name;

describe('cacheMetadata', () => {
  it('is undefined for what is not decorated', () => {
    expect(cacheMetadata(async () => undefined)).toBeUndefined();
    expect(cacheMetadata(undefined)).toBeUndefined();
    expect(cacheMetadata({})).toBeUndefined();
  });

  it('is frozen, and readable by reflect-metadata', () => {
    const { Cached } = setup();
    class Products {
      async find(): Promise<void> {}
    }
    apply('legacy', Products.prototype, 'find', Cached('5m', { tags: 'a' }));
    const metadata = cacheMetadata(Products.prototype.find);

    expect(metadata).toEqual({ cached: { ttl: '5m', tags: 'a' } });
    expect(Object.isFrozen(metadata) && Object.isFrozen(metadata?.cached)).toBe(true);
    expect(Reflect.getMetadata(Symbol.for('cachette.metadata'), Products.prototype.find)).toBe(metadata);
  });

  it('tells @CachedMany from @Cached', () => {
    const { CachedMany } = setup();
    class Products {
      async findMany(ids: string[]): Promise<string[]> {
        return ids;
      }
    }
    apply('legacy', Products.prototype, 'findMany', CachedMany('5m', { tags: 'a' }));

    expect(cacheMetadata(Products.prototype.findMany)).toEqual({ cachedMany: { ttl: '5m', tags: 'a' } });
  });
});

describe.each(dialects)('a cached method is found, %s', (dialect) => {
  function decorated(...decorators: ((...args: never[]) => unknown)[]) {
    class Products {
      async find(id: string): Promise<string> {
        return id;
      }
      async other(id: string): Promise<string> {
        return id;
      }
    }
    const construct: Construct = apply(dialect, Products.prototype, 'find', ...decorators);
    return { Products, products: construct(new Products()) };
  }

  it('by its name and by the function itself', () => {
    const { Cached } = setup();
    const { products } = decorated(Cached('5m'));

    expect(nameOf(findCachedMethod(products, 'find'))).toBe('find');
    expect(findCachedMethod(products, products.find)).toBe(findCachedMethod(products, 'find'));
  });

  it('under an @Invalidates', () => {
    const { Cached, Invalidates } = setup();
    const { products } = decorated(Invalidates('a'), Cached('5m'));

    expect(nameOf(findCachedMethod(products, 'find'))).toBe('find');
    expect(nameOf(findCachedMethod(products, products.find))).toBe('find');
  });

  it('under the wrapper of somebody else', () => {
    const { Cached } = setup();
    const { products } = decorated(Foreign, Cached('5m'));

    expect(nameOf(findCachedMethod(products, 'find'))).toBe('find');
    expect(nameOf(findCachedMethod(products, products.find))).toBe('find');
  });

  it('behind a spy or a bound copy in the object itself', () => {
    const { Cached } = setup();
    const { products } = decorated(Cached('5m'));
    products.find = products.find.bind(products);

    expect(nameOf(findCachedMethod(products, 'find'))).toBe('find');
    expect(nameOf(findCachedMethod(products, products.find))).toBe('find');
  });

  it('from a subclass', () => {
    const { Cached } = setup();
    const { Products } = decorated(Cached('5m'));
    class Derived extends Products {}

    expect(nameOf(findCachedMethod(new Derived(), 'find'))).toBe('find');
  });

  it('where a mixin has copied it, and in objects that no constructor made', () => {
    const { Cached } = setup();
    const { Products } = decorated(Cached('5m'));
    class Shop {}
    Object.defineProperty(Shop.prototype, 'find', { value: Products.prototype.find });

    expect(nameOf(findCachedMethod(new Shop(), 'find'))).toBe('find');
    expect(nameOf(findCachedMethod(Object.create(Products.prototype) as object, 'find'))).toBe('find');
  });

  it('as the nearest one where a subclass has its own, also under the wrapper of somebody else', () => {
    const { Cached, seen } = setup();
    class Base {
      async find(): Promise<string> {
        return 'base';
      }
    }
    const constructBase = apply(dialect, Base.prototype, 'find', Foreign, Cached('5m'));
    class Derived extends Base {
      override async find(): Promise<string> {
        return 'derived';
      }
    }
    const constructDerived = apply(dialect, Derived.prototype, 'find', Foreign, Cached('5m'));
    const derived = constructDerived(constructBase(new Derived()));
    const base = constructBase(new Base());

    expect(findCachedMethod(derived, 'find')?.source).toBe(seen[1]?.source);
    expect(findCachedMethod(base, 'find')?.source).toBe(seen[0]?.source);
  });

  it('if it is static, also under the wrapper of somebody else', () => {
    const { Cached } = setup();
    class Products {
      static async all(): Promise<void> {}
      static async hidden(): Promise<void> {}
    }
    apply(dialect, Products, 'all', Cached('5m'));
    apply(dialect, Products, 'hidden', Foreign, Cached('5m'));

    expect(nameOf(findCachedMethod(Products, 'all'))).toBe('all');
    expect(nameOf(findCachedMethod(Products, Products.all))).toBe('all');
    expect(nameOf(findCachedMethod(Products, 'hidden'))).toBe('hidden');
    expect(nameOf(findCachedMethod(Products, Products.hidden))).toBe('hidden');
  });

  it('and nothing else is', () => {
    const { Cached, Invalidates } = setup();
    const { Products, products } = decorated(Cached('5m'));
    apply(dialect, Products.prototype, 'other', Invalidates('a'));

    expect(findCachedMethod(products, 'other')).toBeUndefined();
    expect(findCachedMethod(products, products.other)).toBeUndefined();
    expect(findCachedMethod(products, 'missing')).toBeUndefined();
    expect(findCachedMethod(products, async () => undefined)).toBeUndefined();
    expect(findCachedMethod({}, 'find')).toBeUndefined();
  });
});

describe('a private method', () => {
  /** What a compiler makes of `@Cached('5m') async #load() {}`, with another wrapper around it or not. */
  function withPrivate(wrap: (inner: Method) => Method) {
    const { Cached } = setup();
    const initializers: ((this: unknown) => void)[] = [];
    const brand = new WeakSet<object>();
    let load: Method = async (id) => id;
    const get = (self: unknown): unknown => {
      if (!brand.has(self as object)) throw new TypeError('no such private member');
      return load;
    };
    const context = standardContext({ name: '#load', private: true, get, initializers });
    load = wrap((Cached('5m') as unknown as (...args: unknown[]) => Method)(load, context));
    class Service {
      readonly load: Method;
      constructor() {
        brand.add(this);
        for (const initializer of initializers) initializer.call(this);
        this.load = load;
      }
    }
    return new Service();
  }

  it('is found by the function', () => {
    const service = withPrivate((inner) => inner);
    expect(nameOf(findCachedMethod(service, service.load))).toBe('#load');
  });

  it('is found under the wrapper of somebody else', () => {
    const service = withPrivate(
      (inner) =>
        (...args) =>
          inner(...args),
    );
    expect(nameOf(findCachedMethod(service, service.load))).toBe('#load');
    expect(findCachedMethod(Object.create(service) as object, service.load)).toBeUndefined();
  });
});
