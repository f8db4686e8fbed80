import type { Entry } from '../../src/base/entry.js';
import { valueCodec } from '../../src/policies/codec.js';
import { newToken } from '../../src/policies/generations.js';
import { payloadFormat } from '../../src/policies/payload.js';
import { readEntry, wireVersion, writeEntry } from '../../src/stores/wire.js';

const format = payloadFormat(valueCodec([]), 'isolated', [], 'text');
const [n, a] = [newToken(Infinity), newToken(4_000)];

const entry: Entry = {
  writtenAt: 1_700_000_000_000,
  ttlMs: 300_000,
  sliding: false,
  maxLifetimeMs: Infinity,
  accessedAt: 1_700_000_000_000,
  staleMs: 0,
  isError: false,
  version: undefined,
  loadMs: 12,
  generations: [
    ['cachette:1:#', n],
    ['cachette:1:#t:a', a],
  ],
  payload: format.fromValue({ id: 1 }),
};

function read(header: unknown, value = '{"id":1}') {
  return readEntry(`${JSON.stringify(header)}\n${value}`, format);
}

describe('an entry', () => {
  it.each<[what: string, change: Partial<Entry>]>([
    ['as it is', {}],
    ['that slides, up to a maximal life', { sliding: true, maxLifetimeMs: 3_600_000 }],
    ['that never ends', { ttlMs: Infinity }],
    ['that slides, and was read since', { sliding: true, accessedAt: 1_700_000_001_000 }],
    ['that is kept when it is stale', { staleMs: 60_000 }],
    ['that is kept for ever', { staleMs: Infinity }],
    ['that is an error', { isError: true }],
    ['of a version', { version: 's1' }],
    ['without generations', { generations: [] }],
    [
      'with as many as a method may have',
      { generations: Array.from({ length: 256 }, (_, i) => [`t${i}`, n] as const) },
    ],
    [
      'with names of every kind',
      {
        generations: [
          ['"\n\u2028\\', n],
          ['', a],
          ['__proto__', n],
          ['tag:ü😀', a],
        ],
      },
    ],
    ['that was written before 1970', { writtenAt: -1.5, accessedAt: -1.5 }],
  ])('comes back %s', (_what, change) => {
    const written = { ...entry, ...change };
    const { payload, ...rest } = readEntry(writeEntry(written), format) ?? {};
    const { payload: _, ...expected } = written;
    expect(rest).toEqual(expected);
    expect(payload?.copy()).toEqual({ id: 1 });
  });

  it.each([['two\nlines\r\n'], [undefined], [null], [''], [{ nested: ['\n'] }]])('keeps the value %j', (value) => {
    const text = writeEntry({ ...entry, payload: format.fromValue(value) });
    expect(readEntry(text, format)?.payload?.copy()).toEqual(value);
  });

  it('has its version first and one line before the value, which others may read', () => {
    expect(writeEntry(entry)).toBe(
      `["1","${format.codec}",1700000000000,300000,0,null,0,0,12,null,"cachette:1:#","${n}","cachette:1:#t:a","${a}"]\n{"id":1}`,
    );
    expect(wireVersion).toBe('1');
  });

  it('without a value keeps the names of its late tags', () => {
    const marker: Entry = { ...entry, payload: undefined, generations: [['cachette:1:#t:r', '']] };
    expect(readEntry(writeEntry(marker), format)).toEqual(marker);
  });

  it('is decoded when it is used, and not before', () => {
    const broken = read(header({}), '{"id":');
    expect(broken).toBeDefined();
    expect(() => broken?.payload?.copy()).toThrow();
  });

  it('that cannot be written says so', () => {
    const payload = {
      codec: format.codec,
      copy: () => 1,
      get text(): string {
        throw new Error('too large');
      },
    };
    expect(() => writeEntry({ ...entry, payload })).toThrow('too large');
  });
});

function header(change: Record<number, unknown>): unknown[] {
  const fields: unknown[] = ['1', format.codec, 1, 1, 0, null, 0, 0, 0, null, 'a', a];
  for (const [i, value] of Object.entries(change)) fields[Number(i)] = value;
  return fields;
}

describe('a text', () => {
  it('is an entry as this version writes it', () => {
    expect(read(header({}))).toMatchObject({ writtenAt: 1, ttlMs: 1, sliding: false, maxLifetimeMs: Infinity });
  });

  it.each<[what: string, header: unknown]>([
    ['another version', header({ 0: '2' })],
    ['a wire version that is a number', header({ 0: 1 })],
    ['another codec', header({ 1: 'msgpack' })],
    ['a codec that is a number', header({ 1: 7 })],
    ['no time', header({ 2: null })],
    ['a time that is a text', header({ 2: '1' })],
    ['no ttl at all', header({ 3: undefined }).toSpliced(3, 1)],
    ['a ttl of 0', header({ 3: 0 })],
    ['a ttl below 0', header({ 3: -1 })],
    ['a ttl with a fraction', header({ 3: 1.5 })],
    ['a ttl beyond what is exact', header({ 3: 2 ** 53 })],
    ['a ttl that is a text', header({ 3: '1' })],
    ['a ttl in an array', header({ 3: [1] })],
    ['true for its kind', header({ 4: true })],
    ['a kind that does not exist', header({ 4: 4 })],
    ['a kind below 0', header({ 4: -1 })],
    ['a stale time below 0', header({ 6: -1 })],
    ['a stale time that is a text', header({ 6: '1' })],
    ['an access that is a text', header({ 7: '1' })],
    ['an access that is null', header({ 7: null })],
    ['a load below 0', header({ 8: -1 })],
    ['a load that is null', header({ 8: null })],
    ['a version that is a number', header({ 9: 1 })],
    ['a maximal life of 0', header({ 5: 0 })],
    ['a name that is null', header({ 10: null })],
    ['a token that is null', header({ 11: null })],
    ['an empty token', header({ 11: '' })],
    ['a token that is none', header({ 11: 'abc' })],
    ['a name alone', [...header({}), 'b']],
    ['nothing', []],
    ['half of the fields', header({}).slice(0, 3)],
    ['257 generations', [...header({}).slice(0, 10), ...Array.from({ length: 257 }, () => ['a', a]).flat()]],
    ['an object', { ...header({}) }],
    ['null', null],
    ['a text', '["1"]'],
  ])('is none with %s', (_what, spoilt) => {
    expect(read(spoilt)).toBeUndefined();
  });

  it.each([
    '',
    '\n',
    '\n\n',
    'rubbish',
    '[',
    '[]',
    'null\n',
    JSON.stringify(header({})),
    `x${JSON.stringify(header({}))}\n1`,
  ])('is none where it is %j', (text) => {
    expect(readEntry(text, format)).toBeUndefined();
  });
});
