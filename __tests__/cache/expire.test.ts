/** `expire`: what has the tag is old, not wrong. */

import { type Cache, createCache, type InvalidationEvent } from 'cachette';
import { errorOf, told } from '../support/calls.js';
import { manualClock } from 'cachette/testing';
import { jobs } from '../support/stepped-backend.js';
import { type Setting, settings, SteppedMethod, SteppedProcess } from '../support/stepped-process.js';

const failure = new Error('down');
const swr = { ttl: '1h', staleWhileRevalidate: '1h', tags: 'a' } as const;
const sie = { ttl: '1h', staleIfError: '1h', tags: 'a' } as const;

describe.each(settings)('expire %s', (_name, open) => {
  let setting: Setting;
  let cache: Cache;
  let A: number;
  let x: SteppedMethod<[], number>;

  beforeEach(() => {
    setting = open();
    cache = setting.cache;
    A = 0;
    x = new SteppedMethod(() => A);
  });

  afterEach(() => setting.close());

  async function fill(read: () => Promise<unknown>): Promise<void> {
    x.automatic = true;
    await read();
    await jobs();
    x.automatic = false;
    A = 1;
  }

  it('lets staleWhileRevalidate serve the old value while one refresh runs', async () => {
    const read = cache.wrap('x', x.run, swr);
    await fill(read);
    expect(await setting.other.expire('a')).toEqual({ status: 'done' });
    for (let i = 0; i < 3; i++) expect(await told(cache, read)).toEqual([0, 'stale: revalidating']);
    await (await x.begun()).end();
    expect([await told(cache, read), x.runs]).toEqual([[1, 'hit: fresh'], 2]);
  });

  it('lets staleIfError serve it where the method fails', async () => {
    const read = cache.wrap('x', x.run, sie);
    await fill(read);
    await setting.other.expire('a');
    const reading = told(cache, read);
    await (await x.begun()).fail(failure);
    expect(await reading).toEqual([0, 'stale: error']);
  });

  it('is a miss where nobody wants old values, and touches no other tag', async () => {
    const read = cache.wrap('x', x.run, { tags: 'a' });
    const other = cache.wrap('other', async () => A, { ...swr, tags: 'b' });
    const x1 = await other();
    await fill(read);
    await setting.other.expire('a');
    x.automatic = true;
    expect(await read()).toBe(1);
    expect(await other()).toBe(x1);
    expect((await told(cache, read))[1]).toBe('hit: fresh');
  });

  it.each(['before', 'after'] as const)('makes nothing of use that is invalidated %s it', async (when) => {
    const read = cache.wrap('x', x.run, { ...swr, staleIfError: '1h' });
    await fill(read);
    if (when === 'before') await setting.other.invalidate('a');
    await setting.other.expire('a');
    if (when === 'after') await setting.other.invalidate('a');
    const reading = errorOf(read());
    await (await x.begun()).fail(failure);
    expect(await reading).toBe(failure);
  });

  it('of one tag makes nothing of use that was invalidated by another one', async () => {
    const read = cache.wrap('x', x.run, { ...swr, staleIfError: '1h', tags: ['a', 'b'] });
    await fill(read);
    await setting.other.expire('a');
    await setting.other.invalidate('b');
    x.automatic = true;
    expect((await told(cache, read))[0]).toBe(1);
  });

  // T1 reads x: A=0 · A=1, expire(a) returns · T1 ends · T0 reads x: what T1 has brought is old
  it('makes old what a running method brings', async () => {
    const read = cache.wrap('x', x.run, swr);
    const first = read();
    const run = await x.begun();
    A = 1;
    await setting.other.expire('a');
    x.automatic = true;
    await run.end();
    expect(await first).toBe(0);
    await read();
    await jobs();
    expect(await told(cache, read)).toEqual([1, 'hit: fresh']);
  });

  it('is not joined past: a run that began before it is not shared', async () => {
    const read = cache.wrap('x', x.run, { tags: 'a' });
    const first = read();
    const run = await x.begun();
    A = 1;
    await setting.other.expire('a');
    x.automatic = true;
    expect(await read()).toBe(1);
    await run.end();
    expect(await first).toBe(0);
    expect(await read()).toBe(1);
  });

  it('reaches the computes around, each by its own options', async () => {
    const inner = cache.wrap('x', x.run, swr);
    const strict = cache.wrap('strict', () => inner());
    const lenient = cache.wrap('lenient', () => inner(), { ttl: '1h', staleWhileRevalidate: '1h' });
    await fill(inner);
    for (let i = 0; i < 2; i++) for (const read of [strict, lenient]) await read();
    await jobs();
    await setting.other.expire('a');
    expect(await told(cache, lenient)).toEqual([0, 'stale: revalidating']);
    expect((await told(cache, strict))[1]).toMatch(/^miss/);
    x.automatic = true;
    await (await x.begun()).end();
    await jobs();
  });

  it('waits for the end of a transaction, and is refused in it before', async () => {
    const { other } = setting;
    const read = other.wrap('x', x.run, swr);
    await fill(read);
    const events: InvalidationEvent[] = [];
    other.on('invalidation', (event) => events.push(event));
    x.automatic = true;
    await other.transaction(async () => {
      expect(await other.expire('a')).toEqual({ status: 'deferred' });
      expect(await told(other, read)).toEqual([1, 'bypass: transaction']);
    });
    expect(events).toEqual([{ tags: ['a'], kind: 'expire', status: 'done' }]);
    x.automatic = false;
    expect(await told(other, read)).toEqual([0, 'stale: revalidating']);
    await (await x.begun()).end();
  });

  it('is an event of its kind, as an invalidation is', async () => {
    const events: InvalidationEvent[] = [];
    cache.on('invalidation', (event) => events.push(event));
    await cache.expire('a', 'b');
    await cache.invalidate('a');
    await cache.clear();
    expect(events).toEqual([
      { tags: ['a', 'b'], kind: 'expire', status: 'done' },
      { tags: ['a'], kind: 'invalidate', status: 'done' },
      { tags: [], kind: 'invalidate', status: 'done' },
    ]);
  });

  it('refuses what is no tag, and does nothing without one', async () => {
    await expect(cache.expire('')).rejects.toMatchObject({ code: 'CACHE_CONFIG' });
    expect(await cache.expire()).toEqual({ status: 'done' });
  });
});

describe('expire that the store does not acknowledge', () => {
  it('is held against here until it does, and is no invalidation', async () => {
    const process = new SteppedProcess({}, { deadline: 50 });
    const { cache, backend } = process;
    const x = new SteppedMethod(() => 0);
    const read = cache.wrap('x', x.run, { ...sie });
    x.automatic = true;
    await read();
    await jobs();
    x.automatic = false;
    const deleting = backend.sent('deleteMany');
    const expiring = cache.expire('a');
    await (await deleting).fail();
    expect(await expiring).toEqual({ status: 'deferred' });
    const events: string[] = [];
    cache.on('outcome', ({ status, reason }) => events.push(`${status}: ${reason}`));
    const reading = read();
    await (await x.begun()).fail(failure);
    expect(await reading).toBe(0);
    expect(events).toEqual(['stale: error']);
    await process.close();
  });

  it('and an invalidation after it are both: the entry is wrong', async () => {
    const process = new SteppedProcess({}, { deadline: 50 });
    const { cache, backend } = process;
    const x = new SteppedMethod(() => 0);
    const read = cache.wrap('x', x.run, { ...sie });
    x.automatic = true;
    await read();
    await jobs();
    x.automatic = false;
    for (const how of ['expire', 'invalidate'] as const) {
      const deleting = backend.sent('deleteMany');
      const done = cache[how]('a');
      await (await deleting).fail();
      expect(await done).toEqual({ status: 'deferred' });
    }
    const reading = errorOf(read());
    await (await x.begun()).fail(failure);
    expect(await reading).toBe(failure);
    await process.close();
  });
});

it('what is expired counts from its expiry: the windows are not prolonged', async () => {
  const clock = manualClock();
  const cache = createCache('memory://', { clock });
  const x = new SteppedMethod(() => 0);
  const read = cache.wrap('x', x.run, { ttl: 10_000, staleWhileRevalidate: 5_000, tags: 'a' });
  x.automatic = true;
  await read();
  x.automatic = false;
  await cache.expire('a');
  await clock.advance(14_999);
  expect(await told(cache, read)).toEqual([0, 'stale: revalidating']);
  await (await x.begun()).fail(failure);
  await clock.advance(1);
  x.automatic = true;
  expect((await told(cache, read))[1]).toMatch(/^miss/);
  await cache.close();
});
