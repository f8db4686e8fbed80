/** Old values: served while a new one is loaded, instead of a failure, and never where they are wrong. */

import { type Cache, createCache } from 'cachette';
import { errorOf, told as toldOf } from '../support/calls.js';
import { manualClock, type ManualClock } from 'cachette/testing';
import { jobs } from '../support/stepped-backend.js';
import { SteppedMethod, SteppedProcess, SteppedTiers } from '../support/stepped-process.js';
import { timeOfDay } from '../support/time-of-day.js';

const second = 1_000;
const ttl = 10 * second;

let clock: ManualClock;
let cache: Cache;
let A: number;
let x: SteppedMethod<[], number>;
/** The codes of the `error` events. */
let problems: string[];
let works: Promise<unknown>[];

beforeEach(() => {
  clock = manualClock();
  works = [];
  cache = createCache('memory://', { clock: timeOfDay(clock), waitUntil: (work) => works.push(work) });
  problems = [];
  cache.on('error', ({ code }) => problems.push(code));
  A = 0;
  x = new SteppedMethod(() => A);
});

afterEach(() => cache.close());

/** How a call was answered, and with what. */
function told<T>(call: () => Promise<T>, of = cache): Promise<[value: T, outcome: string]> {
  return toldOf(of, call);
}

/** Stores the value of now; runs wait from then on. */
async function fill(read: () => Promise<unknown>): Promise<void> {
  x.automatic = true;
  await read();
  await jobs();
  x.automatic = false;
}

const failure = new Error('down');

describe('staleWhileRevalidate', () => {
  const options = { ttl, staleWhileRevalidate: 5 * second, tags: 'a' };

  it('serves the old value while one refresh runs, and the new one then', async () => {
    const read = cache.wrap('x', x.run, options);
    await fill(read);
    A = 1;
    await clock.advance(ttl);
    for (let i = 0; i < 3; i++) expect(await told(read)).toEqual([0, 'stale: revalidating']);
    await (await x.begun()).end();
    expect(x.runs).toBe(2);
    expect(await told(read)).toEqual([1, 'hit: fresh']);
  });

  it('serves the old value no more where `storeWhen` does not want the new one', async () => {
    const read = cache.wrap('x', x.run, { ...options, storeWhen: (value) => value === 0 });
    await fill(read);
    A = 1;
    await clock.advance(ttl);
    expect(await told(read)).toEqual([0, 'stale: revalidating']);
    await (await x.begun()).end();
    await jobs();
    x.automatic = true;
    expect(await told(read)).toEqual([1, 'miss: absent']);
  });

  it('serves nothing that is older than it allows', async () => {
    const read = cache.wrap('x', x.run, options);
    await fill(read);
    x.automatic = true;
    A = 1;
    await clock.advance(ttl + 5 * second);
    expect(await told(read)).toEqual([1, 'miss: expired']);
  });

  it('tries again at most once per back-off while the refresh fails', async () => {
    const read = cache.wrap('x', x.run, options);
    await fill(read);
    await clock.advance(ttl);
    await read();
    await (await x.begun()).fail(failure);
    expect(problems).toEqual(['background']);
    await clock.advance(999);
    expect(await told(read)).toEqual([0, 'stale: revalidating']);
    expect(x.runs).toBe(2);
    await clock.advance(1);
    await read();
    expect(x.runs).toBe(3);
    A = 1;
    x.automatic = true;
    await (await x.begun()).end();
    await jobs();
    expect(problems).toEqual(['background']);
  });

  it('takes the back-off of staleIfError', async () => {
    const read = cache.wrap('x', x.run, { ...options, staleIfError: { for: '1m', backOff: '4s' } });
    await fill(read);
    await clock.advance(ttl);
    await read();
    await (await x.begun()).fail(failure);
    await clock.advance(3_999);
    await read();
    expect(x.runs).toBe(2);
    await clock.advance(1);
    await read();
    expect(x.runs).toBe(3);
    await (await x.begun()).end();
  });

  it('leaves the refresh to the run that is under way already', async () => {
    const read = cache.wrap('x', x.run, options);
    await fill(read);
    await clock.advance(ttl - 1);
    const refreshing = cache.refresh(() => read());
    const run = await x.begun();
    await clock.advance(1);
    expect(await told(read)).toEqual([0, 'stale: revalidating']);
    await run.end();
    await refreshing;
    expect(x.runs).toBe(2);
  });

  it('is given to waitUntil, whose own failure is told', async () => {
    const read = cache.wrap('x', x.run, options);
    await fill(read);
    await clock.advance(ttl);
    const before = works.length;
    await read();
    expect(works.length).toBe(before + 1);
    let isOver = false;
    void works.at(-1)?.then(() => (isOver = true));
    await jobs();
    expect(isOver).toBe(false);
    await (await x.begun()).end();
    expect(isOver).toBe(true);

    const waitUntil = (): void => {
      throw new Error('no context');
    };
    const strict = createCache('memory://', { clock: timeOfDay(clock), waitUntil });
    const codes: string[] = [];
    strict.on('error', ({ code }) => codes.push(code));
    strict.on('warning', () => {});
    const readStrict = strict.wrap('x', x.run, options);
    await fill(readStrict);
    await clock.advance(ttl);
    expect(await readStrict()).toBe(0);
    await (await x.begun()).end();
    expect(codes).toContain('callback');
    await strict.close();
  });

  it('runs the refresh outside of what is around the call', async () => {
    const read = cache.wrap('x', x.run, options);
    await fill(read);
    await clock.advance(ttl);
    const { calls } = await cache.explain(() => read());
    x.automatic = true;
    await (await x.begun()).end();
    expect(calls).toHaveLength(1);
  });

  it('restarts with each access where the entry slides', async () => {
    const read = cache.wrap('x', x.run, { ...options, sliding: true });
    await fill(read);
    await clock.advance(9 * second);
    expect(await told(read)).toEqual([0, 'hit: fresh']);
    await clock.advance(9 * second);
    expect(await told(read)).toEqual([0, 'hit: fresh']);
    await clock.advance(ttl);
    expect(await told(read)).toEqual([0, 'stale: revalidating']);
    await (await x.begun()).end();
  });

  it.each([['invalidate'], ['forget'], ['clear']] as const)('serves nothing after %s', async (how) => {
    const read = cache.wrap('x', x.run, { ...options, staleIfError: '1h' });
    await fill(read);
    A = 1;
    await clock.advance(ttl);
    if (how === 'invalidate') await cache.invalidate('a');
    if (how === 'forget') await read.forget();
    if (how === 'clear') await cache.clear();
    const reading = errorOf(read());
    await (await x.begun()).fail(failure);
    expect(await reading).toBe(failure);
  });

  it('serves nothing that was stored without a tag of the call', async () => {
    const key = (): string => 'same';
    const untagged = cache.wrap('x', x.run, { ...options, tags: [], key });
    await fill(untagged);
    A = 1;
    await clock.advance(ttl);
    const tagged = cache.wrap('x', x.run, { ...options, staleIfError: '1h', key });
    x.automatic = true;
    expect(await told(tagged)).toEqual([1, 'miss: stored without the tag: a']);
  });

  it('makes nothing storable that was computed from an old value', async () => {
    const inner = cache.wrap('x', x.run, options);
    let outers = 0;
    const outer = cache.wrap('outer', async () => [await inner(), ++outers]);
    await fill(inner);
    await clock.advance(ttl);
    expect(await outer()).toEqual([0, 1]);
    expect(await outer()).toEqual([0, 2]);
    A = 1;
    x.automatic = true;
    await (await x.begun()).end();
    // What the first run had read.
    expect(await outer()).toEqual([0, 3]);
    expect(await outer()).toEqual([0, 3]);
  });

  it('makes nothing of an old value that is kept in an outage either', async () => {
    const tiers = new SteppedTiers({}, { clock: timeOfDay(clock), bus: false, maxStaleness: '1m' });
    const inner = tiers.cache.wrap('x', x.run, options);
    const outer = tiers.cache.wrap('outer', async () => [await inner()], { tags: 'b' });
    await fill(inner);
    await clock.advance(ttl);
    tiers.backend.broken = true;
    x.automatic = true;
    for (let i = 0; i < 2; i++) {
      const [value, outcome] = await told(outer, tiers.cache);
      expect(value).toEqual([0]);
      expect(outcome).toMatch(/^miss/);
    }
    await tiers.close();
  });

  it('serves nothing old and refreshes nothing in a transaction', async () => {
    const read = cache.wrap('x', x.run, { ...options, staleIfError: '1h' });
    await fill(read);
    await clock.advance(ttl);
    A = 1;
    x.automatic = true;
    await cache.transaction(async () => {
      expect(await told(read)).toEqual([1, 'bypass: transaction']);
    });
    await jobs();
    expect(x.runs).toBe(2);
    x.automatic = false;
    await cache.transaction(async () => {
      const reading = errorOf(read());
      await (await x.begun()).fail(failure);
      expect(await reading).toBe(failure);
    });
  });

  it('has no part in refresh and bypass', async () => {
    const read = cache.wrap('x', x.run, { ...options, staleIfError: '1h' });
    await fill(read);
    await clock.advance(ttl);
    for (const around of [cache.refresh, cache.bypass]) {
      const reading = errorOf(around.call(cache, () => read()) as Promise<number>);
      await (await x.begun()).fail(failure);
      expect(await reading).toBe(failure);
    }
    expect(problems).toEqual([]);
  });

  it('keeps close() waiting for no longer than four deadlines, and harms nobody afterwards', async () => {
    const closing = new SteppedProcess({}, { clock: timeOfDay(clock), deadline: 20 });
    const read = closing.cache.wrap('x', x.run, options);
    await fill(read);
    await clock.advance(ttl);
    await read();
    const run = await x.begun();
    const since = performance.now();
    await closing.close();
    expect(performance.now() - since).toBeLessThan(500);
    await run.end();
  });
});

describe('staleIfError', () => {
  const options = { ttl, staleIfError: { for: 20 * second }, tags: 'a' };

  it('serves the old value where the method fails, to all who wait, and tells of it once', async () => {
    const read = cache.wrap('x', x.run, options);
    await fill(read);
    await clock.advance(ttl);
    const calls = [1, 2, 3].map(() => told(read));
    await (await x.begun()).fail(failure);
    for (const answer of await Promise.all(calls)) expect(answer).toEqual([0, 'stale: error']);
    expect([problems, x.runs]).toEqual([['stale-if-error'], 2]);
    expect(cache.stats()).toMatchObject({ misses: 1, stale: 3 });
  });

  it('leaves the method alone during the back-off', async () => {
    const read = cache.wrap('x', x.run, options);
    await fill(read);
    await clock.advance(ttl);
    const first = read();
    await (await x.begun()).fail(failure);
    await first;
    await clock.advance(999);
    expect(await told(read)).toEqual([0, 'stale: error']);
    expect([problems, x.runs]).toEqual([['stale-if-error'], 2]);
    await clock.advance(1);
    const second = read();
    await (await x.begun()).fail(failure);
    expect(await second).toBe(0);
    expect(problems).toEqual(['stale-if-error', 'stale-if-error']);
  });

  it('ends with its time, and without an old value', async () => {
    const read = cache.wrap('x', x.run, options);
    const cold = errorOf(read());
    await (await x.begun()).fail(failure);
    expect(await cold).toBe(failure);
    await fill(read);
    await clock.advance(ttl + 20 * second);
    const late = errorOf(read());
    await (await x.begun()).fail(failure);
    expect(await late).toBe(failure);
    expect(problems).toEqual([]);
  });

  it('lets an error through that is an answer, as the very object', async () => {
    const notFound = new Error('not found');
    const read = cache.wrap('x', x.run, { ...options, staleIfError: { for: '1h', when: (e) => e !== notFound } });
    await fill(read);
    await clock.advance(ttl);
    const calls = [read(), read()];
    const caught = Promise.all(calls.map((call) => call.catch((error: unknown) => error)));
    await (await x.begun()).fail(notFound);
    expect(await caught).toEqual([notFound, notFound]);
    expect((await caught)[1]).toBe(notFound);
    expect(problems).toEqual([]);
  });

  it('lets it through also after a refresh in the background has met it', async () => {
    const notFound = new Error('not found');
    const staleIfError = { for: '1h' as const, when: (e: unknown) => e !== notFound };
    const read = cache.wrap('x', x.run, { ...options, staleWhileRevalidate: '1h', staleIfError });
    await fill(read);
    await clock.advance(ttl);
    expect(await read()).toBe(0);
    await (await x.begun()).fail(notFound);
    expect(problems).toEqual(['background']);
    const reading = errorOf(read());
    await (await x.begun()).fail(notFound);
    expect(await reading).toBe(notFound);
  });

  it('covers nothing where `when` throws, and tells of that', async () => {
    const when = (): boolean => {
      throw new Error('mine');
    };
    const read = cache.wrap('x', x.run, { ...options, staleIfError: { for: '1h', when } });
    cache.on('warning', () => {});
    await fill(read);
    await clock.advance(ttl);
    const reading = errorOf(read());
    await (await x.begun()).fail(failure);
    expect(await reading).toBe(failure);
    expect(problems).toEqual(['callback']);
  });

  // T0 reads x: old, runs the method · another process stores a new one · the method fails
  it('prefers what is fresh by then, and says so', async () => {
    const data = new Map<string, string>();
    const [here, there] = [1, 2].map(() => new SteppedProcess({ data }, { clock: timeOfDay(clock) })) as [
      SteppedProcess,
      SteppedProcess,
    ];
    const read = here.cache.wrap('x', x.run, options);
    await fill(read);
    await clock.advance(ttl);
    const codes: string[] = [];
    here.cache.on('error', ({ code }) => codes.push(code));
    const reading = told(read, here.cache);
    const run = await x.begun();
    await there.cache.wrap('x', async () => 1, options)();
    await jobs();
    await run.fail(failure);
    expect(await reading).toEqual([1, 'hit: fresh']);
    expect(codes).toEqual([]);
    await Promise.all([here.close(), there.close()]);
  });

  it('serves each caller a copy of its own, or the one that nobody can change', async () => {
    const o = new SteppedMethod(() => ({ list: [1] }));
    const isolated = cache.wrap('isolated', o.run, options);
    const frozen = cache.wrap('frozen', o.run, { ...options, copies: 'frozen' });
    const shared = cache.wrap('shared', o.run, { ...options, copies: 'shared' });
    for (const read of [isolated, frozen, shared]) {
      o.automatic = true;
      await read();
      o.automatic = false;
      await clock.advance(ttl);
      const calls = Promise.all([read(), read(), read()]);
      await (await o.begun()).fail(failure);
      const [one, two, three] = await calls;
      expect([one, two, three]).toEqual([{ list: [1] }, { list: [1] }, { list: [1] }]);
      expect(one === two).toBe(read !== isolated);
      expect(Object.isFrozen(one?.list)).toBe(read === frozen);
      if (read === isolated) one?.list.push(2);
      expect(await read()).toEqual({ list: [1] });
    }
  });
});

describe('refreshAhead', () => {
  const options = { ttl, refreshAhead: 0.8, tags: 'a' };

  it('hits, and loads one new value in the background', async () => {
    const read = cache.wrap('x', x.run, options);
    await fill(read);
    A = 1;
    await clock.advance(7_999);
    expect(await told(read)).toEqual([0, 'hit: fresh']);
    await jobs();
    expect(x.runs).toBe(1);
    await clock.advance(1);
    for (let i = 0; i < 3; i++) expect(await told(read)).toEqual([0, 'hit: fresh']);
    await (await x.begun()).end();
    expect(x.runs).toBe(2);
    await clock.advance(7_999);
    expect(await told(read)).toEqual([1, 'hit: fresh']);
  });

  it('keeps the value where the new one cannot be loaded, and tries again after the back-off', async () => {
    const read = cache.wrap('x', x.run, options);
    await fill(read);
    await clock.advance(8_000);
    await read();
    await (await x.begun()).fail(failure);
    expect(problems).toEqual(['background']);
    expect(await told(read)).toEqual([0, 'hit: fresh']);
    await clock.advance(999);
    await read();
    expect(x.runs).toBe(2);
    await clock.advance(1);
    await read();
    await (await x.begun()).end();
    expect(x.runs).toBe(3);
  });

  it('meets a failure that is an answer: the old value goes', async () => {
    const read = cache.wrap('x', x.run, { ...options, staleIfError: { for: '1h', when: () => false } });
    await fill(read);
    await clock.advance(8_000);
    await read();
    await (await x.begun()).fail(failure);
    const reading = errorOf(read());
    await (await x.begun()).fail(failure);
    expect(await reading).toBe(failure);
  });

  it('goes by chance where the store cannot lease', async () => {
    const process = new SteppedProcess({ lacks: ['add'] }, { clock: timeOfDay(clock) });
    const slow = new SteppedMethod(() => {
      const until = performance.now() + 3;
      while (performance.now() < until);
      return A;
    });
    slow.automatic = true;
    const read = process.cache.wrap('slow', slow.run, options);
    await read();
    await jobs();
    await clock.advance(9_990);
    const random = jest.spyOn(Math, 'random').mockReturnValue(0);
    await read();
    await jobs();
    expect(slow.runs).toBe(1);
    random.mockReturnValue(1 - 2 ** -53);
    await read();
    await jobs();
    expect(slow.runs).toBe(2);
    random.mockRestore();
    await process.close();
  });
});

describe('a refresh over all processes', () => {
  it('runs in one of them, by the lease', async () => {
    const data = new Map<string, string>();
    const [here, there] = [1, 2].map(() => new SteppedProcess({ data }, { clock: timeOfDay(clock) })) as [
      SteppedProcess,
      SteppedProcess,
    ];
    const options = { ttl, staleWhileRevalidate: '1h', singleFlight: 'fleet' } as const;
    const readHere = here.cache.wrap('x', x.run, options);
    const readThere = there.cache.wrap('x', x.run, options);
    await fill(readHere);
    A = 1;
    await clock.advance(ttl);
    expect(await told(readHere, here.cache)).toEqual([0, 'stale: revalidating']);
    const run = await x.begun();
    for (let i = 0; i < 3; i++) {
      expect(await told(readThere, there.cache)).toEqual([0, 'stale: revalidating']);
      await jobs();
    }
    expect(x.runs).toBe(2);
    await run.end();
    await jobs();
    expect(await told(readThere, there.cache)).toEqual([1, 'hit: fresh']);
    expect(x.runs).toBe(2);
    await Promise.all([here.close(), there.close()]);
  });
});

describe('elements of many', () => {
  class Shop {
    readonly asked: string[][] = [];
    fails = false;
    async find(ids: readonly string[]): Promise<string[]> {
      this.asked.push([...ids]);
      if (this.fails) throw failure;
      return ids.map((id) => `${id}${A}`);
    }
  }

  function shopOf(options: object): Shop {
    class Cached extends Shop {
      @cache.CachedMany({ ttl, ...options })
      override find(ids: readonly string[]): Promise<string[]> {
        return super.find(ids);
      }
    }
    return new Cached();
  }

  it('are old or new each by itself, and those that are old are loaded together', async () => {
    const shop = shopOf({ staleWhileRevalidate: '1h' });
    await shop.find(['a', 'b']);
    await clock.advance(ttl / 2);
    await shop.find(['c']);
    await clock.advance(ttl / 2);
    A = 1;
    expect(await shop.find(['a', 'b', 'c', 'd'])).toEqual(['a0', 'b0', 'c0', 'd1']);
    await jobs();
    expect(await shop.find(['a', 'b', 'c', 'd'])).toEqual(['a1', 'b1', 'c0', 'd1']);
    expect(shop.asked.flat().sort()).toEqual(['a', 'a', 'b', 'b', 'c', 'd']);
  });

  it('are covered each by its own old value, where the method fails', async () => {
    const shop = shopOf({ staleIfError: '1h' });
    await shop.find(['a', 'b']);
    await clock.advance(ttl);
    shop.fails = true;
    expect(await shop.find(['a', 'b', 'a'])).toEqual(['a0', 'b0', 'a0']);
    await expect(shop.find(['a', 'c'])).rejects.toBe(failure);
    expect(await shop.find(['a'])).toEqual(['a0']);
  });
});
