/** The pitfalls of Keyv, of its adapters and of their clients that were measured, each with what became of it here. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';

import KeyvRedis from '@keyv/redis';
import { createCache } from 'cachette';
import { Keyv } from 'keyv';
import { LRUCache } from 'lru-cache';

import {
  freePort,
  startFaultyServer,
  startMemcached,
  startRedis,
  startRedisCluster,
  until,
  type MemcachedTestServer,
  type RedisTestServer,
} from '../support/servers.js';
import { runChild } from '../support/child.js';
import { newToken } from '../../src/policies/generations.js';
import { parseStore } from '../../src/stores/uri.js';
import { closeOpened, open, timed, within } from './open.js';
import { memcachedReply, startProxy, startScriptedMemcached, startScriptedRedis } from './scripted-server.js';

jest.setTimeout(60_000);

let redis: RedisTestServer;
let memcached: MemcachedTestServer;
beforeAll(async () => {
  [redis, memcached] = await Promise.all([startRedis({}), startMemcached({})]);
});
afterAll(() => Promise.all([redis.stop(), memcached.stop()]));
afterEach(closeOpened);

/** Another process, because jest catches what would end one and swallows its warnings. */
async function elsewhere(
  stores: readonly string[],
  act: (use: () => Promise<void>) => Promise<void>,
): Promise<{ code: unknown; output: string }> {
  const child = runChild('__tests__/stores/stores.child.ts', { STORES: stores.join(' ') });
  const ask = async (message: string): Promise<void> => {
    child.send(message);
    await child.next((answer) => answer === message);
  };
  try {
    await act(() => ask('use'));
    await ask('close');
    const code = await within(4_000, child.done);
    return { code, output: child.output() };
  } catch (error) {
    throw new Error(child.output(), { cause: error });
  } finally {
    await child.kill();
  }
}

const add = (backend: ReturnType<typeof open>, key: string): Promise<boolean> =>
  backend.add?.(key, 'token', 60_000) ?? Promise.resolve(false);

test('2: Keyv takes a URI for nothing and keeps everything in a Map; here a URI reaches its server, and an unknown one throws', async () => {
  await open(redis.uri).set('trap2', 'v', 60_000);
  await expect(redis.cli('GET', 'trap2')).resolves.toBe('v');
  await open(memcached.uri).set('trap2', 'v', 60_000);
  await expect(memcached.command('get trap2')).resolves.toContain('v');
  expect(() => parseStore('rediz://localhost', 'createCache')).toThrow("did you mean 'redis://'?");
  expect(() => parseStore(new Keyv('redis://localhost' as never), 'createCache')).toThrow('give the URI itself');
});

test('3: a Redis that is down keeps commands waiting for ever; here they reject at once', async () => {
  const backend = open(`redis://127.0.0.1:${await freePort()}`);
  await timed(backend.getMany(['k']));
  const results = await Promise.all(
    [backend.getMany(['k']), backend.set('k', 'v', 1_000), backend.deleteMany(['k']), add(backend, 'k')].map(timed),
  );
  for (const { failure, ms } of results) {
    expect(failure).toBe('unreachable');
    expect(ms).toBeLessThan(100);
  }
});

test('4: a memcached that ends the connection keeps commands waiting for ever; here they are rejected', async () => {
  const server = await startFaultyServer('fin');
  const backend = open(`memcached://127.0.0.1:${server.port}`);
  const results = await Promise.all(
    [backend.getMany(['k', 'l']), backend.set('k', 'v', 1_000), add(backend, 'k')].map(timed),
  );
  expect(results.map(({ failure }) => failure)).toEqual(['unreachable', 'unreachable', 'unreachable']);
  expect(Math.max(...results.map(({ ms }) => ms))).toBeLessThan(500);
  await server.stop();
});

test('5: a timeout of the socket ends idle connections; here none is set', async () => {
  const proxies = await Promise.all([startProxy(redis.port), startProxy(memcached.port)]);
  const backends = [open(`redis://127.0.0.1:${proxies[0].port}`), open(`memcached://127.0.0.1:${proxies[1].port}`)];
  await Promise.all(backends.map((backend) => backend.getMany(['k'])));
  await sleep(6_500);
  await Promise.all(backends.map((backend) => backend.getMany(['k'])));
  expect(proxies.map((proxy) => proxy.connections())).toEqual([1, 1]);
  await Promise.all(proxies.map((proxy) => proxy.stop()));
});

test('6: writes of an outage are carried out minutes later; here they are not kept', async () => {
  const server = await startRedis({});
  const backend = open(server.uri);
  await backend.set('before', 'v', 60_000);
  await server.kill();
  await timed(backend.getMany(['k']));
  expect(
    (await Promise.all([backend.set('during', 'v', 60_000), add(backend, 'during')].map(timed))).map(
      ({ failure }) => failure,
    ),
  ).toEqual(['unreachable', 'unreachable']);
  await server.restart();
  await until('The backend works again', async () => (await backend.getMany(['during'])).length === 1);
  await expect(backend.getMany(['during'])).resolves.toEqual([undefined]);
  await server.stop();
});

test('7: an error event without a listener ends the process; here every source has one', async () => {
  const server = await startRedis({});
  const cache = await startMemcached({});
  const cluster = await startRedisCluster();
  const { port } = server;
  const stores = [
    server.uri,
    cache.uri,
    cluster.uri,
    `redis+cluster://127.0.0.1:${port}`,
    `redis+sentinel://127.0.0.1:${port}/m`,
  ];
  const result = await elsewhere(stores, async (use) => {
    await use();
    await Promise.all([server.kill(), cache.kill(), cluster.nodes[0]?.kill()]);
    await use();
    await sleep(300);
    await Promise.all([server.restart(), cache.restart(), cluster.nodes[1]?.kill()]);
    await sleep(300);
    await use();
  });
  expect(result).toEqual({ code: 0, output: '' });
  await Promise.all([server.stop(), cache.stop(), cluster.stop()]);
});

test('8: Keyv and KeyvRedis say true for a write that failed, and undefined for a read that did; here both reject', async () => {
  const server = await startRedis({ args: ['--maxmemory', '1'] });
  await expect(timed(open(server.uri).set('k', 'v', 60_000))).resolves.toMatchObject({ failure: 'refused' });
  const theirs = new Keyv(new KeyvRedis(server.uri) as never);
  await expect(theirs.set('k', 'v')).resolves.toBe(true);
  await expect(timed(open(theirs).set('k', 'v', 60_000))).resolves.toMatchObject({ failure: 'unreachable' });
  await theirs.disconnect();
  await server.stop();
});

test('9: a miss on memcached deletes what somebody has just written; here a miss sends nothing', async () => {
  const [reader, writer] = [open(memcached.uri), open(memcached.uri.replace('127.0.0.1', 'localhost'))];
  const keys = Array.from({ length: 300 }, (_, index) => `trap9-${index}`);
  await Promise.all(
    keys.flatMap((key) => [reader.getMany([key]), writer.set(key, 'fresh', 60_000), reader.getMany([key])]),
  );
  await expect(reader.getMany(keys)).resolves.toEqual(keys.map(() => 'fresh'));
  const { cmd_get: gets, delete_misses: deletes } = await memcached.stats();
  expect(Number(gets)).toBeGreaterThan(600);
  expect(deletes).toBe('0');
});

test('10: a value that is no JSON ends the process on memcached; here it is the text', async () => {
  const backend = open(memcached.uri);
  await memcached.command('set trap10 0 0 9\r\n{"value":');
  await expect(backend.getMany(['trap10', 'absent'])).resolves.toEqual(['{"value":', undefined]);
  await expect(backend.getMany(['trap10'])).resolves.toEqual(['{"value":']);
});

test('11: one corrupt row fails a whole batch; here it is a text like others, or absent where Keyv decodes', async () => {
  await redis.cli('SET', 'trap11', '{"value":');
  await open(redis.uri).set('trap11b', 'v', 60_000);
  await expect(open(redis.uri).getMany(['trap11', 'trap11b'])).resolves.toEqual(['{"value":', 'v']);
  const theirs = new Keyv(new KeyvRedis(redis.uri) as never, { namespace: undefined, useKeyPrefix: false } as never);
  const backend = open(theirs);
  await backend.set('trap11b', 'v', 60_000);
  await expect(theirs.getMany(['trap11', 'trap11b'])).rejects.toThrow(SyntaxError);
  await expect(backend.getMany(['trap11', 'trap11b'])).resolves.toEqual([undefined, 'v']);
  await theirs.disconnect();
});

test('12: ttls below a second never end on memcached, and those over 30 days end at once; here neither', async () => {
  const backend = open(memcached.uri);
  await Promise.all([backend.set('half', 'v', 500), backend.set('month', 'v', 31 * 86_400_000), add(backend, 'added')]);
  await expect(backend.getMany(['half', 'month'])).resolves.toEqual(['v', 'v']);
  await expect(memcached.command('me half')).resolves.toMatch(/exp=-?[12] /);
  await expect(memcached.command('me month')).resolves.toMatch(/exp=-?26784\d\d /);
  await expect(memcached.command('me added')).resolves.toMatch(/exp=-?6[01] /);
});

test('12b: a ttl of a second ends at once on memcached if its clock is about to tick; here it lasts', async () => {
  const backend = open(memcached.uri);
  const lives = Array.from({ length: 20 }, async (_, index) => {
    await sleep(50 * index);
    const start = performance.now();
    await backend.set(`brief${index}`, 'v', 1_000);
    await sleep(900);
    const [found] = await backend.getMany([`brief${index}`]);
    // On a machine that was busy for so long it says nothing.
    return found === 'v' || performance.now() - start >= 1_000;
  });
  expect((await Promise.all(lives)).every(Boolean)).toBe(true);
});

test('13: a key of 250 bytes is the longest for memcached, and keys are trimmed; here none has a prefix of Keyv', async () => {
  const backend = open(memcached.uri);
  const key = 'k'.repeat(250);
  await backend.set(key, 'v', 60_000);
  await expect(memcached.command(`get ${key}`)).resolves.toContain('v');
});

test('14: a value over 1 MB is sent in vain to memcached and costs the old one; here it is not sent', async () => {
  const backend = open(memcached.uri);
  await backend.set('trap14', 'old', 60_000);
  expect(backend.maxTextBytes).toBeLessThan(1_048_576);
  await expect(timed(backend.set('trap14', 'x'.repeat(backend.maxTextBytes + 1), 60_000))).resolves.toMatchObject({
    failure: 'refused',
  });
  await expect(backend.getMany(['trap14'])).resolves.toEqual(['old']);
});

test('15: Keyv prefixes keys twice, and differently in get and getMany; here a key is the key', async () => {
  await open(redis.uri).set('shop:1:k', 'v', 60_000);
  await expect(redis.cli('KEYS', '*shop:1:k')).resolves.toBe('shop:1:k');
  const backend = open(new Keyv({ namespace: 'shop' }));
  await Promise.all([backend.set('k', 'one', 60_000), backend.set('shop:k', 'two', 60_000)]);
  await expect(backend.getMany(['k', 'shop:k'])).resolves.toEqual(['one', 'two']);
});

test('16: clear flushes a memcached and scans a Redis; here nothing clears, scans or flushes', async () => {
  const server = await startRedis({});
  const backends = [open(server.uri), open(memcached.uri)];
  for (const backend of backends) {
    await backend.set('k', 'v', 60_000);
    await backend.deleteMany(['k', 'l']);
    await backend.close();
  }
  await expect(server.cli('INFO', 'commandstats')).resolves.not.toMatch(/cmdstat_(scan|flush|keys)/);
  expect((await memcached.stats())['cmd_flush']).toBe('0');
  await server.stop();
});

test("17: Keyv's own expiry hides what the server has prolonged, and deletes it by the reader's clock; here rows have none", async () => {
  const backend = open(redis.uri);
  await backend.set('trap17', 'v', 300);
  await expect(redis.cli('GET', 'trap17')).resolves.toBe('v');
  await backend.touch?.('trap17', 60_000);
  await sleep(400);
  const clock = jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 86_400_000);
  await expect(backend.getMany(['trap17'])).resolves.toEqual(['v']);
  clock.mockRestore();
  await expect(redis.cli('EXISTS', 'trap17')).resolves.toBe('1');
});

test('19: a counter of memcached begins anew at 2^32; here what stands for a tag is random, and never a number', () => {
  const tokens = Array.from({ length: 1_000 }, () => newToken(60_000));
  expect(new Set(tokens).size).toBe(1_000);
  expect(tokens.filter((token) => /^\d+$/.test(token))).toEqual([]);
});

test('20: bytes that are no UTF-8 do not survive; here only texts are written, and they do', async () => {
  const text = '\u0000\u00ff\uffff 🐎 \ufffd';
  for (const backend of [open(redis.uri), open(memcached.uri)]) {
    await backend.set('trap20', text, 60_000);
    await expect(backend.getMany(['trap20'])).resolves.toEqual([text]);
  }
});

test("21: Keyv's serializer loses types and holes; here every value comes back as it was", async () => {
  const cache = createCache(redis.uri, { namespace: 'trap21', deadline: '5s' });
  const value = { at: new Date(0), none: undefined, tags: new Map([[1, new Set(['a'])]]), list: [, 1], big: 2n ** 70n };
  const read = cache.wrap('read', async () => value);
  await read();
  const { value: found, calls } = await cache.explain(read);
  expect(calls).toMatchObject([{ status: 'hit', tier: 'store' }]);
  expect(found).toStrictEqual(value);
  await cache.close();
});

test('22: a Map grows without bound and an LRUCache fails on every write; here both are refused', async () => {
  const lru = new LRUCache<string, string>({ max: 5 });
  await expect(new Keyv({ store: lru }).set('k', 'v', 50)).resolves.toBe(false);
  expect(() => parseStore(lru, 'createCache')).toThrow('memory://?maxEntries=');
  expect(() => parseStore(new Map(), 'createCache')).toThrow('memory://?maxEntries=');
});

test('23: an open connection keeps the process alive; here it ends after close, also while a server is down, silent or frozen', async () => {
  const silent = await startFaultyServer('silent');
  const frozen = await startMemcached({});
  frozen.freeze();
  const stores = [
    redis.uri,
    memcached.uri,
    `redis://127.0.0.1:${await freePort()}`,
    `memcached://127.0.0.1:${await freePort()}`,
    `redis://127.0.0.1:${silent.port}`,
    `redis+sentinel://127.0.0.1:${silent.port}/m`,
    `redis+cluster://127.0.0.1:${silent.port}`,
    frozen.uri,
  ];
  await expect(elsewhere(stores, (use) => use())).resolves.toEqual({ code: 0, output: '' });
  await Promise.all([silent.stop(), frozen.stop()]);
});

test('24: a command after disconnect connects again; here it rejects', async () => {
  const proxy = await startProxy(redis.port);
  const backend = open(`redis://127.0.0.1:${proxy.port}`);
  await backend.getMany(['k']);
  await backend.close();
  await expect(timed(backend.set('k', 'v', 1_000))).resolves.toMatchObject({ failure: 'unreachable' });
  await sleep(100);
  expect(proxy.connections()).toBe(1);
  await proxy.stop();
});

test('25: each connect of KeyvRedis adds listeners; here neither many reconnects nor many nodes warn of a leak', async () => {
  const dropping = await startScriptedRedis(([name], socket) => {
    if (name !== 'MGET') return '+OK\r\n';
    socket.destroy();
    return undefined;
  });
  const nodes = await Promise.all(
    Array.from({ length: 15 }, () => startScriptedRedis(([name]) => (name === 'CLUSTER' ? slots() : '+OK\r\n'))),
  );
  const slots = (): string =>
    `*15\r\n${nodes.map(({ port }, index) => slotsOf(port, index * 1_000, index === 14 ? 16_383 : index * 1_000 + 999)).join('')}`;
  const slotsOf = (port: number, from: number, to: number): string =>
    `*3\r\n:${from}\r\n:${to}\r\n*3\r\n$9\r\n127.0.0.1\r\n:${port}\r\n$4\r\nnode\r\n`;
  const stores = [`redis://127.0.0.1:${dropping.port}`, `redis+cluster://127.0.0.1:${nodes[0]?.port}`];
  const result = await elsewhere(stores, async (use) => {
    while (dropping.connections() < 20) await use();
  });
  expect(result).toEqual({ code: 0, output: '' });
  expect(nodes.every((node) => node.connections() > 0)).toBe(true);
  await Promise.all([dropping, ...nodes].map((server) => server.stop()));
});

test('27: memjs takes a login from the environment; here only from the URI', async () => {
  process.env['MEMCACHE_USERNAME'] = process.env['MEMCACHE_PASSWORD'] = 'environment';
  const server = await startScriptedMemcached((command) => memcachedReply(command, 0));
  await open(`memcached://127.0.0.1:${server.port}`).set('k', 'v', 1_000);
  delete process.env['MEMCACHE_USERNAME'];
  delete process.env['MEMCACHE_PASSWORD'];
  expect(inspect(server.commands)).not.toContain('environment');
  await server.stop();
});

test('28: a URI in a message shows its password; here it is hidden', async () => {
  const uri = `redis://user:hunter2@127.0.0.1:${await freePort()}`;
  const backend = open(uri);
  const failure: unknown = await backend.getMany(['k']).catch((error: unknown) => error);
  expect(inspect([failure, backend, parseStore(uri, 'x')], { depth: 9, showHidden: true })).not.toContain('hunter2');
  expect(() => parseStore(`${uri}?hunter3=1`, 'x')).toThrow('user:***@');
});

test('30: serializers that are only ES modules do not load in jest; here none is needed', () => {
  const { dependencies } = JSON.parse(textOf('package.json')) as { dependencies: object };
  expect(Object.keys(dependencies)).not.toEqual(expect.arrayContaining([expect.stringMatching(/superjson|devalue/)]));
});

test('31: @keyv/redis takes 95 ms to load; here importing loads no adapter, and a URI only its own', async () => {
  const loaded: string[] = [];
  await jest.isolateModulesAsync(async () => {
    for (const name of ['keyv', '@keyv/redis', '@keyv/memcache', '@redis/client', 'memjs']) {
      jest.doMock(name, () => {
        loaded.push(name);
        return jest.requireActual<object>(name);
      });
    }
    const uri = await import('../../src/stores/uri.js');
    const targets = [redis.uri, memcached.uri, 'memory://', 'sqlite://x'].map((text) =>
      uri.parseStore(text, 'createCache'),
    );
    expect(loaded).toEqual([]);
    const target = targets[1] as Extract<(typeof targets)[0], { kind: 'backend' }>;
    const backend = target.open();
    await backend.getMany(['k']);
    await backend.close();
    expect(loaded.sort()).toEqual(['@keyv/memcache', 'keyv', 'memjs']);
  });
  for (const name of ['keyv', '@keyv/redis', '@keyv/memcache', '@redis/client', 'memjs']) jest.dontMock(name);
});

test('32: the first batch of a cold cluster client is all absent; here it is read. A node as redis:// is refused', async () => {
  const cluster = await startRedisCluster();
  const keys = Array.from({ length: 20 }, (_, index) => `k${index}`);
  const first = open(cluster.uri);
  await Promise.all(keys.map((key) => first.set(key, key, 60_000)));
  await first.close();
  await expect(open(cluster.uri).getMany(keys)).resolves.toEqual(keys);
  const plain = open(cluster.nodes[0]?.uri);
  const results = await Promise.all(keys.map((key) => timed(plain.set(key, 'v', 60_000))));
  expect(results.find(({ failure }) => failure === 'misconfigured')?.message).toContain('redis+cluster://');
  await cluster.stop();
});

test('33: a wrong password looks like a miss and is tried for ever; here it is named', async () => {
  const server = await startRedis({ password: 'right' });
  const result = await timed(open(`redis://:wrong@127.0.0.1:${server.port}`).getMany(['k']));
  expect(result).toMatchObject({ failure: 'misconfigured', message: expect.stringContaining('WRONGPASS') });
  await server.stop();
});

test.each([
  [
    '1: a keyv without a range fits no adapter',
    'package/built.test.ts',
    'the installed keyv is one that both adapters',
  ],
  ['18: memjs can neither get and touch nor compare', 'stores/shared.test.ts', 'once in an eighth of its window'],
  [
    '26: two copies of a class are no instances',
    'package/built.test.ts',
    'the two builds in one process know of each other',
  ],
  ['29: there are two dialects of decorators', 'decorators/dialect.test.ts', 'describe.each(dialects)'],
])('%s; here %s says what became of it', (_trap, file, name) => {
  expect(textOf(`__tests__/${file}`)).toContain(name);
});

test('every measured pitfall is named here', () => {
  const named = [...textOf('__tests__/stores/traps.test.ts').matchAll(/^\s*(?:test\(|\[)?['"](\d+)[a-z]?: /gm)];
  const rows = new Set(named.map(([, row]) => Number(row)));
  expect([...rows].sort((a, b) => a - b)).toEqual(Array.from({ length: 33 }, (_, index) => index + 1));
});

function textOf(file: string): string {
  return readFileSync(join(__dirname, '..', '..', file), 'utf8');
}
