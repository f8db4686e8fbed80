/** What goes on when the caller has its answer, or has left: it is nobody's, and does no harm. */

import { type Cache, createCache, type Outcome } from 'cachette';
import { errorOf } from '../support/calls.js';
import { manualClock, type ManualClock } from 'cachette/testing';
import { Gate, jobs } from '../support/stepped-backend.js';
import { SteppedMethod, SteppedProcess, SteppedTiers } from '../support/stepped-process.js';
import { until } from '../support/until.js';
import { timeOfDay } from '../support/time-of-day.js';

const ttl = 10_000;

let clock: ManualClock;
let cache: Cache;
let outcomes: string[];

beforeEach(() => {
  clock = manualClock();
  cache = createCache('memory://', { clock: timeOfDay(clock) });
  outcomes = [];
  cache.on('outcome', ({ status, reason }: Outcome) => outcomes.push(`${status}: ${reason}`));
  cache.on('error', () => {});
});

afterEach(() => cache.close());

describe('a version that is asked for inside a transaction', () => {
  // T1, in a transaction, sees version 2 · T0, in the same tick, sees 1 · T1's 2 must not be T0's
  it('is nobody else’s', async () => {
    let [row, version] = ['old', 1];
    let uncommitted: number | undefined;
    const read = cache.wrap('x', async () => row, { ttl, version: () => uncommitted ?? version });
    await read();
    const gate = new Gate();
    const transaction = cache.transaction(async () => {
      uncommitted = 2;
      const reading = read();
      uncommitted = undefined;
      await reading;
      await gate.promise;
    });
    const outside = read();
    expect(await outside).toBe('old');
    [row, version] = ['new', 2];
    gate.open();
    await transaction;
    expect(await read()).toBe('new');
  });

  it('is shared by callers of the same object alone', async () => {
    const asked: number[] = [];
    class Repository {
      constructor(readonly connection: number) {}

      @cache.Cached({
        per: 'class',
        version() {
          asked.push(this.connection);
          return 1;
        },
      })
      async find(): Promise<number> {
        return this.connection;
      }
    }
    const [one, other] = [new Repository(1), new Repository(2)];
    await Promise.all([one.find(), one.find(), other.find()]);
    expect(asked.sort()).toEqual([1, 2]);
  });
});

it('an entry with a version is nothing for who does not ask for it', async () => {
  let version = 1;
  let data = 1;
  const load = async (): Promise<number> => data;
  await cache.getOrLoad('k', load, { version: () => version });
  [version, data] = [2, 2];
  expect(await cache.get('k')).toBeUndefined();
  expect(await cache.getOrLoad('k', load)).toBe(2);
});

describe('arguments that the caller changes when it has its answer', () => {
  it('are not loaded ahead under the key of the old ones', async () => {
    const pages: number[] = [];
    const read = cache.wrap('page', async (query: { page: number }) => (pages.push(query.page), `page ${query.page}`), {
      ttl,
      refreshAhead: 0.5,
    });
    const query = { page: 1 };
    await read(query);
    await clock.advance(ttl * 0.6);
    const reading = read(query);
    query.page = 2;
    expect(await reading).toBe('page 1');
    await jobs();
    expect(await read({ page: 1 })).toBe('page 1');
    expect(pages).not.toContain(2);
  });
});

describe('an AbortSignal', () => {
  it('in an object of options ends the wait of its caller alone', async () => {
    const gate = new Gate();
    const signals: AbortSignal[] = [];
    const read = cache.wrap('x', async (_id: string, { signal }: { signal?: AbortSignal }) => {
      if (signal) signals.push(signal);
      await gate.promise;
      return signal?.aborted;
    });
    const [one, other] = [new AbortController(), new AbortController()];
    const ended = errorOf(read('a', { signal: one.signal }));
    const reading = read('a', { signal: other.signal });
    await jobs();
    one.abort('enough');
    expect(await ended).toBe('enough');
    gate.open();
    expect(await reading).toBe(false);
    expect(signals).not.toContain(one.signal);
  });

  it('ends the wait whichever it is', async () => {
    const x = new SteppedMethod((_a: AbortSignal, _b: AbortSignal) => 1);
    const read = cache.wrap('x', x.run);
    const [one, other] = [new AbortController(), new AbortController()];
    const ended = errorOf(read(one.signal, other.signal));
    await jobs();
    other.abort('enough');
    expect(await ended).toBe('enough');
    await (await x.begun()).end();
  });

  it('that is aborted already runs no method', async () => {
    let runs = 0;
    const read = cache.wrap('x', async (_signal: AbortSignal) => ++runs);
    expect(await errorOf(read(AbortSignal.abort('early')))).toBe('early');
    expect(runs).toBe(0);
    expect(outcomes).toEqual(['miss: aborted']);
  });
});

// T1 leaves · a newer value is stored · T1's run fails: the newer one must not go
it('a late failure of a run says nothing of a newer value', async () => {
  const x = new SteppedMethod(() => 1);
  const read = cache.wrap('x', x.run, {
    ttl,
    timeout: { hard: 5 },
    staleIfError: { for: ttl, when: () => false },
  });
  x.automatic = true;
  await read();
  x.automatic = false;
  await clock.advance(ttl);
  const left = errorOf(read());
  const late = await x.begun();
  await left;
  x.automatic = true;
  await cache.refresh(() => read());
  await late.fail(new Error('late'));
  await jobs();
  const runs = x.runs;
  await read();
  expect(x.runs).toBe(runs);
});

it('a failure that is to be kept and cannot be is not hidden behind the old value', async () => {
  class NotFound extends Error {}
  let isGone = false;
  const read = cache.wrap('x', async () => (isGone ? Promise.reject(new NotFound()) : 'there'), {
    ttl,
    staleWhileRevalidate: ttl,
    staleIfError: { for: ttl, when: (error) => !(error instanceof NotFound) },
    errors: { ttl },
  });
  cache.on('warning', () => {});
  await read();
  isGone = true;
  await clock.advance(ttl);
  expect(await read()).toBe('there');
  await jobs();
  expect(await errorOf(read())).toBeInstanceOf(NotFound);
});

it('waitUntil is given the writes too', async () => {
  const works: Promise<unknown>[] = [];
  const process = new SteppedProcess({}, { waitUntil: (work) => works.push(work) });
  await process.cache.getOrLoad('k', async () => 1);
  await jobs();
  expect(await Promise.all(works)).toEqual([true]);
  await process.close();
});

describe('over all processes', () => {
  let data: Map<string, string>;
  let here: SteppedTiers;
  let there: SteppedTiers;

  beforeEach(() => {
    data = new Map();
    [here, there] = [
      new SteppedTiers({ data }, { clock: timeOfDay(clock) }),
      new SteppedTiers({ data }, { clock: timeOfDay(clock) }),
    ];
    for (const { cache: each } of [here, there]) each.on('error', () => {});
  });

  afterEach(async () => {
    await here.close();
    await there.close();
  });

  // A has x=1 in memory, sliding · B refreshes: x=2, stored · A reads x, due to be written again: 1 must not come back
  it('a sliding entry that another process has replaced is not written again', async () => {
    const options = { ttl, sliding: true, staleIfError: ttl };
    const a = here.cache.wrap('x', async () => 1, options);
    const b = there.cache.wrap('x', async () => 2, options);
    await a();
    await jobs();
    await clock.advance(ttl / 4);
    await there.cache.refresh(() => b());
    await jobs();
    const [key, text] = [...data].find(([name]) => name.endsWith(':x:')) ?? [];
    expect(text?.endsWith('2')).toBe(true);
    await clock.advance(ttl / 4);
    await a();
    await jobs();
    expect(data.get(key ?? '')?.split('\n')[1]).toBe('2');
  });

  it('a run that nobody waits for any more gives its lease back', async () => {
    const x = new SteppedMethod(() => 1);
    const options = { ttl, singleFlight: 'fleet', timeout: { hard: 20 } } as const;
    const a = here.cache.wrap('x', x.run, options);
    const b = there.cache.wrap('x', async () => 2, { ...options, timeout: { hard: '1m' } });
    const left = errorOf(a());
    const run = await x.begun();
    await left;
    expect(await b()).toBe(2);
    await run.end();
  });

  it('who has left looks no more for what another process stores, and counts once', async () => {
    const x = new SteppedMethod(() => 1);
    const a = here.cache.wrap('x', x.run, { ttl, singleFlight: 'fleet' });
    const b = there.cache.wrap('x', async () => 2, { ttl, singleFlight: 'fleet', timeout: { hard: 20 } });
    const reading = a();
    const run = await x.begun();
    await errorOf(b());
    await run.end();
    await reading;
    await until('B looks no more', async () => {
      const before = there.backend.sentSoFar.length;
      await new Promise((resolve) => setTimeout(resolve, 250));
      return there.backend.sentSoFar.length === before;
    });
    expect(there.cache.stats()).toMatchObject({ hits: 0, misses: 1 });
  });
});

describe('elements of many', () => {
  it('that are loaded ahead are no part of the call that was answered', async () => {
    const inner = cache.wrap('inner', async (id: number) => id, { ttl: 1 });
    class Shop {
      @cache.CachedMany({ ttl, refreshAhead: 0.5 })
      async find(ids: number[]): Promise<number[]> {
        return Promise.all(ids.map((id) => inner(id)));
      }
    }
    const shop = new Shop();
    await shop.find([1]);
    await clock.advance(ttl * 0.6);
    const { calls } = await cache.explain(() => shop.find([1]));
    await jobs();
    expect(calls.map(({ method }) => method)).toEqual(['Shop.find']);
  });

  it('are loaded ahead in one run', async () => {
    const runs: number[][] = [];
    class Shop {
      @cache.CachedMany({ ttl, refreshAhead: 0.5 })
      async find(ids: number[]): Promise<number[]> {
        runs.push(ids);
        return ids;
      }
    }
    const shop = new Shop();
    await shop.find([1, 2, 3]);
    await clock.advance(ttl * 0.6);
    await shop.find([1, 2, 3]);
    await jobs();
    expect(runs).toEqual([
      [1, 2, 3],
      [1, 2, 3],
    ]);
  });
});
