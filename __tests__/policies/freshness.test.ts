/** What an entry may be used for, by its age, by what speaks against it and by the options. */

import { type Condition, type Freshness, freshnessOf, type FreshnessPolicy } from '../../src/policies/freshness.js';

const second = 1_000;
const ttlMs = 10 * second;
const writtenAt = 1_700_000_000_000;

const strict: FreshnessPolicy = { staleWhileRevalidateMs: 0, staleIfErrorMs: 0, refreshAhead: undefined };
const swr = { ...strict, staleWhileRevalidateMs: 5 * second };
const sie = { ...strict, staleIfErrorMs: 20 * second };
const both = { ...swr, staleIfErrorMs: sie.staleIfErrorMs };
const sieShorter = { ...strict, staleWhileRevalidateMs: 20 * second, staleIfErrorMs: 5 * second };
const unending = { ...strict, staleWhileRevalidateMs: Infinity, staleIfErrorMs: Infinity };
const ahead = { ...strict, refreshAhead: 0.8 };
const everything = { ...both, refreshAhead: 0.8 };

const fresh: Freshness = { state: 'fresh', isDue: false };
const due: Freshness = { state: 'fresh', isDue: true };
const expired: Freshness = { state: 'expired' };
const invalidated: Freshness = { state: 'invalidated' };
const stale = (whileRevalidating: boolean, ifError: boolean): Freshness => ({
  state: 'stale',
  whileRevalidating,
  ifError,
});

interface Case {
  readonly ageMs: number;
  readonly ttlMs?: number;
  readonly maxLifetimeMs?: number;
  readonly remainingMs?: number;
  readonly loadMs?: number;
  readonly isError?: boolean;
  readonly sliding?: boolean;
  readonly isInvalidated?: boolean;
  readonly isExpired?: boolean;
  readonly isUnverified?: boolean;
  readonly chance?: number;
}

function conditionOf(given: Case): Condition {
  const { ageMs, maxLifetimeMs = Infinity, loadMs = 100, isError = false, sliding = false } = given;
  const lifetimeMs = Math.min(given.ttlMs ?? ttlMs, maxLifetimeMs);
  return {
    entry: {
      writtenAt,
      ttlMs: given.ttlMs ?? ttlMs,
      sliding,
      maxLifetimeMs,
      accessedAt: writtenAt,
      staleMs: 0,
      loadMs,
      isError,
    },
    remainingMs: given.remainingMs ?? lifetimeMs - ageMs,
    flaw: flawIn(given),
    now: writtenAt + ageMs,
    chance: given.chance,
  };
}

function flawIn({ isInvalidated, isUnverified, isExpired }: Case): Condition['flaw'] {
  if (isInvalidated) return 'invalidated';
  if (isUnverified) return 'unverified';
  return isExpired ? 'expired' : undefined;
}

const policies: Readonly<Record<string, FreshnessPolicy>> = {
  strict,
  swr,
  sie,
  both,
  sieShorter,
  unending,
  ahead,
  everything,
};

describe('an entry with a ttl of 10 s', () => {
  it.each<[ageMs: number, policy: string, freshness: Freshness]>([
    [0, 'strict', fresh],
    [9_999, 'strict', fresh],
    [10_000, 'strict', expired],
    [1_000_000, 'strict', expired],

    [9_999, 'swr', fresh],
    [10_000, 'swr', stale(true, false)],
    [14_999, 'swr', stale(true, false)],
    [15_000, 'swr', expired],

    [9_999, 'sie', fresh],
    [10_000, 'sie', stale(false, true)],
    [29_999, 'sie', stale(false, true)],
    [30_000, 'sie', expired],

    [9_999, 'both', fresh],
    [10_000, 'both', stale(true, true)],
    [14_999, 'both', stale(true, true)],
    [15_000, 'both', stale(false, true)],
    [29_999, 'both', stale(false, true)],
    [30_000, 'both', expired],

    [14_999, 'sieShorter', stale(true, true)],
    [15_000, 'sieShorter', stale(true, false)],
    [29_999, 'sieShorter', stale(true, false)],
    [30_000, 'sieShorter', expired],

    [9_999, 'unending', fresh],
    [10_000, 'unending', stale(true, true)],
    [Number.MAX_SAFE_INTEGER - writtenAt, 'unending', stale(true, true)],

    [7_999, 'ahead', fresh],
    [8_000, 'ahead', due],
    [9_999, 'ahead', due],
    [10_000, 'ahead', expired],

    [7_999, 'everything', fresh],
    [8_000, 'everything', due],
    [10_000, 'everything', stale(true, true)],
    [15_000, 'everything', stale(false, true)],
    [30_000, 'everything', expired],
  ])('%i ms after its writing under %s', (ageMs, policy, freshness) => {
    expect(freshnessOf(conditionOf({ ageMs }), policies[policy] as FreshnessPolicy)).toEqual(freshness);
  });
});

describe.each(Object.entries(policies))('under %s', (_name, policy) => {
  it.each([0, 9_999, 10_000, 14_999, 29_999, 30_000])('is invalidated, if it is, %i ms after its writing', (ageMs) => {
    for (const isExpired of [false, true]) {
      for (const isError of [false, true]) {
        const condition = conditionOf({ ageMs, isInvalidated: true, isExpired, isError, chance: Number.MIN_VALUE });
        expect(freshnessOf(condition, policy)).toEqual(invalidated);
      }
    }
  });

  it('never falls back on a failure that was kept, nor loads it early', () => {
    const read = (ageMs: number, isExpired = false): Freshness =>
      freshnessOf(conditionOf({ ageMs, isError: true, isExpired }), policy);
    expect([read(0), read(9_999)]).toEqual([fresh, fresh]);
    expect([read(0, true), read(10_000), read(14_999), read(29_999)]).toEqual([expired, expired, expired, expired]);
  });

  it('takes one that somebody has expired for one whose ttl has just ended', () => {
    const atItsEnd = freshnessOf(conditionOf({ ageMs: ttlMs }), policy);
    for (const ageMs of [0, 8_000, 9_999, 10_000]) {
      expect(freshnessOf(conditionOf({ ageMs, isExpired: true }), policy)).toEqual(atItsEnd);
    }
    expect(freshnessOf(conditionOf({ ageMs: 0, remainingMs: Infinity, isExpired: true }), policy)).toEqual(atItsEnd);
  });

  it('gives one that somebody has expired no longer than it would have had without that', () => {
    for (const ageMs of [14_999, 15_000, 29_999, 30_000]) {
      const without = freshnessOf(conditionOf({ ageMs }), policy);
      expect(freshnessOf(conditionOf({ ageMs, isExpired: true }), policy)).toEqual(without);
    }
  });

  it('never lets an entry without an end expire or be due', () => {
    for (const ageMs of [0, 1e9, Number.MAX_SAFE_INTEGER - writtenAt]) {
      expect(freshnessOf(conditionOf({ ageMs, ttlMs: Infinity, chance: Number.MIN_VALUE }), policy)).toEqual(fresh);
    }
  });
});

describe('loading early', () => {
  it('begins after the part of the shorter of ttl and maxLifetime', () => {
    const at = (ageMs: number): Freshness => freshnessOf(conditionOf({ ageMs, maxLifetimeMs: 5 * second }), ahead);
    expect([at(3_999), at(4_000), at(4_999), at(5_000)]).toEqual([fresh, due, due, expired]);
  });

  it('begins by the time of writing, however often the window was restarted', () => {
    const at = (ageMs: number): Freshness =>
      freshnessOf(conditionOf({ ageMs, sliding: true, remainingMs: ttlMs }), ahead);
    expect([at(7_999), at(8_000), at(50_000)]).toEqual([fresh, due, due]);
  });

  it('has an end by maxLifetime where ttl has none', () => {
    const at = (ageMs: number): Freshness =>
      freshnessOf(conditionOf({ ageMs, ttlMs: Infinity, maxLifetimeMs: 10 * second }), ahead);
    expect([at(7_999), at(8_000)]).toEqual([fresh, due]);
  });

  // XFetch: due where -load * ln(chance) reaches what remains; ln(1/e) is -1.
  it.each<[what: string, given: Case, freshness: Freshness]>([
    ['the chance is 1', { ageMs: 9_999, chance: 1 }, fresh],
    ['the load took exactly what remains, at 1/e', { ageMs: 9_000, loadMs: 1_000, chance: Math.exp(-1) }, due],
    ['it took a millisecond less, at 1/e', { ageMs: 9_000, loadMs: 999, chance: Math.exp(-1) }, fresh],
    ['there is a millisecond more, at 1/e', { ageMs: 8_999, loadMs: 1_000, chance: Math.exp(-1) }, fresh],
    ['a quick load, twice the logarithm', { ageMs: 9_000, loadMs: 500, chance: Math.exp(-2.000_001) }, due],
    ['the smallest of chances, but too early', { ageMs: 7_999, loadMs: 1e6, chance: Number.MIN_VALUE }, fresh],
    ['the smallest of chances', { ageMs: 8_000, loadMs: 1_000, chance: Number.MIN_VALUE }, due],
    ['a load that took no time', { ageMs: 9_999, loadMs: 0, chance: Number.MIN_VALUE }, fresh],
    ['only the server knows the end', { ageMs: 9_000, remainingMs: Infinity, chance: Number.MIN_VALUE }, fresh],
    ['a kept failure', { ageMs: 9_999, isError: true, loadMs: 1e6, chance: Number.MIN_VALUE }, fresh],
  ])('by chance: %s', (_what, given, freshness) => {
    expect(freshnessOf(conditionOf(given), ahead)).toEqual(freshness);
  });

  it('is left alone without the option, whatever the chance', () => {
    const given = { ageMs: 9_999, loadMs: 1e6, chance: Number.MIN_VALUE };
    expect(freshnessOf(conditionOf(given), both)).toEqual(fresh);
  });
});

describe('an entry whose version could not be told', () => {
  it.each<[ageMs: number, policy: string, freshness: Freshness]>([
    [0, 'strict', expired],
    [0, 'swr', expired],
    [0, 'sie', stale(false, true)],
    [0, 'both', stale(false, true)],
    [12_000, 'both', stale(false, true)],
    [29_999, 'both', stale(false, true)],
    [30_000, 'both', expired],
    [9_000, 'ahead', expired],
  ])('at %i ms and with %s is at best better than a failure', (ageMs, policy, freshness) => {
    const condition = conditionOf({ ageMs, isUnverified: true });
    expect(freshnessOf(condition, policies[policy] as FreshnessPolicy)).toEqual(freshness);
  });
});
