import { type Cache, createCache } from 'cachette';

import { type FaultyServer, type RedisTestServer, startFaultyServer, startRedis, until } from '../support/servers.js';

jest.setTimeout(20_000);

const realNow = performance.now.bind(performance);
/** The first call loads the client, too. */
const slackMs = 3_000;

afterEach(() => jest.useRealTimers());

/** A cached function that counts its runs. */
function counted(cache: Cache, options: object) {
  let runs = 0;
  return cache.wrap('counted', async (id: string) => `${id}#${++runs}`, options);
}

describe('on memory, with every timer and clock faked', () => {
  let cache: Cache;
  beforeEach(() => {
    jest.useFakeTimers();
    cache = createCache('memory://');
  });
  afterEach(() => cache.close());

  it('hangs no call, invalidation or close', async () => {
    const read = counted(cache, { tags: 'all' });
    expect(await Promise.all([read('a'), read('a')])).toEqual(['a#1', 'a#1']);
    expect(await read('a')).toBe('a#1');
    expect(await cache.invalidate('all')).toEqual({ status: 'done' });
    expect(await read('a')).toBe('a#2');
    expect(await read.forget('a')).toEqual({ status: 'done' });
    expect(await cache.refresh(() => read('a'))).toBe('a#3');
    await cache.close();
  });

  it('lets a ttl pass with advanceTimersByTime', async () => {
    const read = counted(cache, { ttl: '10s' });
    await read('a');
    jest.advanceTimersByTime(9_999);
    expect(await read('a')).toBe('a#1');
    jest.advanceTimersByTime(1);
    expect(await read('a')).toBe('a#2');
  });

  it('lets a ttl pass with setSystemTime', async () => {
    const read = counted(cache, { ttl: '10s' });
    await read('a');
    jest.setSystemTime(Date.now() + 9_999);
    expect(await read('a')).toBe('a#1');
    jest.setSystemTime(Date.now() + 1);
    expect(await read('a')).toBe('a#2');
  });

  it('slides', async () => {
    const read = counted(cache, { ttl: '10s', sliding: true, maxLifetime: '15s' });
    await read('a');
    jest.advanceTimersByTime(9_000);
    expect(await read('a')).toBe('a#1');
    jest.advanceTimersByTime(5_000);
    expect(await read('a')).toBe('a#1');
    jest.advanceTimersByTime(1_000);
    expect(await read('a')).toBe('a#2');
  });
});

describe('on Redis, with every timer and clock faked', () => {
  let server: RedisTestServer;
  let silent: FaultyServer;
  beforeAll(async () => {
    server = await startRedis();
    silent = await startFaultyServer('silent');
  });
  afterAll(() => Promise.all([server.stop(), silent.stop()]));

  const deadlineMs = 200;

  async function expectInTime(work: Promise<unknown>, deadlines: number): Promise<void> {
    const start = realNow();
    await work;
    expect(realNow() - start).toBeLessThan(deadlines * deadlineMs + slackMs);
  }

  it('settles each call by the deadline where the connection is there, and is used again afterwards', async () => {
    const cache = createCache(server.uri, { namespace: 'faked', deadline: deadlineMs });
    const read = counted(cache, {});
    await until('It is cached', async () => (await read('a')) === (await read('a')));
    jest.useFakeTimers();
    for (const id of ['a', 'b', 'c']) await expectInTime(read(id), 1);
    jest.useRealTimers();
    await until('It is used again', async () => (await read('a')) === (await read('a')));
    await cache.close();
  });

  it('settles each call by the deadline where nothing is connected yet', async () => {
    jest.useFakeTimers();
    const cache = createCache(server.uri, { namespace: 'faked-too', deadline: deadlineMs });
    const read = counted(cache, {});
    for (const id of ['a', 'b', 'c']) await expectInTime(read(id), 1);
    await expectInTime(cache.close(), 6);
  });

  it('settles each call by the deadline where the server is silent and the timers were faked before the import', async () => {
    jest.useFakeTimers();
    jest.resetModules();
    const { createCache: createFaked } = jest.requireActual<typeof import('cachette')>('cachette');
    const cache = createFaked(`redis://127.0.0.1:${silent.port}`, { deadline: deadlineMs });
    const read = cache.wrap('read', async (id: string) => id);
    for (const id of ['a', 'b', 'c']) await expectInTime(read(id), 1);
    await expectInTime(cache.close(), 6);
  });
});
