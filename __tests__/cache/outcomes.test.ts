/** What calls that do not use the cache, and invalidations, tell those who listen. */

import { type Cache, createCache, type InvalidationEvent, type Outcome } from 'cachette';
import { manualClock } from 'cachette/testing';
import { Keyv } from 'keyv';
import { timeOfDay } from '../support/time-of-day.js';
import { Gate } from '../support/stepped-backend.js';

let cache: Cache;
let warnings: string[];

beforeEach(() => {
  cache = createCache();
  warnings = [];
  cache.on('warning', ({ message }) => warnings.push(message));
});

afterEach(() => cache.close());

function family() {
  class A {
    @cache.Cached('5m')
    async find(id: string): Promise<string> {
      return id;
    }
  }
  class B extends A {}
  return { A, B };
}

async function explained(fn: () => Promise<unknown>): Promise<readonly Outcome[]> {
  return (await cache.explain(fn)).calls;
}

describe('a call that does not use the cache', () => {
  it('is named by the class of its own object, also before any call that does', async () => {
    const { A, B } = family();
    expect(await explained(() => cache.bypass(() => new B().find('1')))).toMatchObject([{ method: 'B.find' }]);
    await new A().find('1');
    expect(await explained(() => cache.bypass(() => new B().find('1')))).toMatchObject([{ method: 'B.find' }]);
    expect(cache.stats().methods).toMatchObject({ 'A.find': { misses: 1, bypassed: 0 }, 'B.find': { bypassed: 2 } });
  });

  it('has its own name where the cache is off, its options fail or it cannot be keyed', async () => {
    const unkeyable = cache.wrap('unkeyable', async (given: unknown) => typeof given);
    const failing = cache.wrap('failing', async () => 1, {
      when: () => {
        throw new Error('mine');
      },
    });
    expect(await explained(() => unkeyable(() => 1))).toMatchObject([{ method: 'unkeyable', reason: 'unkeyable' }]);
    expect(await explained(failing)).toMatchObject([{ method: 'failing', reason: 'callback' }]);
    cache.enabled = false;
    const { B } = family();
    expect(await explained(() => new B().find('1'))).toMatchObject([{ method: 'B.find', reason: 'disabled' }]);
  });

  it('claims no name and warns of nothing', async () => {
    const { A } = family();
    const { A: Twin } = family();
    const one = new A();
    await cache.bypass(() => new Twin().find('1'));
    await one.find('1');
    await cache.bypass(() => A.prototype.find.call(undefined as never, '1'));
    expect(await explained(() => one.find('1'))).toMatchObject([{ status: 'hit' }]);
    expect(warnings).toEqual([]);
  });

  it('has the bare name of the method where nothing tells its class', async () => {
    const { A } = family();
    const untold = new Proxy(new A(), {
      get() {
        throw new Error('not told');
      },
    });
    const { find } = A.prototype;
    for (const self of [undefined, Object.create(null) as object, untold]) {
      expect(await explained(() => cache.bypass(() => find.call(self as never, '1')))).toMatchObject([
        { method: 'find', status: 'bypass' },
      ]);
    }
  });

  it('is told when it has been answered, with the time that it took', async () => {
    const gate = new Gate();
    const told: Outcome[] = [];
    cache.on('outcome', (outcome) => told.push(outcome));
    const slow = cache.wrap('slow', () => gate.promise);
    const call = cache.bypass(() => slow());
    const since = performance.now();
    while (performance.now() - since < 5) await new Promise(setImmediate);
    expect(told).toEqual([]);
    gate.open();
    await call;
    expect(told).toMatchObject([{ status: 'bypass', method: 'slow' }]);
    expect(told[0]?.durationMs).toBeGreaterThanOrEqual(5);
  });

  it('is told when it fails, and passes the very error on', async () => {
    const error = new Error('mine');
    const told: Outcome[] = [];
    cache.on('outcome', (outcome) => told.push(outcome));
    const failing = cache.wrap('failing', () => Promise.reject(error));
    await expect(cache.bypass(() => failing())).rejects.toBe(error);
    expect(told).toMatchObject([{ status: 'bypass', method: 'failing' }]);
  });

  it('comes after the calls inside', async () => {
    const inner = cache.wrap('inner', async () => 1);
    const outer = cache.wrap('outer', async () => inner(), { when: () => false });
    expect((await explained(outer)).map(({ method }) => method)).toEqual(['inner', 'outer']);
  });
});

describe('a miss', () => {
  it('tells where the entry was that was not good enough, how old it was, and all its tags', async () => {
    const clock = manualClock();
    const timed = createCache('memory://', { clock: timeOfDay(clock) });
    const inner = timed.wrap('inner', async () => 1, { tags: 'deep' });
    const outer = timed.wrap('outer', async () => inner(), { tags: 'own' });
    await outer();
    await clock.advance(7_000);
    await timed.invalidate('deep');
    const { calls } = await timed.explain(outer);
    expect(calls.at(-1)).toMatchObject({
      status: 'miss',
      reason: 'invalidated: deep',
      tier: 'memory',
      ageMs: 7_000,
      tags: ['own', 'deep'],
    });
    await timed.close();
  });

  it('tells nothing of an entry where there is none', async () => {
    const find = cache.wrap('find', async () => 1, { tags: 'own' });
    const [call] = await explained(find);
    expect(call).toMatchObject({ reason: 'absent', tier: undefined, ageMs: undefined, tags: ['own'] });
  });

  it('has expired on a server, too, where this process had written the entry', async () => {
    const clock = manualClock();
    const rows = new Map<string, unknown>();
    const timed = createCache(new Keyv({ store: rows }), { clock: timeOfDay(clock), deadline: '5s' });
    const find = timed.wrap('rates', async () => 1, { ttl: '10s' });
    const vanish = (): void =>
      [...rows.keys()].filter((key) => key.includes('rates:')).forEach((key) => rows.delete(key));
    const reasonAfter = async (ms: number): Promise<string | undefined> => {
      await find();
      await new Promise(setImmediate);
      await clock.advance(ms);
      vanish();
      const { calls } = await timed.explain(find);
      await new Promise(setImmediate);
      return calls[0]?.reason;
    };
    expect(await reasonAfter(9_999)).toBe('absent');
    expect(await reasonAfter(10_000)).toBe('expired');
    await find.forget();
    expect(await reasonAfter(9_000)).toBe('absent');
    await timed.close();
  });
});

it('tells an explain around one inside of each call as well', async () => {
  const find = cache.wrap('find', async () => 1);
  const { calls } = await cache.explain(async () => {
    await cache.explain(find);
    await find();
  });
  expect(calls.map(({ status }) => status)).toEqual(['miss', 'hit']);
});

describe('an @Invalidates whose tags function fails', () => {
  it('is an invalidation of everything, in events and in counts', async () => {
    class Products {
      @cache.Invalidates(() => {
        throw new Error('mine');
      })
      async update(): Promise<void> {}
    }
    const events: InvalidationEvent[] = [];
    cache.on('invalidation', (event) => events.push(event));
    await new Products().update();
    expect(events).toEqual([{ tags: [], kind: 'invalidate', status: 'done' }]);
    expect(cache.stats()).toMatchObject({ invalidations: 1, errors: 1 });
    expect(warnings).toEqual([expect.stringContaining('every entry was invalidated: Error: mine')]);
  });

  it('is one too where its tags are of no known kind, and the write keeps its answer', async () => {
    const kinds = createCache('memory://', { tagKinds: ['product'] });
    kinds.on('warning', ({ message }) => warnings.push(message));
    const read = kinds.wrap('read', async () => ({}), { copies: 'shared' });
    const before = await read();
    class Products {
      @kinds.Invalidates((id) => `prodcut:${id}` as 'product')
      async update(id: string): Promise<string> {
        return id;
      }
    }
    expect(await new Products().update('1')).toBe('1');
    expect(await read()).not.toBe(before);
    expect(warnings).toEqual([expect.stringContaining("write 'product:1'")]);
    await kinds.close();
  });
});

describe('a call that rejects', () => {
  const heard: string[] = [];
  const failing = async (): Promise<number> => {
    throw new RangeError('too far');
  };
  const listen = (): void => {
    heard.length = 0;
    cache.on('outcome', ({ status, reason, errorType }) => heard.push(`${status} ${reason} ${errorType}`));
    cache.on('load', ({ status, errorType }) => heard.push(`load ${status} ${errorType}`));
  };
  const settled = (...calls: readonly Promise<unknown>[]): Promise<unknown> => Promise.allSettled(calls);

  it('tells the class of its error: the one that the method ran for, and those that joined it', async () => {
    listen();
    const find = cache.wrap('find', failing);
    await settled(find(), find());
    expect(heard.sort()).toEqual(['load error RangeError', 'miss absent RangeError', 'miss joined RangeError']);
  });

  it('tells it where the cache is not used', async () => {
    listen();
    const find = cache.wrap('find', failing);
    await settled(cache.bypass(find), cache.transaction(find));
    expect(heard.sort()).toEqual(['bypass bypass RangeError', 'bypass transaction RangeError']);
  });

  it('tells it where a failure was kept, and not where an old value hides it', async () => {
    listen();
    const kept = cache.wrap('kept', failing, { errors: { ttl: '1m' } });
    await settled(kept());
    await settled(kept());
    let load = (): Promise<number> => Promise.resolve(1);
    const covered = cache.wrap('covered', () => load(), { ttl: '1m', staleIfError: '1m', tags: 'all' });
    await covered();
    await cache.expire('all');
    load = failing;
    await covered();
    expect(heard).toEqual([
      'load error RangeError',
      'miss absent RangeError',
      'hit error kept RangeError',
      'load ok undefined',
      'miss absent undefined',
      'load error RangeError',
      'stale error undefined',
    ]);
  });

  it('tells that it has waited too long, and that its caller has left', async () => {
    listen();
    const slow = cache.wrap('slow', (_signal?: AbortSignal) => new Promise(() => {}), { timeout: { hard: '10ms' } });
    await settled(slow());
    await settled(cache.refresh(() => slow(AbortSignal.abort())));
    expect(heard).toEqual(['miss timed out CacheTimeoutError', 'miss aborted AbortError']);
  });

  it.each([
    ['a text', 'string'],
    [undefined, 'undefined'],
    [null, 'object'],
    [{ name: '' }, 'object'],
    [{ name: 'x'.repeat(101) }, 'object'],
    [{ name: 'Odd' }, 'Odd'],
    [Object.defineProperty({}, 'name', { get: () => failing }), 'object'],
  ])('knows a name for %p', async (thrown, name) => {
    const { calls } = await cache.explain(() =>
      settled(cache.bypass(cache.wrap('odd', () => Promise.reject(thrown as Error)))),
    );
    expect(calls.map(({ errorType }) => errorType)).toEqual([name]);
  });
});
