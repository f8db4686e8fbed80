/** Values to try things with, and two ways to say what a value is: exactly, and as an argument. */

import fc from 'fast-check';

export class Owner {
  name: string;
  constructor(name: string) {
    this.name = name;
  }
  toJSON(): string {
    return 'never asked';
  }
}
export class Tally extends Map<unknown, unknown> {
  constructor() {
    super();
    throw new Error('constructors do not run');
  }
}
export class Refused extends TypeError {}
export class Rows extends Array<unknown> {
  constructor() {
    super();
    throw new Error('constructors do not run');
  }
  toJSON(): string {
    return 'never asked';
  }
}
export class Money {
  readonly #cents: unknown;
  constructor(cents: unknown) {
    this.#cents = cents;
  }
  get cents(): unknown {
    return this.#cents;
  }
}
export class Stranger {
  id = 1;
}
export const money = {
  class: Money,
  name: 'money',
  toPlain: (it: Money) => it.cents,
  fromPlain: (cents: unknown) => new Money(cents),
};
export const revive = [Owner, Tally, Refused, Rows, money] as const;

const keys = fc.oneof(
  fc.string({ maxLength: 4, unit: fc.constantFrom('a', 'b', '~', ':', "'", '0', '1', '-', '\ud800') }),
  fc.constantFrom('__proto__', 'constructor', 'toJSON', 'length', 'then', 'message'),
);
const texts = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 6 }),
  fc.string({ maxLength: 5, unit: fc.constantFrom(...`~:'",[]{}()\\nurd01`, '\ud800', '\udc00', ' ', '\0') }),
  fc.constantFrom('~u', '~r0', '~:Map', '~:class', '~~', '__proto__'),
);
const leaves = fc.oneof(
  texts,
  fc.double(),
  fc.integer({ min: -2, max: 2 }),
  fc.constantFrom(undefined, null, -0, true, false, 0n, -1n),
  fc.bigInt(),
  fc.date({ noInvalidDate: false }),
  fc.constantFrom('a/b', '\n', 'x').map((source) => new RegExp(source, 'gi')),
  fc
    .uint8Array({ maxLength: 3 })
    .chain((bytes) => fc.constantFrom<object>(bytes, Buffer.from(bytes), bytes.slice().buffer)),
  fc.float64Array({ maxLength: 2 }),
  fc.uint8Array({ maxLength: 3 }).map((bytes) => new DataView(bytes.slice().buffer)),
  fc.webUrl().map((url) => new URL(url)),
  fc.webQueryParameters().map((query) => new URLSearchParams(query)),
);

/** Trees of everything, without cycles and classes. */
export const trees: fc.Arbitrary<unknown> = fc.oneof(
  fc.anything({
    key: keys,
    values: [leaves],
    maxDepth: 3,
    withBigInt: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withTypedArray: true,
    withSparseArray: true,
    withNullPrototype: true,
  }),
  leaves,
);

const makers: readonly (() => object)[] = [
  () => ({}),
  () => Object.create(null) as object,
  () => [],
  () => Object.assign([], { length: 70 }),
  () => new Map(),
  () => new Set(),
  () => new Date(7),
  () => /x/u,
  () => new RangeError('too far'),
  () => new AggregateError([], 'all'),
  () => new Error('no', { cause: 1 }),
  () => new Owner('eve'),
  () => Object.setPrototypeOf([], Rows.prototype) as object,
  () => new Refused('no'),
  () => Object.setPrototypeOf(new Map(), Tally.prototype) as object,
  () => new Money({ of: 'what it is' }),
];
type Edge = readonly [key: string, to: number, leaf: unknown];

/** Graphs: objects that contain each other and themselves, of all kinds. */
export const graphs: fc.Arbitrary<unknown> = fc
  .array(
    fc.tuple(
      fc.nat(makers.length - 1),
      fc.array(fc.tuple(keys, fc.integer({ min: -3, max: 6 }), leaves), { maxLength: 4 }),
    ),
    { minLength: 1, maxLength: 7 },
  )
  .map((nodes) => {
    const made = nodes.map(([kind]) => (makers[kind] as () => object)());
    nodes.forEach(([, edges], index) => edges.forEach((edge) => connect(made[index] as object, edge, made)));
    return made[0];
  });

function connect(from: object, [key, to, leaf]: Edge, nodes: readonly object[]): void {
  const value = nodes[to] ?? leaf;
  // Reading the stack of an error whose message is itself never ends.
  if (from instanceof Money || (from instanceof Error && key === 'message')) return;
  if (from instanceof Map) from.set(nodes[to + 1] ?? key, value);
  else if (from instanceof Set) from.add(value);
  else if (Array.isArray(from) && key.length < 3) from[from.length < 64 ? from.length + 1 : key.length] = value;
  else if (key !== 'length')
    Object.defineProperty(from, key, { value, writable: true, enumerable: true, configurable: true });
}

const prototypes = new Map<object | null, number>();

function prototypeNumber(value: object): number {
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (!prototypes.has(prototype)) prototypes.set(prototype, prototypes.size);
  return prototypes.get(prototype) as number;
}

/** All that can be told of a value: classes, order, holes, hidden properties, and which objects are the same. */
export function anatomy(value: unknown): unknown {
  const met = new Map<object, number>();
  const look = (it: unknown): unknown => {
    if (typeof it !== 'object' || it === null) return scalar(it);
    if (met.has(it)) return { same: met.get(it) };
    met.set(it, met.size);
    const own = Reflect.ownKeys(it).map((key) => [key, Reflect.getOwnPropertyDescriptor(it, key)?.enumerable] as const);
    const shown = own.filter(([, enumerable]) => enumerable).map(([key]) => key);
    const hidden = own.filter(([, enumerable]) => !enumerable).map(([key]) => key);
    const properties = [...shown, ...hidden.sort()].map((key) => [key, look(Reflect.get(it, key))]);
    return { prototype: prototypeNumber(it), shown: shown.length, properties, inside: inside(it, look) };
  };
  return look(value);
}

function scalar(it: unknown): string {
  return `${typeof it} ${Object.is(it, -0) ? '-0' : String(it).replace(/\p{Surrogate}/gu, (lone) => lone.charCodeAt(0).toString())}`;
}

function inside(it: object, look: (it: unknown) => unknown): unknown {
  if (it instanceof Map) return [...it].map(([key, value]) => [look(key), look(value)]);
  if (it instanceof Set) return [...it].map(look);
  if (it instanceof Date) return String(it.getTime());
  if (it instanceof RegExp) return String(it);
  if (it instanceof URL || it instanceof URLSearchParams) return String(it);
  if (it instanceof ArrayBuffer) return [...new Uint8Array(it)];
  if (it instanceof Money) return look(it.cents);
  return ArrayBuffer.isView(it) ? [...new Uint8Array(it.buffer, it.byteOffset, it.byteLength)] : undefined;
}

/** What a value is as an argument: without the order of properties, properties that are undefined, and null prototypes. */
export function meaning(it: unknown): unknown {
  if (typeof it !== 'object' || it === null) return scalar(it);
  const properties = Object.keys(it).sort();
  const kept = properties.filter((key) => Array.isArray(it) || Reflect.get(it, key) !== undefined);
  const own = ArrayBuffer.isView(it) ? [] : kept.map((key) => [key, meaning(Reflect.get(it, key))]);
  const bare = Object.getPrototypeOf(it) === null;
  const prototype = bare ? prototypeNumber({}) : prototypeNumber(it);
  return [prototype, Array.isArray(it) ? it.length : 0, own, inside(it, meaning) ?? null];
}
