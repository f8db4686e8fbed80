/** What a cache tells about itself, to its own process and to others over the bus. */

import { type Bus, type Cache, createCache, localBus } from 'cachette';
import { Keyv } from 'keyv';
import { insight, type MethodStats } from '../../src/base/insight.js';
import { readAnswer } from '../../src/cache/answers.js';
import { startRedis, type RedisTestServer, until } from '../support/servers.js';

let opened: Cache[];

beforeEach(() => {
  opened = [];
});

afterEach(() => Promise.all(opened.map((cache) => cache.close())));

function open(...[stores, options]: Parameters<typeof createCache>): Cache {
  const cache = createCache(stores, options);
  opened.push(cache);
  return cache;
}

describe('an audit that somebody asks for', () => {
  it('lets the process do what else it has to do, and is the same as one that is made at once', async () => {
    const cache = open('memory://?maxEntries=100');
    const methods = ['a', 'b', 'c'].map((name) => cache.wrap(name, async (id: number) => id, { ttl: '1h' }));
    for (let i = 0; i < 8_000; i++) for (const method of methods) await method((i * 7) % 400);
    let turns = 0;
    const count = (): void => {
      turns++;
      timer = setImmediate(count);
    };
    let timer = setImmediate(count);
    const [told] = await cache[insight].ask({ topic: 'audit' });
    clearImmediate(timer);
    expect(turns).toBeGreaterThan(1);
    expect(told?.answer).toEqual(cache.audit());
  });
});

describe('a snapshot', () => {
  it('tells of the process, the counts and the stores', async () => {
    const cache = open('memory://?maxEntries=100', { namespace: 'shop' });
    await cache.getOrLoad('a', async () => 1);
    const snapshot = cache[insight].snapshot();
    expect(snapshot).toMatchObject({
      process: { pid: process.pid },
      namespace: 'shop',
      enabled: true,
      stats: { misses: 1, methods: { getOrLoad: { misses: 1 } } },
      stores: [{ tier: 'memory', entries: 1, maxEntries: 100, breaker: 'none', pending: 0 }],
      bus: { state: 'none', peers: 0 },
    });
    expect(cache[insight].snapshot().process.id).toBe(snapshot.process.id);
  });

  it('names the methods with the most calls where there are very many', async () => {
    const cache = open();
    const methods = Array.from({ length: 250 }, (_, i) => cache.wrap(`m${i}`, async () => i));
    for (const method of methods) await method();
    await methods[249]?.();
    const told = Object.keys(cache[insight].snapshot().stats.methods);
    expect(told).toHaveLength(200);
    expect(told[0]).toBe('m249');
    expect(cache[insight].snapshot()).toMatchObject({ methodsLeftOut: 50, stats: { calls: 251, misses: 250 } });
  });

  it('tells what is written for a method, where that is the same for each call', async () => {
    const cache = open();
    const find = cache.wrap('find', async (id: number) => id, {
      ttl: '5m',
      tags: (id) => `product:${id}`,
      sliding: true,
    });
    const kept = cache.wrap('kept', async () => 1, { ttl: '1s', staleWhileRevalidate: Infinity });
    await find(1);
    await kept();
    const { policies, counted, methodsLeftOut } = cache[insight].snapshot();
    expect(policies).toEqual({
      find: { ttlMs: 300_000, sliding: true, staleWhileRevalidateMs: 0, staleIfErrorMs: 0, tagKinds: ['product'] },
      kept: { ttlMs: 1_000, sliding: false, staleWhileRevalidateMs: Infinity, staleIfErrorMs: 0, tagKinds: [] },
    });
    expect([counted, methodsLeftOut]).toEqual([true, undefined]);
  });

  it('says where nothing is counted', () => {
    expect(open('memory://', { statistics: false })[insight].snapshot().counted).toBe(false);
  });
});

describe('recent outcomes', () => {
  it('are kept from the first question on, of that method alone, and not without end', async () => {
    const cache = open();
    const [one, other] = ['one', 'other'].map((name) => cache.wrap(name, async (id: number) => id));
    await one?.(1);
    expect(cache[insight].recent('one')).toEqual([]);
    await other?.(1);
    for (let i = 0; i < 60; i++) await one?.(i);
    const recent = cache[insight].recent('one');
    expect(recent.filter(({ status }) => status === 'miss')).toHaveLength(50);
    expect(recent.every(({ method }) => method === 'one')).toBe(true);
    expect(recent.at(-1)).toMatchObject({ status: 'miss', reason: 'absent' });
  });

  it('have misses in them also where nearly all calls are hits', async () => {
    const cache = open();
    const find = cache.wrap('find', async (id: number) => id);
    cache[insight].recent('find');
    await find(1);
    for (let i = 0; i < 200; i++) await find(1);
    const recent = cache[insight].recent('find');
    expect(recent.map(({ status }) => status)).toEqual(['miss', ...Array.from({ length: 50 }, () => 'hit')]);
  });
});

test('what an older process does not send yet makes its answer no worse', async () => {
  const cache = open();
  await cache.getOrLoad('a', async () => 1);
  const answer = cache[insight].snapshot();
  const olderStats = ({ puts: _puts, bytes: { mean, max }, ...stats }: MethodStats) => ({
    ...stats,
    bytes: { mean, max },
  });
  const older = {
    ...answer,
    stats: {
      ...olderStats(answer.stats),
      methods: { getOrLoad: olderStats(answer.stats.methods['getOrLoad'] as MethodStats) },
    },
    stores: answer.stores.map(({ size: _size, evictions: _evictions, ...store }) => store),
  };
  const said = JSON.stringify({ process: answer.process, answer: older });
  expect(said).not.toMatch(/puts|sum|evictions/);
  expect(readAnswer('snapshot', said)?.answer.stats.misses).toBe(1);
});

describe('a question to the fleet', () => {
  let redis: RedisTestServer;

  beforeAll(async () => {
    redis = await startRedis();
  });

  afterAll(() => redis.stop());

  it('is answered by every process with memory in front of Redis', async () => {
    const fleet = [1, 2, 3].map(() => open(['memory://', redis.uri], { namespace: 'fleet' }));
    for (const [i, cache] of fleet.entries())
      for (let n = 0; n <= i; n++) await cache.getOrLoad(`k${i}${n}`, async () => 1);
    const asking = fleet[0] as Cache;
    await until('all three answer', async () => (await asking[insight].ask({ topic: 'snapshot' })).length === 3);
    const answers = await asking[insight].ask({ topic: 'snapshot' });
    expect(answers.map(({ answer }) => answer.stats.misses).sort()).toEqual([1, 2, 3]);
    expect(new Set(answers.map(({ process: { id } }) => id)).size).toBe(3);
    expect(answers[0]?.process.id).toBe(asking[insight].snapshot().process.id);
  });

  it('is asked also by a process that has only just come, and without memory', async () => {
    const there = open(['memory://', redis.uri], { namespace: 'late' });
    await there.getOrLoad('a', async () => 1);
    await until('memory is trusted', () => there[insight].snapshot().bus.state === 'trusted');
    const here = open(redis.uri, { namespace: 'late' });
    const answers = await here[insight].ask({ topic: 'snapshot' }, 2_000);
    expect(answers.map(({ answer: { bus } }) => bus.state)).toEqual(['idle', 'trusted']);
  });

  it('gives the own answer where nobody else can be reached', async () => {
    const cache = open('memory://');
    expect(await cache[insight].ask({ topic: 'audit' })).toHaveLength(1);
  });

  it('brings nothing that is not what was asked for', async () => {
    const [store, bus] = [new Keyv(), localBus()];
    const liar = bus.connect();
    liar.subscribe('liar', {
      interrupted: () => undefined,
      message: (text) => {
        const [version, kind, from, asked] = JSON.parse(text) as [string, string, string, number];
        if (kind !== 'ask') return;
        const lies = ['', '{}', '[]', 'null', '{"process":{},"answer":{}}', 'x'.repeat(2_000_000)];
        for (const [i, lie] of lies.entries())
          void liar.publish(JSON.stringify([version, 'tell', `liar${i}`, asked, from, lie]), from);
      },
    });
    const cache = open(['memory://', store], { bus: bus.connect() });
    expect(await cache[insight].ask({ topic: 'snapshot' }, 150)).toHaveLength(1);
  });

  it('ends in time on a bus that hangs or fails', async () => {
    const dead: Bus = {
      publish: () => new Promise(() => {}),
      subscribe: () => undefined,
      close: async () => undefined,
    };
    const broken: Bus = { ...dead, publish: () => Promise.reject(new Error('broken')) };
    for (const bus of [dead, broken]) {
      const cache = open(['memory://', new Keyv()], { bus });
      expect(await cache[insight].ask({ topic: 'snapshot' }, 100)).toHaveLength(1);
    }
  });
});

describe('an answer', () => {
  it('comes out as it went in, endless sizes too', () => {
    const cache = open();
    const { process: from } = cache[insight].snapshot();
    const audit = {
      findings: [],
      methods: {
        m: { hitRate: 1, expectedHitRate: 1, byTtl: [{ ttlMs: 1, maxEntries: Infinity, hitRate: 0.5 }], bySize: [] },
      },
      spanMs: 1,
      sampled: 1,
    };
    expect(readAnswer('audit', JSON.stringify({ process: from, answer: audit }))?.answer).toEqual(audit);
    expect(readAnswer('snapshot', JSON.stringify({ process: from, answer: audit }))).toBeUndefined();
  });

  it('comes out as it went in, with all that a snapshot has', async () => {
    const cache = open();
    await cache.wrap('find', async () => 1, { ttl: Infinity, staleIfError: Infinity })();
    const answered = { process: cache[insight].snapshot().process, answer: cache[insight].snapshot() };
    const { loads } = answered.answer.stats.methods['find'] ?? {};
    expect(loads?.distribution).toEqual([[expect.any(Number), 1]]);
    expect(readAnswer('snapshot', JSON.stringify(answered))?.answer).toEqual(answered.answer);
  });

  it('needs no distribution, and one that is odd makes it none', () => {
    const cache = open();
    const said = (distribution: unknown): unknown => {
      const answer = cache[insight].snapshot();
      const loads = { ...answer.stats.loads, distribution };
      return readAnswer(
        'snapshot',
        JSON.stringify({ process: answer.process, answer: { ...answer, stats: { ...answer.stats, loads } } }),
      );
    };
    for (const one of [undefined, [], [[0, 1]], [[255, 1]]]) expect(said(one)).toBeDefined();
    for (const odd of [
      null,
      5,
      [[256, 1]],
      [[-1, 1]],
      [[0.5, 1]],
      [[0, '1']],
      [[0]],
      [[0, 1, 1]],
      Array(257).fill([0, 1]),
    ])
      expect([odd, said(odd)]).toEqual([odd, undefined]);
  });
});
