import { makeCached } from '../../src/decorators/cached.js';
import { makeInvalidates } from '../../src/decorators/invalidates.js';
import { cacheMetadata } from '../../src/decorators/metadata.js';
import { apply, dialects, fakeHost } from './by-hand.js';

class Products {
  async find(): Promise<string> {
    return 'found';
  }
}

function setup() {
  const fake = fakeHost();
  class Fresh {
    readonly find = Products.prototype.find;
    async load(): Promise<string> {
      return 'loaded';
    }
  }
  return { ...fake, Fresh, Cached: makeCached(fake.host), Invalidates: makeInvalidates(fake.host) };
}

// What a user without a compiler may write.
type Loose = (...args: unknown[]) => never;

describe('@Cached', () => {
  it.each<[string, unknown[], object]>([
    ['a ttl', ['5m'], { ttl: '5m' }],
    ['milliseconds', [500], { ttl: 500 }],
    ['no end', [Infinity], { ttl: Infinity }],
    ['options', [{ ttl: '1s', tags: 'a' }], { ttl: '1s', tags: 'a' }],
    ['no options', [{}], {}],
    ['a ttl and options', ['5m', { tags: 'a' }], { ttl: '5m', tags: 'a' }],
    ['a ttl and options that leave the ttl open', ['5m', { ttl: undefined }], { ttl: '5m' }],
    ['a ttl and undefined', ['5m', undefined], { ttl: '5m' }],
  ])('takes %s', (_what, args, options) => {
    const { Cached, Fresh, seen } = setup();
    apply('legacy', Fresh.prototype, 'load', (Cached as Loose)(...args));
    expect(seen[0]?.options).toEqual(options);
  });

  it.each<[string, unknown[], RegExp]>([
    ['nothing', [], /neither a ttl nor .*write @Cached\('5m'\)/],
    ['a ttl that a setting did not give', [undefined, { tags: 'a' }], /neither a ttl/],
    ['null', [null], /null/],
    ['two ttls', ['5m', { ttl: '1m' }], /two ttls/],
    ['no duration', ['5 minutes'], /'5 minutes'/],
    ['zero', [0], /ttl is 0/],
    ['a negative number', [-1], /ttl is -1/],
    ['not a number', [NaN], /ttl is NaN/],
    ['a misspelt option', [{ slidng: true }], /did you mean 'sliding'/],
    ['a misspelt option after a ttl', ['5m', { slidng: true }], /did you mean 'sliding'/],
    ['options that are none', ['5m', 'tags'], /'tags'/],
  ])('refuses %s, before it is applied', (_what, args, message) => {
    const { Cached } = setup();
    expect(() => (Cached as Loose)(...args)).toThrow(message);
  });

  it('does not see what the caller does to the options later', () => {
    const { Cached, Fresh, seen } = setup();
    const options = { tags: 'a' };
    const decorator = Cached(options);
    options.tags = 'b';
    apply('legacy', Fresh.prototype, 'load', decorator);

    expect(seen[0]?.options).toEqual({ tags: 'a' });
    expect(Object.isFrozen(options)).toBe(false);
  });

  it('tells the cache the place, for its messages', () => {
    const { Cached, Fresh, seen } = setup();
    apply('legacy', Fresh.prototype, 'load', Cached('5m'));
    expect(seen[0]?.where).toBe('@Cached on Fresh.load');
    const other = setup();
    apply('standard', other.Fresh.prototype, 'load', other.Cached('5m'));
    expect(other.seen[0]?.where).toBe('@Cached on load');
  });
});

describe.each(dialects)('stacked decorators, %s', (dialect) => {
  it('cannot be two @Cached', () => {
    const { Cached, Fresh } = setup();
    expect(() => apply(dialect, Fresh.prototype, 'load', Cached('5m'), Cached('1m'))).toThrow(
      /a second @Cached; write one/,
    );
  });

  it('cannot be two @Cached with an @Invalidates between them', () => {
    const { Cached, Invalidates, Fresh } = setup();
    expect(() => apply(dialect, Fresh.prototype, 'load', Cached('5m'), Invalidates('a'), Cached('1m'))).toThrow(
      /second/,
    );
  });

  it('run from the outside inwards', async () => {
    const one = setup();
    apply(dialect, one.Fresh.prototype, 'load', one.Invalidates('a'), one.Cached('5m'));
    expect(await new one.Fresh().load()).toBe('loaded');
    expect(one.calls).toEqual(['invalidates load', 'cached load']);

    const other = setup();
    apply(dialect, other.Fresh.prototype, 'load', other.Cached('5m'), other.Invalidates('a'));
    await new other.Fresh().load();
    expect(other.calls).toEqual(['cached load', 'invalidates load']);
  });

  it('are all in the metadata, whichever is outside', () => {
    const { Cached, Invalidates, Fresh } = setup();
    apply(dialect, Fresh.prototype, 'load', Invalidates('b'), Cached('5m'), Invalidates({ tags: 'a', on: 'success' }));

    expect(cacheMetadata(Fresh.prototype.load)).toEqual({
      cached: { ttl: '5m' },
      invalidates: [{ tags: 'a', on: 'success' }, { tags: 'b' }],
    });
  });
});

describe('two @Cached with another wrapper between them', () => {
  it('are refused in the legacy dialect', () => {
    const { Cached, Fresh } = setup();
    const Wrap = (_target: object, _key: string, descriptor: PropertyDescriptor) => {
      const inner = descriptor.value as () => Promise<string>;
      return { ...descriptor, value: () => inner() };
    };
    expect(() => apply('legacy', Fresh.prototype, 'load', Cached('5m'), Wrap, Cached('1m'))).toThrow(/second/);
  });

  it('are fine on the methods of a class and of its parent', () => {
    const { Cached, Fresh } = setup();
    class Derived extends Fresh {
      override async load(): Promise<string> {
        return super.load();
      }
    }
    apply('legacy', Fresh.prototype, 'load', Cached('5m'));
    expect(() => apply('legacy', Derived.prototype, 'load', Cached('5m'))).not.toThrow();
  });
});

describe('@Invalidates', () => {
  const tagsOf = () => 'a';

  it.each<[string, unknown, object]>([
    ['a tag', 'a', { tags: 'a' }],
    ['several', ['a', 'b'], { tags: ['a', 'b'] }],
    ['a function', tagsOf, { tags: tagsOf }],
    ['options', { resultTags: 'a', on: 'success' }, { resultTags: 'a', on: 'success' }],
  ])('takes %s', (_what, given, options) => {
    const { Invalidates, Fresh, seen } = setup();
    apply('legacy', Fresh.prototype, 'load', (Invalidates as Loose)(given));
    expect(seen[0]).toMatchObject({ kind: 'invalidates', options, where: '@Invalidates on Fresh.load' });
  });

  it.each<[string, unknown[], RegExp]>([
    ['nothing', [], /no tags/],
    ['an empty tag', [''], /tags is ''/],
    ['options without tags', [{ on: 'success' }], /no tags/],
    ['a misspelt option', [{ tag: 'a' }], /did you mean 'tags'/],
    ['a number', [7], /tags is 7/],
  ])('refuses %s', (_what, args, message) => {
    const { Invalidates } = setup();
    expect(() => (Invalidates as Loose)(...args)).toThrow(message);
  });
});
