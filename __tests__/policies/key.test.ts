import fc from 'fast-check';
import { runInNewContext } from 'node:vm';
import { UnkeyableError, cacheIdentity, canonical, entryKey, generationKey, segment } from '../../src/policies/key.js';
import { Stranger, meaning, trees } from './values.js';

const prefix = 'shop:1:Products.find';
const legal = /^[!-~]{1,250}$/;

const text = fc.oneof(
  fc.string({ maxLength: 6, unit: fc.constantFrom(...`':,{}[]()\\~%_n01 ü`, '\ud800', '\udc00') }),
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({ maxLength: 12 }),
);

/** A value and one that differs a little, so that near misses are tried and not only strangers. */
const pairs = fc
  .tuple(fc.array(trees, { maxLength: 3 }), fc.array(trees, { maxLength: 3 }), fc.boolean())
  .map(([one, two, near]) => [one, near ? [...one.slice(0, -1), ...two.slice(0, 1)] : two] as const);

function withoutOmitted(args: readonly unknown[]): unknown[] {
  const last = args.findLastIndex((argument) => argument !== undefined);
  return args.slice(0, last + 1);
}

/** The same value, made again in another order. */
function shuffled(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value))
    return Object.assign(
      Array(value.length),
      Object.fromEntries(Object.entries(value).map(([key, it]) => [key, shuffled(it)])),
    );
  const prototype = Object.getPrototypeOf(value) as unknown;
  if (prototype !== Object.prototype && prototype !== null) return value;
  const again: object = {};
  for (const key of Object.keys(value).reverse()) {
    Object.defineProperty(again, key, { value: shuffled(Reflect.get(value, key)), enumerable: true });
  }
  return again;
}

const different: readonly unknown[][] = [
  [],
  [null],
  [true],
  [false],
  ['true'],
  ['null'],
  ['undefined'],
  [''],
  ["'"],
  ['\\'],
  ["\\'"],
  [1],
  ['1'],
  [1n],
  ['1n'],
  [-1],
  [0],
  [-0],
  ['-0'],
  [NaN],
  ['NaN'],
  [Infinity],
  [-Infinity],
  [1.5],
  [1e21],
  [1e-7],
  [undefined, 1],
  [null, 1],
  [1, 1],
  ['1,1'],
  ["1','1"],
  ['1', '1'],
  [['1', '1']],
  [[]],
  [{}],
  [[[]]],
  [[undefined]],
  [[null]],
  [Array(1)],
  [Array(2)],
  [[undefined, undefined]],
  [[1, , 2]],
  [[1, undefined, 2]],
  [['a:b']],
  [['a', 'b']],
  [{ a: 'b' }],
  ['a:b'],
  ['{a:1}'],
  [{ a: 1 }],
  [{ a: '1' }],
  [{ a: null }],
  [{ a: {} }],
  [{ 'a:1': 1 }],
  [{ a: 1, b: 1 }],
  [{ 'a:1,b': 1 }],
  [{ "a'": 1 }],
  [{ '': 1 }],
  [{ 0: 'a' }],
  [['a']],
  [Object.assign(['a'], { x: 1 })],
  [Object.assign([, 'a'], { x: 1 })],
  [new Map()],
  [new Map([[1, 2]])],
  [new Map([['1', 2]])],
  [new Map([[2, 1]])],
  [
    new Map([
      [1, 2],
      [3, 4],
    ]),
  ],
  [
    new Map([
      [3, 4],
      [1, 2],
    ]),
  ],
  [new Set()],
  [new Set([1])],
  [new Set([1, 2])],
  [new Set([2, 1])],
  [new Set([[1, 2]])],
  [new Set(['1'])],
  [new Map([[1, undefined]])],
  [Object.assign(new Map(), { a: 1 })],
  [new Date(0)],
  [new Date(NaN)],
  ['1970-01-01T00:00:00.000Z'],
  [{ date: 0 }],
  [/a/],
  [/a/g],
  ['/a/'],
  [/a\/g/],
  [Object.assign(/a/g, { lastIndex: 1 })],
  [new URL('http://a/')],
  ['http://a/'],
  [new URL('http://a/?b=1')],
  [new URLSearchParams('b=1')],
  [new Error('a')],
  [new Error('b')],
  [new TypeError('a')],
  [new Error('a', { cause: 1 })],
  [Object.assign(new Error('a'), { code: 1 })],
  [new Uint8Array([1])],
  [Buffer.from([1])],
  [new Uint8Array([1]).buffer],
  [new DataView(new Uint8Array([1]).buffer)],
  [new Int8Array([1])],
  [new Uint8ClampedArray([1])],
  [new Uint16Array([1])],
  [new Uint8Array([1, 0])],
  [[1]],
  [new Uint8Array(0)],
  [Buffer.alloc(0)],
  ['\ud800'],
  ['\ud801'],
  ['\udc00'],
  ['\ufffd'],
  ['\\ud800'],
  ['\ud83d\ude00'],
  ['~'],
  ['%20'],
  [' '],
  ['_'],
  ['a b'],
  ['a_b'],
  ['a\nb'],
  ['ü'],
  ['u\u0308'],
  ['\0'],
  ['x'.repeat(98)],
  ['x'.repeat(99)],
  ['x'.repeat(100)],
  ['x'.repeat(5000)],
  ['x'.repeat(5001)],
  [{ ['__proto__']: 1 }],
  [JSON.parse('{"__proto__":{"a":1}}')],
  [{ a: { b: { c: 1 } } }],
  [{ a: { b: {}, c: 1 } }],
];

describe('different arguments', () => {
  it('never have the same key: a table of neighbours', () => {
    for (const key of [canonical, (args: unknown[]) => entryKey(prefix, args)]) {
      const byKey = new Map<string, unknown[]>();
      for (const args of different) {
        expect([key(args), byKey.get(key(args))]).toEqual([key(args), undefined]);
        byKey.set(key(args), args);
      }
    }
  });

  it('never have the same key, and equal ones always have', () => {
    fc.assert(
      fc.property(pairs, ([one, two]) => {
        const equal = JSON.stringify(meaning(withoutOmitted(one))) === JSON.stringify(meaning(withoutOmitted(two)));
        expect(canonical(one) === canonical(two)).toBe(equal);
        expect(entryKey(prefix, one) === entryKey(prefix, two)).toBe(equal);
      }),
      { numRuns: 1000 },
    );
  });

  it('never have the same key where they are texts', () => {
    fc.assert(
      fc.property(text, text, (one, two) => {
        expect(entryKey(prefix, [one]) === entryKey(prefix, [two])).toBe(one === two);
        expect(generationKey(prefix, one) === generationKey(prefix, two)).toBe(one === two);
        expect(segment(one) === segment(two)).toBe(one === two);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('equal arguments', () => {
  it('have the same key with their properties in any order', () => {
    fc.assert(
      fc.property(fc.array(trees, { maxLength: 3 }), (args) => {
        expect(canonical(args.map(shuffled))).toBe(canonical(args));
      }),
      { numRuns: 400 },
    );
  });

  it.each<[string, unknown[], unknown[]]>([
    ['an omitted argument', [1], [1, undefined, undefined]],
    ['an omitted option', [{ a: 1, b: undefined }], [{ a: 1 }]],
    ['an abort signal at the end', [1], [1, new AbortController().signal]],
    ['an abort signal among arguments', [undefined, 1], [new AbortController().signal, 1]],
    ['an abort signal among options', [{ a: 1 }], [{ a: 1, signal: new AbortController().signal }]],
    ['an abort signal in a list', [[undefined]], [[AbortSignal.timeout(1)]]],
    ['a null prototype', [{ a: 1 }], [Object.assign(Object.create(null), { a: 1 })]],
    [
      'another realm',
      [{ a: [1, new Date(3)], m: new Map([[1, 2]]) }],
      [runInNewContext('({ m: new Map([[1, 2]]), a: [1, new Date(3)] })')],
    ],
    ['another stack', [new Error('a')], [new Error('a')]],
    ['a part of a buffer', [new Uint8Array([2, 3])], [new Uint8Array([1, 2, 3, 4]).subarray(1, 3)]],
    ['a repeated part', [[{ a: 1 }, { a: 1 }]], [Array(2).fill({ a: 1 })]],
  ])('have the same key: %s', (_, one, two) => {
    expect(canonical(two)).toBe(canonical(one));
  });

  it('have the same key on the short way and on the long', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          text,
          fc.integer(),
          fc.maxSafeInteger(),
          fc.double(),
          fc.constantFrom('x'.repeat(98), 'x'.repeat(99), -0),
        ),
        (only) => {
          expect(entryKey(prefix, [only, undefined])).toBe(entryKey(prefix, [only]));
        },
      ),
      { numRuns: 600 },
    );
  });
});

describe('a key', () => {
  it('is legal for memcached, whatever the arguments', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(trees, text), { maxLength: 4 }),
        fc.array(text, { minLength: 1, maxLength: 5 }),
        (args, parts) => {
          const before = parts.map(segment).join(':');
          expect(entryKey(before, args)).toMatch(legal);
          expect(entryKey(before, args.slice(0, 1))).toMatch(legal);
          for (const part of parts) expect(generationKey(before, part)).toMatch(legal);
        },
      ),
      { numRuns: 400 },
    );
  });

  it.each<[unknown[], string]>([
    [['p-42'], "'p-42'"],
    [['42'], "'42'"],
    [[42], '42'],
    [[], ''],
    [['a', 1, true, null], "'a',1,true,null"],
    [[{ page: 2, 'sort-by': 'name' }], "{page:2,'sort-by':'name'}"],
    [[new Date(0)], 'Date(1970-01-01T00:00:00.000Z)'],
    [[[1n, -0]], '[1n,-0]'],
  ])('is readable where the arguments are short: %j', (args, readable) => {
    expect(entryKey(prefix, args)).toBe(`${prefix}:${readable}`);
  });

  it('begins readably and ends in a hash where they are long or odd', () => {
    expect(entryKey(prefix, ['Anna Maria'])).toMatch(/^shop:1:Products\.find:'Anna_Maria'~[\w-]{24}$/);
    expect(entryKey(prefix, ['x'.repeat(9999)])).toMatch(/^shop:1:Products\.find:'x{74}~[\w-]{24}$/);
    expect(generationKey('shop:1:g', 'user:Anna Maria')).toMatch(/^shop:1:g:user:Anna_Maria~[\w-]{24}$/);
    expect(generationKey('shop:1:g', 'user:1')).toBe('shop:1:g:user:1');
  });

  it('is not that of a text which imitates a hash', () => {
    const long = 'x'.repeat(300);
    const imitation = generationKey('g', long).slice(2);
    expect(generationKey('g', imitation)).not.toBe(generationKey('g', long));
  });

  it('tells lone surrogates apart, which are the same in UTF-8', () => {
    expect(generationKey('g', '\ud800')).not.toBe(generationKey('g', '\ud801'));
    expect(entryKey('g', ['\ud800'])).not.toBe(entryKey('g', ['\ud801']));
  });

  it('keeps long prefixes apart', () => {
    const long = 'n'.repeat(300);
    expect(entryKey(`${long}:a`, [1])).not.toBe(entryKey(`${long}:b`, [1]));
    expect(entryKey(`${long}:a`, [1])).toMatch(legal);
    expect(generationKey(long, long)).toMatch(legal);
  });
});

describe('a segment', () => {
  it('is ordinary text as it is, and can be told from its neighbours', () => {
    expect(segment('Products.find@2')).toBe('Products.find@2');
    expect(segment('{shop}')).toBe('{shop}');
    expect(segment('\n1\ud800')).toBe('%0a1%ud800');
    expect(segment('a:b c%~ü')).toBe('a%3ab%20c%25%7e%c3%bc');
    fc.assert(
      fc.property(fc.array(text), fc.array(text), (one, two) => {
        const joined = (parts: string[]) => parts.map(segment).join(':');
        fc.pre(one.length > 0 && two.length > 0);
        expect(joined(one) === joined(two)).toBe(JSON.stringify(one) === JSON.stringify(two));
        expect(joined(one)).toMatch(/^[!-}]*$/);
      }),
    );
  });
});

describe('an object with [cacheIdentity]', () => {
  class Tenant {
    readonly connection = () => undefined;
    readonly id: unknown;
    constructor(id: unknown) {
      this.id = id;
    }
    [cacheIdentity](): unknown {
      return this.id;
    }
  }
  class Order extends Tenant {}

  it('identifies itself by class and text', () => {
    expect(canonical([new Tenant('1')])).toBe(canonical([new Tenant('1')]));
    const others = [[new Tenant('2')], [new Order('1')], ['1'], ["@'Tenant''1'"], [{ id: '1' }]];
    for (const other of others) expect(canonical(other)).not.toBe(canonical([new Tenant('1')]));
  });

  it('may be a function or a plain object', () => {
    const loader = Object.assign(() => 1, { [cacheIdentity]: () => 'loader' });
    expect(canonical([loader])).toBe("@'Function''loader'");
    expect(canonical([{ [cacheIdentity]: () => 'x', db: () => 1 }])).toBe("@'Object''x'");
  });

  it('is refused if it does not give a string', () => {
    expect(() => canonical([[new Tenant(1)]])).toThrow(
      'arguments[0][0] is an object whose [cacheIdentity]() gives no string',
    );
  });
});

describe('arguments without a canonical form', () => {
  const cycle: { list: unknown[] } = { list: [] };
  cycle.list.push(cycle);
  class Late extends Date {}
  it.each<[string, unknown[], string, string]>([
    ['a function', [{ db: () => 1 }], 'arguments[0].db', 'a function'],
    ['an instance', [1, new Stranger()], 'arguments[1]', 'an instance of Stranger'],
    ['an instance of a subclass of Date', [new Late()], 'arguments[0]', 'an instance of Late'],
    ['a symbol', [[Symbol.for('a')]], 'arguments[0][0]', 'a symbol'],
    ['a property under a symbol', [{ [Symbol('a')]: 1 }], 'arguments[0]', 'an object with the property Symbol(a)'],
    ['a promise', [Promise.resolve()], 'arguments[0]', 'a promise'],
    ['a generator', [(function* () {})()], 'arguments[0]', 'a stream or iterator'],
    ['a cycle', [cycle], 'arguments[0].list[0]', 'part of itself'],
    ['a boxed text', [Object('a')], 'arguments[0]', 'an instance of String'],
  ])('are refused with their place: %s', (_, args, path, what) => {
    expect.assertions(2);
    try {
      entryKey(prefix, args);
    } catch (error) {
      expect(error).toBeInstanceOf(UnkeyableError);
      expect(error).toMatchObject({ name: 'UnkeyableError', path, what });
    }
  });

  it('are refused where they throw or never end', () => {
    const cause = new Error('lazy');
    expect(() =>
      canonical([
        {
          get a() {
            throw cause;
          },
        },
      ]),
    ).toThrow(expect.objectContaining({ cause, path: 'arguments[0]' }));
    let deep: object = {};
    for (let level = 0; level < 100_000; level++) deep = [deep];
    expect(() => canonical([deep])).toThrow(UnkeyableError);
    let bomb: object = [];
    for (let level = 0; level < 60; level++) bomb = [bomb, bomb];
    expect(() => canonical([bomb])).toThrow('nested too deeply or too large');
  });

  it('are not asked for toJSON', () => {
    expect(() => canonical([{ toJSON: () => 'same' }])).toThrow('arguments[0].toJSON is a function');
  });
});
