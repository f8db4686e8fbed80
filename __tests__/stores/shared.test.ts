/** Sliding above the backend: when the server is asked to keep an entry for longer, and for how long. */

import { setTimeout as sleep } from 'node:timers/promises';
import { type CacheOptions, createCache, type StoreInput } from 'cachette';
import { Keyv } from 'keyv';
import { manualClock } from 'cachette/testing';
import { startMemcached, startRedis, type MemcachedTestServer, type RedisTestServer } from '../support/servers.js';
import { jobs } from '../support/stepped-backend.js';
import { SteppedProcess } from '../support/stepped-process.js';

const second = 1_000;

describe('sliding', () => {
  const clock = manualClock();
  let process: SteppedProcess;

  beforeEach(() => {
    process = new SteppedProcess({}, { clock });
  });

  afterEach(() => process.close());

  /** What the server was told of `x`. */
  function told(operation: 'set' | 'touch') {
    return process.backend.sentSoFar.filter(
      (command) => command.operation === operation && command.keys[0]?.startsWith('cachette:1:x'),
    );
  }

  async function readEach(stepMs: number, untilMs: number, read: () => Promise<unknown>): Promise<void> {
    await read();
    await jobs();
    for (let at = stepMs; at <= untilMs; at += stepMs) {
      await clock.advance(stepMs);
      await read();
      await jobs();
    }
  }

  it('touches an entry once in an eighth of its window, however many hits there are', async () => {
    const read = process.cache.wrap('x', async () => 1, { ttl: '8s', sliding: true });
    await readEach(100, 8 * second, read);
    expect(told('touch')).toHaveLength(8);
    expect(told('set')).toHaveLength(1);
    expect(process.cache.stats()).toMatchObject({ hits: 80, misses: 1 });
  });

  it('does not touch an entry that does not slide', async () => {
    const read = process.cache.wrap('x', async () => 1, { ttl: '8s' });
    await readEach(second, 7 * second, read);
    expect(told('touch')).toEqual([]);
  });

  it('asks for the window, or for what is left of maxLifetime', async () => {
    const read = process.cache.wrap('x', async () => 1, { ttl: '4s', sliding: true, maxLifetime: '10s' });
    await readEach(second, 9 * second, read);
    expect(told('set').map(({ ttlMs }) => ttlMs)).toEqual([4_000]);
    expect(told('touch').map(({ ttlMs }) => ttlMs)).toEqual([
      4_000, 4_000, 4_000, 4_000, 4_000, 4_000, 3_000, 2_000, 1_000,
    ]);
  });

  it('writes for no longer than maxLifetime', async () => {
    const read = process.cache.wrap('x', async () => 1, { ttl: '8s', sliding: true, maxLifetime: '5s' });
    await readEach(second, 0, read);
    expect(told('set').map(({ ttlMs }) => ttlMs)).toEqual([5_000]);
  });
});

describe('sliding on a server', () => {
  let redis: RedisTestServer;
  let memcached: MemcachedTestServer;

  beforeAll(async () => {
    [redis, memcached] = await Promise.all([startRedis({}), startMemcached({})]);
  });

  afterAll(() => Promise.all([redis.stop(), memcached.stop()]));

  function open(store: StoreInput, options: CacheOptions = {}) {
    const cache = createCache(store, { deadline: '5s', ...options });
    const read = cache.wrap('x', async () => ({}), { ttl: '2s', sliding: true, maxLifetime: '5s' });
    return { cache, read };
  }

  it('restarts the time of a Redis key, and never beyond maxLifetime', async () => {
    const clock = manualClock();
    const { cache, read } = open(redis.uri, { namespace: 'pttl', clock });
    const pttl = async (): Promise<number> => Number(await redis.cli('PTTL', read.keyOf()));
    const slidAfter = async (ms: number): Promise<number> => {
      // The server's clock goes on by itself; this is what it would say if it had.
      await redis.cli('PEXPIRE', read.keyOf(), '700');
      await clock.advance(ms);
      await read();
      await cache.explain(read);
      return pttl();
    };
    await read();
    await read();
    expect(await pttl()).toBeGreaterThan(1_000);
    expect(await slidAfter(1_900)).toBeGreaterThan(1_000);
    const last = await slidAfter(1_900);
    expect(last).toBeGreaterThan(700);
    expect(last).toBeLessThanOrEqual(1_200);
    expect(cache.stats()).toMatchObject({ misses: 1 });
    await cache.close();
  });

  it('lets an entry outlive its ttl, and ends it at maxLifetime: on Redis, memcached, and a Keyv, which is written again', async () => {
    const stores = [redis.uri, memcached.uri, new Keyv({ useKeyPrefix: false })];
    const lives = stores.map(async (store) => {
      const { cache, read } = open(store, { namespace: 'lives' });
      await read();
      const since = performance.now();
      while (cache.stats().misses === 1) {
        await sleep(100);
        await read();
      }
      await cache.close();
      return performance.now() - since;
    });
    for (const livedMs of await Promise.all(lives)) {
      expect(livedMs).toBeGreaterThan(4_800);
      expect(livedMs).toBeLessThan(6_500);
    }
  }, 20_000);
});

it('on a Keyv, is a rewriting with what is left of the entry', async () => {
  const clock = manualClock();
  const ttls: (number | undefined)[] = [];
  const rows = new Map<string, unknown>();
  const adapter = {
    opts: {},
    get: async (key: string) => rows.get(key),
    set: async (key: string, row: unknown, ttlMs?: number) => {
      rows.set(key, row);
      if (key.startsWith('cachette:1:x')) ttls.push(ttlMs);
    },
    delete: async (key: string) => rows.delete(key),
    clear: async () => undefined,
  };
  const cache = createCache(adapter as unknown as StoreInput, { clock });
  const read = cache.wrap('x', async () => 1, { ttl: '4s', sliding: true, maxLifetime: '10s' });
  await read();
  for (let at = 0; at < 9; at++) {
    await jobs();
    await clock.advance(second);
    await read();
  }
  await jobs();
  expect(ttls).toEqual([4_000, 4_000, 4_000, 4_000, 4_000, 4_000, 4_000, 3_000, 2_000, 1_000]);
  await cache.close();
});
