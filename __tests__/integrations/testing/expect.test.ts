import { type Cache, createCache } from 'cachette';
import { ExpectationError, expectHit, expectMiss, manualClock, type ManualClock } from 'cachette/testing';

let clock: ManualClock;
let cache: Cache;
let runs: number;
let find: (id: string) => Promise<string>;

beforeEach(() => {
  clock = manualClock();
  cache = createCache('memory://', { clock });
  runs = 0;
  find = cache.wrap('Products.find', async (id: string) => `${id} ${++runs}`, {
    ttl: '10s',
    staleWhileRevalidate: '10s',
    tags: (id) => `product:${id}`,
  });
});

async function complaint(expectation: Promise<unknown>): Promise<string> {
  const error = await expectation.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ExpectationError);
  return (error as ExpectationError).message;
}

describe('expectHit', () => {
  it('gives the value of a hit', async () => {
    await find('1');
    expect(await expectHit(cache, () => find('1'))).toBe('1 1');
  });

  it('says that the call was a miss, and why', async () => {
    expect(await complaint(expectHit(cache, () => find('1')))).toBe(
      'Products.find was a miss (absent), and a hit was expected',
    );
  });

  it('says how old the entry of a stale call was', async () => {
    await find('1');
    await clock.advance(10_012);
    expect(await complaint(expectHit(cache, () => find('1')))).toBe(
      'Products.find was stale (revalidating, 10012 ms old), and a hit was expected',
    );
  });

  it('says that the call was a bypass', async () => {
    expect(await complaint(cache.bypass(() => expectHit(cache, () => find('1'))))).toBe(
      'Products.find was a bypass (bypass), and a hit was expected',
    );
  });

  it('says that no cached call was made', async () => {
    expect(await complaint(expectHit(cache, async () => 1))).toBe('no cached call was made, and a hit was expected');
  });

  it('looks at the first cached call inside', async () => {
    await find('1');
    const both = async (): Promise<void> => {
      await find('1');
      await find('2');
    };
    await expectHit(cache, both);
    await cache.invalidate('product:1');
    await expect(expectHit(cache, both)).rejects.toThrow(
      /^Products\.find was a miss \(invalidated: product:1, \d+ ms old\), and a hit was expected/,
    );
  });

  it('has the outcome in its error', async () => {
    const error = await expectHit(cache, () => find('1')).catch((thrown: unknown) => thrown);
    expect((error as ExpectationError).outcome).toMatchObject({ status: 'miss', reason: 'absent' });
  });

  it('passes the error of the call', async () => {
    const failing = cache.wrap('failing', () => Promise.reject(new Error('down')));
    await expect(expectHit(cache, () => failing())).rejects.toThrow('down');
  });
});

describe('expectMiss', () => {
  it('gives the value of a miss, for any reason', async () => {
    expect(await expectMiss(cache, () => find('1'))).toBe('1 1');
  });

  it('gives the value of a miss for the reason that was expected', async () => {
    expect(await expectMiss(cache, () => find('1'), 'absent')).toBe('1 1');
  });

  it('says that the call was a hit', async () => {
    await find('1');
    await clock.advance(12);
    expect(await complaint(expectMiss(cache, () => find('1')))).toBe(
      'Products.find was a hit (fresh, 12 ms old), and a miss was expected',
    );
  });

  it('says that the miss had another reason', async () => {
    expect(await complaint(expectMiss(cache, () => find('1'), 'expired'))).toBe(
      'Products.find was a miss (absent), and a miss (expired) was expected',
    );
  });

  it('takes a cache whose tags are named', async () => {
    const named = createCache('memory://', { tagKinds: ['product'] });
    await expectMiss(named, () => named.getOrLoad('a', async () => 1));
  });
});
