/** What `cachette invalidate` does on a real server. */

import { type Cache, createCache } from 'cachette';
import { type RedisTestServer, startMemcached, startRedis, until } from '../../support/servers.js';
import { typed, typedIn } from './typed.js';

let redis: RedisTestServer;
let cache: Cache;
const namespace = `invalidate-${process.pid}`;

beforeAll(async () => {
  redis = await startRedis({});
  cache = createCache(['memory://', redis.uri], { namespace, deadline: '5s' });
});

afterAll(async () => {
  await cache.close();
  await redis.stop();
});

/** The status of the next call, as another process would have it that remembers the last one. */
async function outcomeOf(call: () => Promise<unknown>): Promise<string> {
  return (await cache.explain(call)).calls[0]!.status;
}

const run = (...args: string[]) => typed('invalidate', redis.uri, ...args, '--namespace', namespace);

it('invalidates tags, also in the memory of a process', async () => {
  const find = cache.wrap('find', async (id: string) => id, { tags: (id) => `product:${id}` });
  for (const id of ['1', '2', '3', '1', '2']) await find(id);
  expect(await outcomeOf(() => find('1'))).toBe('hit');
  expect(await run('product:1', 'product:2')).toEqual({
    code: 0,
    out: 'Invalidated 2 tags (product:1, product:2): done, told 1 process.\n',
    error: '',
  });
  expect(await Promise.all(['1', '2', '3'].map((id) => outcomeOf(() => find(id))))).toEqual(['miss', 'miss', 'hit']);
});

it('makes them old with --expire', async () => {
  const rates = cache.wrap('rates', async () => 1, { tags: 'rates', staleWhileRevalidate: '1h' });
  await rates();
  expect((await run('rates', '--expire')).out).toBe('Expired 1 tag (rates): done, told 1 process.\n');
  expect(await outcomeOf(rates)).toBe('stale');
});

it('clears the namespace with --clear --yes', async () => {
  const all = cache.wrap('all', async () => 1, {});
  await all();
  expect(await run('--clear', '--yes')).toMatchObject({
    code: 0,
    out: 'Invalidated everything: done, told 1 process.\n',
  });
  expect(await outcomeOf(all)).toBe('miss');
});

it('gives JSON', async () => {
  const { out } = await run('product:1', '--json');
  expect(JSON.parse(out)).toEqual({ status: 'done', kind: 'invalidate', tags: ['product:1'], processes: 1 });
});

it('says that nobody is in a namespace, and in which ones there are processes', async () => {
  const others = ['shop', 'big'].map((name) => createCache(redis.uri, { namespace: name }));
  await Promise.all(others.map((each) => each.get('greeting')));
  const lost = (...args: string[]) => typed('invalidate', redis.uri, 'product:1', '--namespace', 'sohp', ...args);
  await until('both listen', async () => (await lost()).out.includes(': shop, big'));
  expect(await lost()).toMatchObject({
    code: 0,
    out: `Invalidated 1 tag (product:1): done, but no process is in the namespace 'sohp'; there are: shop, big, ${namespace}.\n`,
  });
  expect(JSON.parse((await lost('--json')).out)).toMatchObject({ status: 'done', processes: 0 });
  await Promise.all(others.map((each) => each.close()));
});

it('warns of what looks like a pattern', async () => {
  const { code, error } = await run('product:*');
  expect([code, error]).toEqual([
    0,
    "cachette: the tag 'product:*' is taken as it stands: '*' is no pattern in a tag\n",
  ]);
});

it('takes the URI from the environment', async () => {
  const env = { CACHETTE_URL: redis.uri };
  const { out } = await typedIn({ env }, 'invalidate', 'product:1', '--namespace', namespace);
  expect(out).toBe('Invalidated 1 tag (product:1): done, told 1 process.\n');
});

it('takes memcached, which has no bus', async () => {
  const memcached = await startMemcached({});
  expect(await typed('invalidate', memcached.uri, 'a')).toMatchObject({ code: 0, error: '' });
  await memcached.stop();
});

it('ends with 4 where the store takes nothing, and tells why', async () => {
  const full = await startRedis({ args: ['--maxmemory', '1', '--maxmemory-policy', 'noeviction'] });
  await full.cli('REPLICAOF', '127.0.0.1', '1');
  const { code, out } = await typed('invalidate', full.uri, 'a');
  expect([code, out]).toEqual([
    4,
    expect.stringMatching(/^Invalidated 1 tag \(a\): deferred, as redis:.*run it again\.\n$/),
  ]);
  const told = await typed('invalidate', full.uri, 'a', '--json');
  expect(JSON.parse(told.out)).toMatchObject({ status: 'deferred', reason: expect.any(String) });
  await full.stop();
}, 40_000);

it('ends with 3 where the store cannot be reached', async () => {
  const { code, error } = await typed('invalidate', 'redis://127.0.0.1:1', 'a');
  expect([code, error]).toEqual([3, expect.stringContaining('redis://127.0.0.1:1 cannot be reached')]);
});

it.each([
  [[], 'TAG is missing: write the tags to be invalidated, or --clear --yes for everything'],
  [['--clear'], '--clear invalidates everything in the namespace: write --clear --yes if that is meant'],
  [['--clear', '--yes', 'a'], "--clear takes no tags, and there is 'a'"],
  [['--clear', '--yes', '--expire'], '--clear and --expire do not go together'],
])('%j is a mistake', async (args, message) => {
  const { code, out, error } = await typed('invalidate', redis.uri, ...args);
  expect([code, out, error]).toEqual([2, '', expect.stringContaining(message)]);
});
