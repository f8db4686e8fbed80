import { type Cache, createCache, isCacheConfigError } from 'cachette';
import { expectHit, expectMiss, manualClock, type ManualClock } from 'cachette/testing';
import { Gate } from '../support/stepped-backend.js';

let clock: ManualClock;
let cache: Cache;

beforeEach(() => {
  clock = manualClock();
  cache = createCache('memory://', { clock });
});

afterEach(() => cache.close());

/** A cached function that counts how often it ran. */
function counted<T>(options: object = {}, result: (n: number, id: string) => T = (n, id) => `${id}#${n}` as T) {
  let runs = 0;
  const call = cache.wrap('counted', async (id: string) => result(++runs, id), options);
  return { call, runs: () => runs };
}

describe('a cached function in memory', () => {
  it('runs once for equal arguments and again for others', async () => {
    const { call, runs } = counted();
    expect(await call('a')).toBe('a#1');
    expect(await call('a')).toBe('a#1');
    expect(await call('b')).toBe('b#2');
    expect(runs()).toBe(2);
  });

  it('expires ttl after writing', async () => {
    const { call } = counted({ ttl: '10s' });
    await call('a');
    await clock.advance(9_999);
    expect(await expectHit(cache, () => call('a'))).toBe('a#1');
    await clock.advance(1);
    expect(await expectMiss(cache, () => call('a'), 'expired')).toBe('a#2');
  });

  it('slides with each hit, up to maxLifetime', async () => {
    const { call } = counted({ ttl: '10s', sliding: true, maxLifetime: '25s' });
    await call('a');
    await clock.advance(9_000);
    expect(await call('a')).toBe('a#1');
    await clock.advance(9_000);
    expect(await call('a')).toBe('a#1');
    await clock.advance(6_999);
    expect(await call('a')).toBe('a#1');
    await clock.advance(1);
    expect(await call('a')).toBe('a#2');
  });

  it('invalidates by tag, in an instant and for that tag alone', async () => {
    const { call } = counted({ tags: (id: string) => [`item:${id}`, 'items'] });
    await call('a');
    await call('b');
    expect(await cache.invalidate('item:a')).toEqual({ status: 'done' });
    expect(await expectMiss(cache, () => call('a'), 'invalidated: item:a')).toBe('a#3');
    expect(await expectHit(cache, () => call('b'))).toBe('b#2');
    await cache.invalidate('items');
    expect(await expectMiss(cache, () => call('b'), 'invalidated: items')).toBe('b#4');
  });

  it('stores nothing valid if its tag is invalidated while it computes', async () => {
    const gate = new Gate<string>();
    let runs = 0;
    const call = cache.wrap('slow', () => (++runs === 1 ? gate.promise : Promise.resolve('new')), { tags: 't' });
    const first = call();
    await Promise.resolve();
    await new Promise(setImmediate);
    await cache.invalidate('t');
    const second = call();
    expect(await second).toBe('new');
    gate.open('old');
    expect(await first).toBe('old');
    expect(await call()).toBe('new');
  });

  it('runs once for a thousand callers of a cold key', async () => {
    const { call, runs } = counted({ tags: 't' });
    const results = await Promise.all(Array.from({ length: 1_000 }, () => call('a')));
    expect(new Set(results)).toEqual(new Set(['a#1']));
    expect(runs()).toBe(1);
  });

  it('gives each caller a copy of its own', async () => {
    const { call } = counted({}, (n) => ({ n, list: [1] }));
    const [one, two] = await Promise.all([call('a'), call('a')]);
    one.list.push(2);
    two.list.push(3);
    expect(await call('a')).toEqual({ n: 1, list: [1] });
  });

  it('caches undefined, null and false like any value', async () => {
    for (const value of [undefined, null, false, 0, '']) {
      let runs = 0;
      const call = cache.wrap(`value ${String(value)}`, () => Promise.resolve((runs++, value)));
      expect(await call()).toBe(value);
      expect(await call()).toBe(value);
      expect(runs).toBe(1);
    }
  });

  it('does not cache errors, and throws the very object', async () => {
    const error = new Error('mine');
    let runs = 0;
    const call = cache.wrap('failing', () => (runs++, Promise.reject(error)));
    await expect(call()).rejects.toBe(error);
    await expect(call()).rejects.toBe(error);
    expect(runs).toBe(2);
  });

  it('refuses a stream with a message that says what to return', async () => {
    const call = cache.wrap('stream', async () => new ReadableStream());
    await expect(call()).rejects.toThrow(/can be read only once/);
    await call().catch((error: unknown) => expect(isCacheConfigError(error)).toBe(true));
  });
});

describe('tags of calls inside', () => {
  it('are taken over', async () => {
    const inner = counted({ tags: (id: string) => `item:${id}` });
    let runs = 0;
    const outer = cache.wrap('outer', async () => `${await inner.call('a')}/${++runs}`);
    expect(await outer()).toBe('a#1/1');
    expect(await outer()).toBe('a#1/1');
    await cache.invalidate('item:a');
    expect(await outer()).toBe('a#2/2');
  });

  it('are taken over from a hit too', async () => {
    const inner = counted({ tags: 't' });
    await inner.call('a');
    let runs = 0;
    const outer = cache.wrap('outer', async () => `${await inner.call('a')}/${++runs}`);
    await outer();
    await cache.invalidate('t');
    expect(await outer()).toBe('a#2/2');
  });

  it('make the result unstorable where they are not known', async () => {
    let runs = 0;
    const outer = cache.wrap('outer', async () => (await cache.bypass(() => inner.call('a')), ++runs));
    const inner = counted();
    await outer();
    expect(await outer()).toBe(2);
  });
});

describe('result tags', () => {
  it('are captured before the second compute, and then invalidate', async () => {
    const { call, runs } = counted({ resultTags: (result: string) => `r:${result.slice(0, 1)}` });
    await call('a');
    await call('a');
    expect(runs()).toBe(2);
    await call('a');
    expect(runs()).toBe(2);
    await cache.invalidate('r:a');
    expect(await call('a')).toBe('a#3');
  });
});

describe('forgetting', () => {
  it('removes one call, all calls, or everything', async () => {
    const { call } = counted();
    await call('a');
    await call('b');
    await call.forget('a');
    expect(await call('a')).toBe('a#3');
    expect(await call('b')).toBe('b#2');
    await call.forgetAll();
    expect(await call('a')).toBe('a#4');
    await cache.clear();
    expect(await call('a')).toBe('a#5');
  });

  it('is not undone by a compute that was running', async () => {
    const gate = new Gate<string>();
    let runs = 0;
    const call = cache.wrap('slow', () => (++runs === 1 ? gate.promise : Promise.resolve('new')));
    const first = call();
    await new Promise(setImmediate);
    await call.forget();
    gate.open('old');
    expect(await first).toBe('old');
    expect(await call()).toBe('new');
  });
});

describe('watching', () => {
  it('explains each call', async () => {
    const { call } = counted({ tags: 't' });
    const { value, calls } = await cache.explain(async () => [await call('a'), await call('a')]);
    expect(value).toEqual(['a#1', 'a#1']);
    expect(calls).toMatchObject([
      { status: 'miss', reason: 'absent', method: 'counted', tags: ['t'] },
      { status: 'hit', reason: 'fresh', tier: 'memory', tags: ['t'] },
    ]);
    await cache.invalidate('t');
    await expectMiss(cache, () => call('a'), 'invalidated: t');
  });

  it('counts by method', async () => {
    const { call } = counted();
    await call('a');
    await call('a');
    await cache.bypass(() => call('a'));
    expect(cache.stats()).toMatchObject({ hits: 1, misses: 1, bypassed: 1, hitRate: 0.5 });
    expect(cache.stats().methods['counted']).toMatchObject({ hits: 1, misses: 1, bypassed: 1 });
  });
});
