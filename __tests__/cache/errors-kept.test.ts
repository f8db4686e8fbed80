/** Failures of the method that are kept for a while and thrown again. */

import { Keyv } from 'keyv';

import { type Cache, CacheConfigError, createCache, type Outcome } from 'cachette';
import { manualClock, type ManualClock } from 'cachette/testing';
import { jobs } from '../support/stepped-backend.js';

class NotFound extends Error {
  readonly id: string;

  constructor(id: string) {
    super(`there is no ${id}`);
    this.name = 'NotFound';
    this.id = id;
  }
}

let clock: ManualClock;

beforeEach(() => {
  clock = manualClock();
});

/** A Keyv is a store that keeps text. */
const places: readonly (readonly [string, () => Cache])[] = [
  ['in memory', () => createCache('memory://', { clock })],
  ['on a shared store', () => createCache(new Keyv(), { clock })],
  [
    'in memory and on a shared store',
    () => createCache(['memory://', new Keyv()], { clock, bus: false, maxStaleness: '1h' }),
  ],
];

describe.each(places)('a failure that is kept %s', (_where, open) => {
  let cache: Cache;
  let runs: number;
  let thrown: unknown;
  const find = async (id: string): Promise<string> => {
    runs++;
    if (thrown !== undefined) throw thrown;
    return id;
  };

  beforeEach(() => {
    cache = open();
    cache.on('warning', () => {});
    runs = 0;
    thrown = new RangeError('too far', { cause: 'far' });
  });

  afterEach(() => cache.close());

  /** The error of a call, and how the call was answered. */
  async function failed(call: () => Promise<unknown>): Promise<[error: unknown, outcome: string]> {
    let error: unknown;
    const { calls } = await cache.explain(() =>
      call().catch((reason: unknown) => {
        error = reason;
      }),
    );
    await jobs();
    const last = calls.at(-1) as Outcome;
    return [error, `${last.status}: ${last.reason}`];
  }

  it('is thrown again as the same kind of error', async () => {
    const read = cache.wrap('find', find, { errors: { ttl: '5s' } });
    const [first, outcome] = await failed(() => read('a'));
    expect([first, outcome]).toEqual([thrown, 'miss: absent']);
    expect(first).toBe(thrown);
    const [again, how] = await failed(() => read('a'));
    expect(how).toBe('hit: error kept');
    expect(again).toBeInstanceOf(RangeError);
    expect(again).toMatchObject({ message: 'too far', cause: 'far', stack: (thrown as Error).stack });
    expect(again).not.toBe(thrown);
    expect(runs).toBe(1);
  });

  it('is one of a class that `revive` names', async () => {
    const revive = [
      { class: NotFound, toPlain: ({ id }: NotFound) => id, fromPlain: (id: string) => new NotFound(id) },
    ];
    const read = cache.wrap('find', find, { errors: { ttl: '5s' }, revive: revive as never });
    thrown = new NotFound('a');
    await failed(() => read('a'));
    const [error, outcome] = await failed(() => read('a'));
    expect(outcome).toBe('hit: error kept');
    expect(error).toBeInstanceOf(NotFound);
    expect(error).toMatchObject({ message: 'there is no a', id: 'a' });
  });

  it('is one that cannot be written only in so far as it is thrown', async () => {
    const read = cache.wrap('find', find, { errors: { ttl: '5s' } });
    thrown = Object.assign(new Error('mine'), { response: new ReadableStream() });
    for (let i = 1; i <= 2; i++) {
      expect((await failed(() => read('a')))[0]).toBe(thrown);
      expect(runs).toBe(i);
    }
  });

  it.each<[what: string, value: unknown]>([
    ['text', 'no'],
    ['null', null],
    ['an object', { code: 404 }],
  ])('may be %s', async (_what, value) => {
    thrown = value;
    const read = cache.wrap('find', find, { errors: { ttl: '5s' } });
    expect(await failed(() => read('a'))).toEqual([value, 'miss: absent']);
    expect(await failed(() => read('a'))).toEqual([value, 'hit: error kept']);
  });

  it('is kept only where `when` says so, and never by default', async () => {
    const none = cache.wrap('none', find);
    const some = cache.wrap('some', find, { errors: { ttl: '5s', when: (error) => error instanceof TypeError } });
    for (const read of [none, some]) {
      await failed(() => read('a'));
      expect((await failed(() => read('a')))[1]).toBe('miss: absent');
    }
    thrown = new TypeError('mine');
    await failed(() => some('a'));
    expect((await failed(() => some('a')))[1]).toBe('hit: error kept');
  });

  it('is never a mistake in how the cache is used', async () => {
    const read = cache.wrap('find', find, { errors: { ttl: '5s' } });
    thrown = new CacheConfigError({ where: 'x', what: 'it is wrong', instead: 'write it right' });
    await failed(() => read('a'));
    expect((await failed(() => read('a')))[1]).toBe('miss: absent');
  });

  it.each(['invalidate', 'expire', 'forget', 'forgetAll', 'clear'] as const)('goes with %s', async (how) => {
    const stale = { staleWhileRevalidate: '1h', staleIfError: '1h' } as const;
    const read = cache.wrap('find', find, { ttl: '1h', tags: 'a', errors: { ttl: '5s' }, ...stale });
    await failed(() => read('a'));
    if (how === 'invalidate' || how === 'expire') await cache[how]('a');
    else if (how === 'clear') await cache.clear();
    else await read[how]('a');
    thrown = undefined;
    expect(await read('a')).toBe('a');
    expect(runs).toBe(2);
  });

  it('is not kept where an old value covers it, and takes the place of one that does not', async () => {
    const errors = { ttl: '5s' } as const;
    const covered = cache.wrap('covered', find, { ttl: '10s', errors, staleIfError: '1h' });
    const open = cache.wrap('open', find, { ttl: '10s', errors, staleIfError: { for: '1h', when: () => false } });
    thrown = undefined;
    await covered('a');
    await open('a');
    await jobs();
    await clock.advance(10_000);
    thrown = new RangeError('too far');
    expect(await failed(() => covered('a'))).toEqual([undefined, 'stale: error']);
    await clock.advance(1_000);
    expect(await failed(() => covered('a'))).toEqual([undefined, 'stale: error']);
    expect((await failed(() => open('a')))[0]).toBe(thrown);
    expect(await failed(() => open('a'))).toEqual([thrown, 'hit: error kept']);
  });

  it('makes each caller its own copy, or one that nobody can change, or is the same', async () => {
    for (const copies of ['isolated', 'frozen', 'shared'] as const) {
      thrown = Object.assign(new RangeError('too far'), { details: { tries: 1 } });
      const read = cache.wrap(copies, find, { errors: { ttl: '5s' }, copies });
      const [own] = await failed(() => read('a'));
      expect([own === thrown, Object.isFrozen(own)]).toEqual([true, false]);
      const [again] = await failed(() => read('a'));
      const one = again as RangeError & { details: { tries: number } };
      expect(one).toMatchObject({ message: 'too far', details: { tries: 1 } });
      expect(Object.isFrozen(one.details)).toBe(copies === 'frozen');
      if (copies === 'isolated') one.details.tries = 2;
      const [two] = await failed(() => read('a'));
      expect(two).toMatchObject({ details: { tries: 1 } });
    }
  });

  it('is nothing that get() gives', async () => {
    const load = (): Promise<string> => Promise.reject(thrown);
    await failed(() => cache.getOrLoad('key', load, { errors: { ttl: '5s' } }));
    expect((await failed(() => cache.getOrLoad('key', load, { errors: { ttl: '5s' } })))[1]).toBe('hit: error kept');
    const { value, calls } = await cache.explain(() => cache.get('key'));
    expect([value, calls.map(({ status, reason }) => `${status}: ${reason}`)]).toEqual([
      undefined,
      ['miss: error kept'],
    ]);
  });

  it('gives its tags to the compute around that catches it', async () => {
    const read = cache.wrap('find', find, { tags: 'inner', errors: { ttl: '1h' } });
    let outers = 0;
    const outer = cache.wrap('outer', async () => `${await read('a').catch(() => 'none')}#${++outers}`, {
      tags: 'outer',
    });
    await failed(() => read('a'));
    // The first one finds out which tags there are.
    await outer();
    await jobs();
    const stored = await outer();
    await jobs();
    expect(await outer()).toBe(stored);
    thrown = undefined;
    await cache.invalidate('inner');
    expect(await outer()).toMatch(/^a#/);
  });

  it('is made of one run, however many wait', async () => {
    const read = cache.wrap('find', find, { errors: { ttl: '5s' } });
    const errors = await Promise.all([1, 2, 3].map(() => read('a').catch((error: unknown) => error)));
    for (const error of errors) expect(error).toBe(thrown);
    expect(runs).toBe(1);
  });
});

// On a server it is the server's clock that ends an entry.
it('a failure is kept in memory for as long as is said, whatever the ttl of values', async () => {
  const cache = createCache('memory://', { clock });
  const load = jest.fn<Promise<string>, []>().mockRejectedValueOnce(new Error('mine')).mockResolvedValue('found');
  const read = cache.wrap('find', load, { ttl: '1h', sliding: true, refreshAhead: 0.5, errors: { ttl: '5s' } });
  await expect(read()).rejects.toThrow('mine');
  await clock.advance(4_999);
  await expect(read()).rejects.toThrow('mine');
  await clock.advance(1);
  expect(await read()).toBe('found');
  await clock.advance(5_000);
  expect(await read()).toBe('found');
  expect(load).toHaveBeenCalledTimes(2);
  await cache.close();
});
