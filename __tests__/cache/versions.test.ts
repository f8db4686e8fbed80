/** A function `version`: an entry is served only while it gives what it gave before the entry was computed. */

import { type Cache, createCache, type Version } from 'cachette';
import { errorOf, told } from '../support/calls.js';
import { manualClock, type ManualClock } from 'cachette/testing';
import { Gate, jobs } from '../support/stepped-backend.js';
import { type Setting, settings, SteppedMethod } from '../support/stepped-process.js';
import { timeOfDay } from '../support/time-of-day.js';

const ttl = 10_000;

const failure = new Error('down');

describe.each(settings)('a version %s', (_name, open) => {
  let setting: Setting;
  let cache: Cache;
  let A: number;
  let current: Version;
  let asked: number;
  let x: SteppedMethod<[], number>;
  const version = (): Version => {
    asked++;
    return current;
  };

  beforeEach(() => {
    setting = open();
    cache = setting.cache;
    A = asked = 0;
    current = 1;
    x = new SteppedMethod(() => A);
  });

  afterEach(() => setting.close());

  it('that is the same makes a hit, and another one a miss', async () => {
    const read = cache.wrap('x', x.run, { ttl, version });
    x.automatic = true;
    expect(await told(cache, read)).toEqual([0, 'miss: absent']);
    expect(await told(cache, read)).toEqual([0, 'hit: fresh']);
    A = 1;
    current = 2;
    expect(await told(cache, read)).toEqual([1, 'miss: version changed']);
    expect(await told(cache, read)).toEqual([1, 'hit: fresh']);
  });

  it('is another one if it is of another kind', async () => {
    const read = cache.wrap('x', x.run, { ttl, version });
    x.automatic = true;
    const kinds: Version[] = [1, '1', new Date(1), 'n1', 's1', '', 0, -1, new Date(0), Infinity];
    for (const kind of kinds) {
      current = kind;
      expect((await told(cache, read))[1]).toMatch(/^miss/);
      expect((await told(cache, read))[1]).toBe('hit: fresh');
    }
    current = new Date(7);
    await read();
    current = new Date(7);
    expect((await told(cache, read))[1]).toBe('hit: fresh');
  });

  // T1 asks for the version: 1 · reads A=0 · A=1, version 2 · T1 ends, stores under 1 · T0 asks: 2
  it('that changes during the compute makes what that stores a miss', async () => {
    const read = cache.wrap('x', x.run, { ttl, version });
    const first = read();
    const run = await x.begun();
    A = 1;
    current = 2;
    await run.end();
    expect(await first).toBe(0);
    x.automatic = true;
    expect(await told(cache, read)).toEqual([1, 'miss: version changed']);
  });

  // T1 computes under version 1, has read A=0 · A=1, version 2 · T0 must not join
  it('that is another one keeps a caller from joining', async () => {
    const read = cache.wrap('x', x.run, { ttl, version });
    const first = read();
    const run = await x.begun();
    A = 1;
    current = 2;
    x.automatic = true;
    expect(await read()).toBe(1);
    await run.end();
    expect([await first, await read(), x.runs]).toEqual([0, 1, 2]);
  });

  it('that is the same lets one join', async () => {
    const read = cache.wrap('x', x.run, { ttl, version });
    const first = read();
    const run = await x.begun();
    const second = read();
    await jobs();
    await run.end();
    expect([await first, await second, x.runs]).toEqual([0, 0, 1]);
  });

  it('is asked once for the calls of one tick, and again for later ones', async () => {
    const read = cache.wrap('x', x.run, { ttl, version });
    x.automatic = true;
    await Promise.all([read(), read(), read()]);
    expect(asked).toBe(1);
    await Promise.all([read(), read(), read()]);
    expect(asked).toBe(2);
  });

  it('is asked for each key by itself, with the arguments', async () => {
    const ids: string[] = [];
    const find = cache.wrap('find', async (id: string) => `${id}${A}`, { ttl, version: (id) => ids.push(id) && id });
    await Promise.all([find('a'), find('b'), find('a')]);
    expect(ids.sort()).toEqual(['a', 'b']);
  });

  it('holds the data change and invalidation alike', async () => {
    const read = cache.wrap('x', x.run, { ttl, version, tags: 'a' });
    x.automatic = true;
    await read();
    A = 1;
    await setting.other.invalidate('a');
    expect((await told(cache, read))[0]).toBe(1);
  });

  it('that changed is served by no stale policy', async () => {
    const stale = { staleWhileRevalidate: '1h', staleIfError: '1h', timeout: { soft: 5 } } as const;
    const read = cache.wrap('x', x.run, { ttl, version, ...stale });
    x.automatic = true;
    await read();
    x.automatic = false;
    current = 2;
    const reading = errorOf(read());
    const run = await x.begun();
    await jobs();
    await run.fail(failure);
    expect(await reading).toBe(failure);
  });
});

describe('a version that cannot be told', () => {
  let clock: ManualClock;
  let cache: Cache;
  let problems: string[];
  let A: number;

  beforeEach(() => {
    clock = manualClock();
    cache = createCache('memory://', { clock: timeOfDay(clock), deadline: 20 });
    problems = [];
    cache.on('error', ({ code }) => problems.push(code));
    A = 0;
  });

  afterEach(() => cache.close());

  const never = new Gate<number>();
  const ways: readonly (readonly [string, () => Version | PromiseLike<Version>])[] = [
    [
      'throws',
      () => {
        throw failure;
      },
    ],
    ['rejects', () => Promise.reject(failure)],
    ['gives no answer in time', () => never.promise],
    ['gives undefined', () => undefined as unknown as Version],
    ['gives NaN', () => NaN],
    ['gives an invalid date', () => new Date(NaN)],
    ['gives an object', () => ({}) as unknown as Version],
  ];

  it.each(ways)('as the function %s: the method runs, and nothing is stored', async (_how, ask) => {
    let isKnown = true;
    let fails = false;
    const load = async (): Promise<number> => {
      if (fails) throw failure;
      return ++A;
    };
    const version = (): Version | PromiseLike<Version> => (isKnown ? 1 : ask());
    const read = cache.wrap('x', load, { ttl, version, staleIfError: '1m' });
    await read();
    isKnown = false;
    expect(await told(cache, read)).toEqual([2, 'miss: version unknown']);
    expect(await told(cache, read)).toEqual([3, 'miss: version unknown']);
    expect(problems).toEqual(['version', 'version']);
    isKnown = true;
    expect(await told(cache, read)).toEqual([1, 'hit: fresh']);
    // The old value may be right, and is better than nothing.
    isKnown = false;
    fails = true;
    expect(await told(cache, read)).toEqual([1, 'stale: error']);
    expect(await told(cache, read)).toEqual([1, 'stale: error']);
    await clock.advance(ttl + 60_000);
    await expect(read()).rejects.toBe(failure);
  });

  it('is no reason to serve an old value while a new one is loaded, which may be wrong', async () => {
    let isKnown = true;
    const version = (): number => {
      if (isKnown) return 1;
      throw failure;
    };
    const read = cache.wrap('x', async () => ++A, { ttl, version, staleWhileRevalidate: '1h' });
    await read();
    isKnown = false;
    expect(await told(cache, read)).toEqual([2, 'miss: version unknown']);
    await clock.advance(ttl);
    expect(await told(cache, read)).toEqual([3, 'miss: version unknown']);
    await jobs();
    expect(A).toBe(3);
  });
});
