import { Cached, Invalidates } from 'cachette';

// What a compiler would refuse too; people without types meet the message.
type Loose = (target: unknown, context?: unknown, descriptor?: unknown) => void;
const Loosely = (decorator: unknown): Loose => decorator as Loose;

const inLegacy = DIALECT === 'legacy';

describe('a decorator in the wrong place says what to write instead', () => {
  it('on a getter', () => {
    expect(() => {
      class Products {
        @Loosely(Cached('5m'))
        get price(): Promise<number> {
          return Promise.resolve(1);
        }
      }
      return Products;
    }).toThrow(
      inLegacy
        ? '@Cached on Products.price: this is an accessor, not a method; write a method, async price(…) { … }.'
        : '@Cached on price: this is a getter, not a method; write a method, async price(…) { … }.',
    );
  });

  it('on an arrow property', () => {
    expect(() => {
      class Products {
        @Loosely(Invalidates('products'))
        update = async (): Promise<void> => undefined;
      }
      return Products;
    }).toThrow(
      /@Invalidates on (Products\.)?update: this is a field, not a method; write a method, async update\(…\) \{ … \}/,
    );
  });

  it('on a static arrow property', () => {
    expect(() => {
      class Products {
        @Loosely(Cached('5m'))
        static all = async (): Promise<void> => undefined;
      }
      return Products;
    }).toThrow(/@Cached on (\w+\.)?all: this is a field/);
  });

  it('on a class', () => {
    expect(() => {
      @Loosely(Cached('5m'))
      class Products {}
      return Products;
    }).toThrow(/@Cached on _?Products: this is a class, not a method; decorate the methods that are to be cached/);
  });

  it('without parentheses', () => {
    expect(() => {
      class Products {
        @Loosely(Cached)
        async find(): Promise<void> {}
      }
      return Products;
    }).toThrow("@Cached: it stands without parentheses; write @Cached('5m').");
    expect(() => {
      class Products {
        @Loosely(Invalidates)
        static async update(): Promise<void> {}
      }
      return Products;
    }).toThrow("@Invalidates: it stands without parentheses; write @Invalidates('products').");
  });

  it('without parentheses, on a class', () => {
    expect(() => {
      @Loosely(Cached)
      class Products {}
      return Products;
    }).toThrow(/without parentheses/);
  });

  it('on a generator', () => {
    expect(() => {
      class Products {
        @Loosely(Cached('5m'))
        async *rows(): AsyncGenerator<number> {
          yield 1;
        }
      }
      return Products;
    }).toThrow(/rows: a generator can be read only once/);
  });
});

describe('options are checked at decoration', () => {
  it.each<[string, unknown[], RegExp]>([
    ['a duration', ['5 minutes'], /'5 minutes'/],
    ['zero', [0], /0/],
    ['an option', [{ slidng: true }], /did you mean 'sliding'/],
    ['two ttls', ['5m', { ttl: '1m' }], /two ttls/],
  ])('%s', (_what, args, message) => {
    expect(() => {
      class Products {
        @Loosely((Cached as (...args: unknown[]) => unknown)(...args))
        async find(): Promise<void> {}
      }
      return Products;
    }).toThrow(message);
  });
});
