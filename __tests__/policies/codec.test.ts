import fc from 'fast-check';
import { Readable } from 'node:stream';
import { runInNewContext } from 'node:vm';
import { UnstorableError, valueCodec } from '../../src/policies/codec.js';
import { Money, Owner, Rows, Stranger, anatomy, graphs, money, revive, trees } from './values.js';

const codec = valueCodec(revive);
const throughText = (value: unknown) => codec.decode(codec.encode(value));
const problem = (value: unknown): UnstorableError => {
  try {
    codec.encode(value);
  } catch (error) {
    return error as UnstorableError;
  }
  throw new Error('it was stored');
};

describe('a value that goes through text', () => {
  it('is the same again, whatever tree it is', () => {
    fc.assert(
      fc.property(trees, (value) => {
        expect(anatomy(throughText(value))).toEqual(anatomy(value));
      }),
      { numRuns: 400 },
    );
  });

  it('is the same again with cycles, shared parts and classes', () => {
    fc.assert(
      fc.property(graphs, (value) => {
        expect(anatomy(throughText(value))).toEqual(anatomy(value));
      }),
      { numRuns: 600 },
    );
  });

  it.each<[string, () => unknown]>([
    ['undefined', () => undefined],
    ['null', () => null],
    ['NaN', () => NaN],
    ['-Infinity', () => -Infinity],
    ['minus zero in a list', () => [-0, 0]],
    ['a large negative bigint', () => -(10n ** 40n)],
    ['an invalid Date', () => new Date(NaN)],
    ['a list of holes of the greatest length', () => new Array(2 ** 32 - 1)],
    ['holes at the end', () => Object.assign([1, undefined], { length: 5 })],
    ['as many names as holes', () => Object.assign([, 1], { extra: 2 })],
    ['what a regular expression found', () => /(?<word>b)/.exec('abc')],
    ['an own __proto__', () => JSON.parse('{"__proto__":{"polluted":1},"a":[]}')],
    ['an own __proto__ beside undefined', () => ({ ...(JSON.parse('{"__proto__":{"a":1}}') as object), b: undefined })],
    ['an error without a message', () => new Error()],
    ['an error with an enumerable message', () => Object.assign(new Error(), { message: 'm', name: 'Mine' })],
    ['an error that causes itself', () => Object.assign(new Error('a'), { code: 'E' })],
    ['an AggregateError', () => new AggregateError([new RangeError('r'), 1], 'all', { cause: null })],
    ['a part of a buffer', () => new Uint16Array(new ArrayBuffer(16), 4, 2).fill(7).slice()],
    ['a Date with a property', () => Object.assign(new Date(5), { zone: 'CET' })],
    ['strings with a mark', () => ['~', '~~', '~u', '~:Map', { '~:Map': '~r0' }]],
    ['a lone surrogate', () => ['\ud800', { '\udc00': 1 }]],
  ])('keeps %s', (_, make) => {
    const value = make();
    expect(anatomy(throughText(value))).toEqual(anatomy(value));
  });

  it('keeps the order of properties', () => {
    expect(Object.keys(throughText({ b: undefined, a: 1, c: NaN }) as object)).toEqual(['b', 'a', 'c']);
  });

  it('is plain JSON where JSON is exact', () => {
    const value = { id: 'p1', price: 19.5, tags: ['~a', 'b'].slice(1), owner: { id: 1, gone: null }, ok: true };
    expect(codec.encode(value)).toBe(JSON.stringify(value));
  });

  it('is not longer than JSON and a few characters for an undefined property', () => {
    expect(codec.encode({ id: 'p1', note: undefined })).toBe('~{"id":"p1","note":"~u"}');
  });

  it('keeps only the bytes that a view shows, never its neighbours in the pool', () => {
    const secret = Buffer.from('secret');
    const text = codec.encode(Buffer.from('abc'));
    expect(secret.buffer.byteLength).toBeGreaterThan(100);
    expect(text.length).toBeLessThan(30);
  });

  it('has no NUL and no lone surrogate in its text', () => {
    fc.assert(
      fc.property(fc.oneof(trees, graphs), (value) => {
        expect(codec.encode(value)).toMatch(/^[^\0\p{Surrogate}]*$/u);
      }),
    );
  });

  it('comes from another realm and goes to this one', () => {
    const foreign: unknown = runInNewContext(
      '({ a: [1, , 2], d: new Date(3), m: new Map([[1, new Set([2])]]), e: new TypeError("no"), f: new Float32Array([1]), r: /x/g })',
    );
    const back = throughText(foreign) as Record<string, unknown>;
    expect(back).toEqual({
      a: [1, , 2],
      d: new Date(3),
      m: new Map([[1, new Set([2])]]),
      e: new TypeError('no'),
      f: new Float32Array([1]),
      r: /x/g,
    });
    expect(back['m']).toBeInstanceOf(Map);
    expect(back['e']).toBeInstanceOf(TypeError);
  });

  it('is what it was when it was encoded, getters included', () => {
    const value = {
      get answer() {
        return { is: 42 };
      },
    };
    expect(throughText(value)).toEqual({ answer: { is: 42 } });
  });
});

describe('classes to revive', () => {
  it('come back as instances, without their constructor or toJSON being called', () => {
    const back = throughText({ owner: new Owner('eve') }) as { owner: Owner };
    expect(back.owner).toBeInstanceOf(Owner);
    expect(back.owner.name).toBe('eve');
  });

  it('meet no setter of theirs when they come back', () => {
    class Guarded {
      set size(_: number) {
        throw new Error('called');
      }
    }
    const guarded = Object.defineProperty(new Guarded(), 'size', { value: 3, enumerable: true });
    const guards = valueCodec([Guarded]);
    expect(Object.entries(guards.decode(guards.encode(guarded)) as Guarded)).toEqual([['size', 3]]);
  });

  it('go by their own functions where these are given, under the name given', () => {
    const shared = new Money({ amount: undefined });
    const text = codec.encode([shared, shared]);
    const [first, second] = codec.decode(text) as [Money, Money];
    expect(text).toContain('"money"');
    expect(first).toBe(second);
    expect(first.cents).toEqual({ amount: undefined });
  });

  it('are refused where the plain form of an instance contains the instance', () => {
    const within: { money?: Money } = {};
    within.money = new Money(within);
    expect(problem(within.money)).toMatchObject({ kind: 'codec', path: 'result.money' });
  });

  it('are asked for their content as the built-in class is, whatever methods they have', () => {
    class Odd extends Map<unknown, unknown> {
      override entries(): never {
        throw new Error('called');
      }
      override [Symbol.iterator](): never {
        throw new Error('called');
      }
    }
    const odd = valueCodec([Odd, Rows]);
    const back = odd.decode(odd.encode(new Odd().set(1, 2))) as Odd;
    expect([back instanceof Odd, back.get(1)]).toEqual([true, 2]);
    const rows = Object.setPrototypeOf([undefined, 1], Rows.prototype) as Rows;
    expect(anatomy(odd.decode(odd.encode(rows)))).toEqual(anatomy(rows));
  });

  it('do not include their subclasses', () => {
    class Admin extends Owner {}
    expect(problem(new Admin('root'))).toMatchObject({ kind: 'instance', what: 'an instance of Admin' });
  });

  it('come back as objects, or the text is refused', () => {
    const odd = valueCodec([{ ...money, fromPlain: () => undefined }]);
    expect(() => odd.decode(codec.encode(new Money(1)))).toThrow('fromPlain of money gave no object');
  });

  it('have different names', () => {
    const twin = { ...money, name: 'Owner' };
    expect(() => valueCodec([Owner, twin])).toThrow(/two classes with the name 'Owner'/);
    expect(() => valueCodec([class {}])).toThrow(/without a name/);
  });

  it('are unknown to a codec that was not told of them, which refuses the text', () => {
    expect(() => valueCodec([]).decode(codec.encode(new Owner('eve')))).toThrow('no class Owner to revive');
  });
});

describe('a value that cannot be stored', () => {
  it.each<[string, unknown, string, string]>([
    ['an instance', { items: [{ owner: new Stranger() }] }, 'instance', 'result.items[0].owner'],
    ['a function', { 'a b': { run() {} } }, 'function', 'result["a b"].run'],
    ['a toJSON of its own', { toJSON: () => 1 }, 'function', 'result.toJSON'],
    ['a symbol', [Symbol('s')], 'symbol', 'result[0]'],
    ['a property under a symbol', { a: { [Symbol('s')]: 1 } }, 'symbol', 'result.a'],
    ['a promise', new Map([['a', Promise.resolve()]]), 'promise', 'result[0]'],
    ['a Readable', { body: Readable.from([]) }, 'stream', 'result.body'],
    ['a ReadableStream', new ReadableStream(), 'stream', 'result'],
    ['a Response', new Response('x'), 'stream', 'result'],
    ['a generator', (function* () {})(), 'stream', 'result'],
    ['an async generator', (async function* () {})(), 'stream', 'result'],
    ['an iterator by hand', { [Symbol.iterator]: () => ({}), next: 1 }, 'symbol', 'result'],
    ['an iterator of a list', [1].values(), 'stream', 'result'],
    ['a boxed number', Object(1), 'instance', 'result'],
    ['a WeakMap', new WeakMap(), 'instance', 'result'],
    ['bytes shared between threads', new Uint8Array(new SharedArrayBuffer(2)), 'instance', 'result'],
    ['bytes that can be resized', Reflect.construct(ArrayBuffer, [2, { maxByteLength: 4 }]), 'instance', 'result'],
    ['a subclass with the name of its parent', new { Date: class extends Date {} }.Date(), 'instance', 'result'],
    ['an object that pretends to be a Map', Object.create(Map.prototype), 'instance', 'result'],
    ['an object that pretends to be a URL', Object.create(URL.prototype), 'instance', 'result'],
    ['an object that pretends to be an Error', Object.create(Error.prototype), 'instance', 'result'],
    ['the cause of an error', new Error('a', { cause: new Stranger() }), 'instance', 'result.cause'],
  ])('tells where it is: %s', (_, value, kind, path) => {
    const error = problem(value);
    expect(error).toBeInstanceOf(UnstorableError);
    expect(error).toMatchObject({ name: 'UnstorableError', kind, path });
    expect(error.message).toBe(`${path} is ${error.what}, which cannot be stored`);
  });

  it('is one that throws when it is read', () => {
    const cause = new Error('lazy');
    const value = {
      get a() {
        throw cause;
      },
    };
    expect(problem(value)).toMatchObject({ kind: 'codec', cause });
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    expect(problem({ proxy })).toMatchObject({ kind: 'codec', path: 'result.proxy' });
  });

  it('is one that is nested deeper than any stack', () => {
    let deep: object = {};
    for (let level = 0; level < 200_000; level++) deep = { deep };
    expect(problem(deep)).toMatchObject({ kind: 'codec', what: 'nested too deeply or too large' });
  });
});

describe('the deepest value that can be stored', () => {
  it.each<[string, (inner: unknown) => object]>([
    ['objects', (inner) => ({ inner })],
    ['lists', (inner) => [inner, undefined]],
    ['maps with properties', (inner) => Object.assign(new Map([[1, inner]]), { a: undefined })],
    ['instances', (inner) => Object.assign(new Owner('x'), { inner })],
  ])('comes back: %s', (_, wrap) => {
    let value: unknown = undefined;
    for (let level = 0; level < 500; level++) value = wrap(value);
    expect(anatomy(throughText(value))).toEqual(anatomy(value));
    expect(problem(wrap(value))).toBeInstanceOf(UnstorableError);
  });
});

describe('hostile text', () => {
  const tags = [
    'bare',
    'holes',
    'with',
    'class',
    'from',
    'Map',
    'Set',
    'Error',
    'RegExp',
    'Float64Array',
    'Buffer',
    'URL',
  ];
  const scalars = fc.oneof(
    fc.constantFrom(
      '~u',
      '~r0',
      '~r1',
      '~r-1',
      '~r1e9',
      '~d9',
      '~nff',
      '~n',
      '~x',
      '~',
      '~r__proto__',
      'Owner',
      'money',
    ),
    fc.constantFrom(...tags.map((tag) => `~:${tag}`), 'AA==', '~:__proto__', '~:constructor', '~:Function', '('),
    fc.integer({ min: -1, max: 5 }),
    fc.constantFrom(null, true, 4_294_967_295, 1e300),
  );
  const names = fc.constantFrom(
    '__proto__',
    'constructor',
    'prototype',
    'message',
    'cause',
    'then',
    'polluted',
    'length',
  );
  const nodes = fc.letrec<{ node: unknown }>((tie) => ({
    node: fc.oneof(
      { maxDepth: 5 },
      scalars,
      fc.array(tie('node'), { maxLength: 4 }),
      fc
        .tuple(fc.constantFrom(...tags), fc.array(tie('node'), { maxLength: 4 }))
        .map(([tag, rest]) => [`~:${tag}`, ...rest]),
      fc
        .array(fc.tuple(names, tie('node')), { maxLength: 3 })
        .map((entries) =>
          entries.reduce(
            (made, [name, value]) => Object.defineProperty(made, name, { value, enumerable: true, configurable: true }),
            {},
          ),
        ),
    ),
  })).node;
  const guarded = [Object, Array, Map, Set, Error, Function, Owner, Money].flatMap((made) => [
    made,
    made.prototype as object,
  ]);
  const state = () => guarded.map((it) => [Object.getPrototypeOf(it) as unknown, Reflect.ownKeys(it)]);

  it('gives a value or an Error, and changes nothing that was there before', () => {
    const before = state();
    fc.assert(
      fc.property(
        fc.oneof(
          nodes.map((node) => `~${JSON.stringify(node)}`),
          fc.string(),
          fc.string().map((text) => `~${text}`),
        ),
        (text) => {
          try {
            codec.decode(text);
          } catch (error) {
            expect(error).toBeInstanceOf(Error);
          }
        },
      ),
      { numRuns: 3000 },
    );
    expect(state()).toEqual(before);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  it('gives a value or an Error where a true text was damaged', () => {
    fc.assert(
      fc.property(graphs, fc.nat(), fc.constantFrom('~', '"', '[', '0', ':', ''), (value, at, put) => {
        const text = codec.encode(value);
        const place = at % text.length;
        try {
          codec.decode(text.slice(0, place) + put + text.slice(place + 1));
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
      { numRuns: 600 },
    );
  });

  it.each<[string, string]>([
    ['nesting', `~${'['.repeat(1e6)}${']'.repeat(1e6)}`],
    ['a digit bomb', `~"~n${'f'.repeat(1e6)}"`],
    ['many lists of the greatest length', `~[${Array(20_000).fill('["~:holes",4294967295]').join()}]`],
    ['many lists of a great length', `~[${Array(20_000).fill('["~:holes",30000000]').join()}]`],
  ])('costs little time and memory: %s', (_, text) => {
    const before = process.memoryUsage().heapUsed;
    const start = performance.now();
    try {
      codec.decode(text);
    } catch (error) {
      expect(error).toBeInstanceOf(Error);
    }
    expect(performance.now() - start).toBeLessThan(2000);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(100e6);
  });

  it('does not turn an object that a class made into something else', () => {
    expect(() => codec.decode('~[["~:from","money",1],["~:class","Owner","~r1"]]')).toThrow(Error);
    expect(() => codec.decode('~[["~:from","money",1],["~:with","~r1",{"a":1}]]')).toThrow('nothing there to carry');
    expect(() => codec.decode('~["~:Error",{"toString":"x"}]')).toThrow('an error does not hide toString');
    expect(() => codec.decode('~["~:from","money","~r0"]')).toThrow('there is no object 0 yet');
    expect(() => codec.decode('~["~:from","Owner",{}]')).toThrow('stored in another way');
    expect(() => codec.decode('~["~:class","Owner",["~:Map"]]')).toThrow('stored as something else');
  });
});
