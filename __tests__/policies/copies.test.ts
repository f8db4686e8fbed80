import fc from 'fast-check';
import { Readable } from 'node:stream';
import { UnstorableError, valueCodec } from '../../src/policies/codec.js';
import { type Copies, approximateBytes, snapshot } from '../../src/policies/copies.js';
import { Money, Owner, Stranger, anatomy, graphs, revive, trees } from './values.js';

const codec = valueCodec(revive);
const everything = fc.oneof(trees, graphs);

/** All objects reachable from a value, but not what fromPlain made. */
function objectsIn(value: unknown, found = new Set<object>()): Set<object> {
  if (typeof value !== 'object' || value === null || found.has(value)) return found;
  found.add(value);
  if (value instanceof Map) for (const pair of value) pair.forEach((item) => objectsIn(item, found));
  if (value instanceof Set) for (const item of value) objectsIn(item, found);
  if (!ArrayBuffer.isView(value)) for (const key of Reflect.ownKeys(value)) objectsIn(Reflect.get(value, key), found);
  if (ArrayBuffer.isView(value)) found.add(value.buffer);
  return found;
}

/** Changes whatever can be changed. */
function spoil(value: unknown): void {
  for (const it of objectsIn(value)) {
    if (it instanceof Map || it instanceof Set) it.clear();
    if (it instanceof Date) it.setTime(1);
    if (it instanceof URL) it.hash = 'spoilt';
    if (it instanceof URLSearchParams) it.append('spoilt', '1');
    if (it instanceof ArrayBuffer) new Uint8Array(it).fill(99);
    if (!ArrayBuffer.isView(it)) for (const key of Reflect.ownKeys(it)) Reflect.deleteProperty(it, key);
    if (!ArrayBuffer.isView(it)) Reflect.defineProperty(it, 'spoilt', { value: true });
  }
}

describe('isolated', () => {
  it('gives each caller what the method returned, as it was then', () => {
    fc.assert(
      fc.property(everything, (value) => {
        const before = anatomy(value);
        const taken = snapshot(value, 'isolated', revive);
        spoil(value);
        spoil(taken.copy());
        expect(anatomy(taken.copy())).toEqual(before);
        spoil(taken.copy());
        expect(anatomy(taken.copy())).toEqual(before);
      }),
      { numRuns: 600 },
    );
  });

  it('shares no object between two copies, nor with the master', () => {
    fc.assert(
      fc.property(everything, (value) => {
        const taken = snapshot(value, 'isolated', revive);
        const all = [value, taken.value, taken.copy(), taken.copy()].map((it) => objectsIn(it));
        expect(new Set(all.flatMap((found) => [...found])).size).toBe(all.reduce((sum, found) => sum + found.size, 0));
      }),
      { numRuns: 400 },
    );
  });

  it('gives the same as the codec', () => {
    fc.assert(
      fc.property(everything, (value) => {
        const copy = anatomy(snapshot(value, 'isolated', revive).copy());
        expect(copy).toEqual(anatomy(codec.decode(codec.encode(value))));
      }),
    );
  });

  it('copies the ordinary faithfully on the fast way', () => {
    const value = {
      id: 1,
      owner: { name: 'eve', since: new Date(5), tags: ['a', undefined, -0] },
      seen: new Map([[{ a: 1 }, new Set([[1]])]]),
      bytes: Buffer.from('abc'),
      at: new URL('http://a/'),
      ['__proto__']: { own: [1] },
    };
    const taken = snapshot(value, 'isolated', []);
    expect(anatomy(taken.copy())).toEqual(anatomy(value));
    expect(({} as { own?: unknown }).own).toBeUndefined();
  });

  it('keeps what is shared shared, and cycles', () => {
    const part = { a: [1] };
    const value = { one: part, two: [part], three: {} };
    value.three = value;
    for (const whole of [{ one: part, two: part }, value]) {
      expect(anatomy(snapshot(whole, 'isolated', []).copy())).toEqual(anatomy(whole));
    }
  });

  it('does not take over what somebody added to Object.prototype', () => {
    const taken = snapshot({ a: { b: 1 } }, 'isolated', []);
    Object.defineProperty(Object.prototype, 'added', {
      value: {},
      enumerable: true,
      writable: true,
      configurable: true,
    });
    try {
      expect(Object.keys(taken.copy() as object)).toEqual(['a']);
      expect(Object.keys(snapshot({ a: new Stranger().id }, 'isolated', []).value as object)).toEqual(['a']);
    } finally {
      delete (Object.prototype as { added?: unknown }).added;
    }
  });

  it('returns primitives as they are', () => {
    for (const value of ['a', 1, -0, NaN, 1n, true, null, undefined]) {
      expect(snapshot(value, 'isolated', []).copy()).toBe(value);
    }
  });

  it('asks fromPlain for each copy', () => {
    const taken = snapshot({ price: new Money(5) }, 'isolated', revive);
    const [first, second] = [taken.copy(), taken.copy()] as { price: Money }[];
    expect(first?.price).not.toBe(second?.price);
    expect(second?.price.cents).toBe(5);
  });
});

describe('frozen', () => {
  const frozen = (value: unknown) => snapshot(value, 'frozen', revive);

  it('gives all callers the same object, frozen to the bottom', () => {
    const value = {
      list: [{ a: 1 }],
      owner: new Owner('eve'),
      error: Object.assign(new Error('x', { cause: { b: 1 } })),
    };
    const taken = frozen(value);
    const copy = taken.copy();
    expect(copy).toBe(taken.copy());
    expect(anatomy(copy)).toEqual(anatomy(value));
    for (const it of objectsIn(copy)) expect(Object.isFrozen(it)).toBe(true);
    for (const it of objectsIn(value)) expect(Object.isFrozen(it)).toBe(false);
  });

  it('freezes cycles and lists with holes', () => {
    const value: unknown[] = [, 1];
    value.push(value);
    const copy = frozen(value).copy() as unknown[];
    expect(Object.isFrozen(copy)).toBe(true);
    expect(copy[2]).toBe(copy);
  });

  it.each<[string, () => object]>([
    ['a Map', () => new Map([[1, 2]])],
    ['a Set', () => new Set([1])],
    ['a Date', () => new Date(3)],
    ['a RegExp, which remembers where it was', () => /x/g],
    ['a typed array', () => new Uint8Array(2)],
    ['a Buffer', () => Buffer.from('a')],
    ['a URL', () => new URL('http://a/')],
    ['URLSearchParams', () => new URLSearchParams('a=1')],
    ['an instance with private state', () => new Money(1)],
  ])('gives each caller its own copy where freezing does not help: %s', (_, make) => {
    const value = { deep: [make()] };
    const taken = frozen(value);
    const copy = taken.copy();
    expect(copy).not.toBe(taken.copy());
    expect(Object.isFrozen(copy)).toBe(false);
    expect(anatomy(copy)).toEqual(anatomy(value));
  });
});

describe('shared', () => {
  const sharedCopy = (value: unknown) => snapshot(value, 'shared', []).copy();

  it('gives the object that the method returned, of whatever class', () => {
    for (const value of [new Stranger(), { run() {}, inner: new Stranger() }, () => 1, [Symbol('a')], new WeakMap()]) {
      expect(sharedCopy(value)).toBe(value);
    }
  });

  it('refuses what is used up by reading', () => {
    const cycle: { self?: object; body?: object } = {};
    cycle.self = cycle;
    expect(sharedCopy(cycle)).toBe(cycle);
    cycle.body = Readable.from([]);
    expect(() => sharedCopy(cycle)).toThrow('result.body is a stream or iterator');
    expect(() => sharedCopy([{ a: [1].values() }])).toThrow('result[0].a is a stream or iterator');
    expect(() => sharedCopy({ a: Promise.resolve() })).toThrow('result.a is a promise');
    expect(() => sharedCopy({ async *[Symbol.asyncIterator]() {} })).toThrow('result is a stream or iterator');
  });
});

describe('what cannot be kept', () => {
  const refused = (value: unknown, copies: Copies): UnstorableError => {
    try {
      snapshot(value, copies, revive);
    } catch (error) {
      return error as UnstorableError;
    }
    throw new Error('it was kept');
  };
  const deep = () => {
    let value: object = {};
    for (let level = 0; level < 100_000; level++) value = { value };
    return value;
  };
  const ownMoney = () => {
    const within: { money?: Money } = {};
    return (within.money = new Money(within));
  };

  it.each<[string, () => unknown]>([
    ['an instance of another class', () => ({ items: [{ owner: new Stranger() }] })],
    ['a function', () => ({ a: () => 1 })],
    ['a function alone', () => () => 1],
    ['a symbol alone', () => Symbol('a')],
    ['a symbol in a list', () => [1, Symbol('a')]],
    ['a property under a symbol', () => [{ [Symbol('a')]: 1 }]],
    ['a stream', () => new Map([[1, Readable.from([])]])],
    ['a promise', () => new Set([Promise.resolve(1)])],
    ['something too deep', deep],
    ['an instance within its own plain form', ownMoney],
    [
      'a getter that throws',
      () => ({
        get a(): never {
          throw new Error('no');
        },
      }),
    ],
  ])('is refused like the codec does: %s', (_, make) => {
    const value = make();
    let byCodec: unknown;
    try {
      codec.encode(value);
    } catch (error) {
      byCodec = error;
    }
    for (const copies of ['isolated', 'frozen'] as const) {
      const error = refused(value, copies);
      expect(error).toBeInstanceOf(UnstorableError);
      expect([error.kind, error.what]).toEqual([(byCodec as UnstorableError).kind, (byCodec as UnstorableError).what]);
    }
  });

  it('is at the same depth for the codec and for copies', () => {
    let value: object = {};
    for (let level = 0; level < 500; level++) value = [value];
    expect(anatomy(snapshot(value, 'isolated', []).copy())).toEqual(anatomy(codec.decode(codec.encode(value))));
    expect(() => snapshot([value], 'isolated', [])).toThrow(UnstorableError);
    expect(() => codec.encode([value])).toThrow(UnstorableError);
  });
});

describe('approximateBytes', () => {
  it.each<[string, unknown, number, number]>([
    ['a number', 1, 8, 8],
    ['a text of a thousand letters', 'x'.repeat(1000), 1000, 1100],
    ['a text of a thousand wide letters', '字'.repeat(1000), 2000, 2100],
    ['a megabyte of bytes', new Uint8Array(1e6), 1e6, 1.001e6],
    ['an object', { a: 1, b: 'two' }, 60, 120],
    ['a Map of texts', new Map([['k'.repeat(500), 'v'.repeat(500)]]), 1000, 1200],
    ['an error with its stack', Object.assign(new Error('x'), { stack: 's'.repeat(5000) }), 5000, 5300],
    ['a list of the greatest length', new Array(2 ** 32 - 1), 8, 100],
  ])('is near the truth for %s', (_, value, least, most) => {
    expect(approximateBytes(value)).toBeGreaterThanOrEqual(least);
    expect(approximateBytes(value)).toBeLessThanOrEqual(most);
  });

  it('counts what is there twice once, and ends on cycles', () => {
    const big = { text: 'x'.repeat(10_000) };
    const value: unknown[] = [big, big];
    value.push(value);
    expect(approximateBytes(value)).toBeLessThan(10_400);
  });

  it('is defined for every value, and grows with it', () => {
    fc.assert(
      fc.property(everything, (value) => {
        expect(approximateBytes([value, 1])).toBeGreaterThan(approximateBytes(value));
      }),
    );
  });
});
