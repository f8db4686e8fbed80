import type { Entry } from '../../src/base/entry.js';
import {
  firstChanged,
  generationLifetimeMs,
  isToken,
  newToken,
  tokenLifetimeMs,
} from '../../src/policies/generations.js';

const tenYearsMs = 315_360_000_000;

describe('the lifetime of a generation', () => {
  it.each([
    [1, 1_000],
    [250, 1_000],
    [251, 2_000],
    [500, 2_000],
    [1_000, 4_000],
    [1_001, 8_000],
    [300_000, 2_048_000],
    [86_400_000, 524_288_000],
    [tenYearsMs, Infinity],
    [Number.MAX_SAFE_INTEGER, Infinity],
    [Infinity, Infinity],
  ])('for entries of %d ms is %d ms', (entryMs, lifetimeMs) => {
    expect(generationLifetimeMs(entryMs)).toBe(lifetimeMs);
  });

  it('is at least four times that of its longest entry, and at most little more than eight times', () => {
    for (let entryMs = 1_000; entryMs < tenYearsMs / 8; entryMs = Math.ceil(entryMs * 1.37)) {
      const ratio = generationLifetimeMs(entryMs) / entryMs;
      expect(ratio).toBeGreaterThanOrEqual(4);
      expect(ratio).toBeLessThan(8.01);
    }
  });
});

describe('a token', () => {
  it('is never made twice', () => {
    const tokens = Array.from({ length: 10_000 }, () => newToken(1_000));
    expect(new Set(tokens).size).toBe(tokens.length);
  });

  it('has 72 random bits, every one of them either way', () => {
    const randoms = Array.from({ length: 500 }, () => Buffer.from(newToken(Infinity).slice(0, 12), 'base64url'));
    expect(randoms.map(({ length }) => length)).toEqual(randoms.map(() => 9));
    for (let bit = 0; bit < 72; bit++) {
      const ones = randoms.filter((random) => ((random[bit >> 3] ?? 0) >> (bit & 7)) & 1).length;
      expect(ones).toBeGreaterThan(150);
      expect(ones).toBeLessThan(350);
    }
  });

  it.each([1_000, 2_048_000, 2 ** 28 * 1_000, Infinity])('says the lifetime of %d ms that it was made with', (ms) => {
    const token = newToken(ms);
    expect(isToken(token)).toBe(true);
    expect(tokenLifetimeMs(token)).toBe(ms);
  });

  it.each<unknown>([
    undefined,
    null,
    '',
    '.',
    'rubbish',
    'AAAAAAAAAAAA',
    'AAAAAAAAAAA.s',
    'AAAAAAAAAAAAA.s',
    'AAAAAAAAAAA=.s',
    'AAAAAAAAAAA .s',
    'AAAAAAAAAAAA.S',
    'AAAAAAAAAAAA.-1',
    'AAAAAAAAAAAA.1.5',
    'AAAAAAAAAAAA.aaaaaaaaaaa',
    'AAAAAAAAAAAA.s\n',
    ' AAAAAAAAAAAA.s',
    ['AAAAAAAAAAAA.s'],
    12,
  ])('is not %j', (text) => {
    expect(isToken(text)).toBe(false);
  });
});

describe('an entry held against the generations that stand now', () => {
  const entry: Entry = {
    writtenAt: 0,
    ttlMs: 1,
    sliding: false,
    maxLifetimeMs: Infinity,
    accessedAt: 0,
    staleMs: 0,
    isError: false,
    version: undefined,
    loadMs: 0,
    generations: [
      ['#', 'n1'],
      ['#t:a', 'a1'],
    ],
    payload: undefined,
  };

  it.each<[of: string, now: [string, string | undefined][], changed: string | undefined]>([
    [
      'all are the same',
      [
        ['#', 'n1'],
        ['#t:a', 'a1'],
      ],
      undefined,
    ],
    [
      'there are others besides',
      [
        ['#t:b', 'b7'],
        ['#', 'n1'],
        ['#t:a', 'a1'],
      ],
      undefined,
    ],
    [
      'the first is another one',
      [
        ['#', 'n2'],
        ['#t:a', 'a1'],
      ],
      '#',
    ],
    [
      'the last is another one',
      [
        ['#', 'n1'],
        ['#t:a', 'a2'],
      ],
      '#t:a',
    ],
    [
      'both are',
      [
        ['#', 'n2'],
        ['#t:a', 'a2'],
      ],
      '#',
    ],
    [
      'one is gone',
      [
        ['#', 'n1'],
        ['#t:a', undefined],
      ],
      '#t:a',
    ],
    ['one was not read', [['#', 'n1']], '#t:a'],
    ['none was read', [], '#'],
  ])('%s', (_of, now, changed) => {
    expect(firstChanged(entry, new Map(now))).toBe(changed);
  });

  it('has nothing to change where it has none', () => {
    expect(firstChanged({ ...entry, generations: [] }, new Map())).toBeUndefined();
  });

  it('is not the marker of late tags, whose tokens are empty and stand nowhere', () => {
    const marker = { ...entry, generations: [['#t:a', '']] as const };
    expect(firstChanged(marker, new Map([['#t:a', undefined]]))).toBe('#t:a');
  });
});
