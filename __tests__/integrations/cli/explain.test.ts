/** What `cachette explain` says of entries on a real server. */

import { type Cache, createCache, type WrappedFunction } from 'cachette';
import { type RedisTestServer, startRedis, until } from '../../support/servers.js';
import { typed, typedIn, type Typed } from './typed.js';

let redis: RedisTestServer;
let cache: Cache;
const namespace = `explain-${process.pid}`;

beforeAll(async () => {
  redis = await startRedis({ password: 'secret' });
  cache = createCache(redis.uri, { namespace, deadline: '5s' });
});

afterAll(async () => {
  await cache.close();
  await redis.stop();
});

const find = (): WrappedFunction<(id: string) => Promise<string>> =>
  cache.wrap('Products.find', async (id: string) => `the value of ${id}`, {
    ttl: '1h',
    tags: (id) => [`product:${id}`, 'products'],
  });

/** The entry is written when the call has been answered. */
async function stored(key: string): Promise<string> {
  await until(`${key} is stored`, async () => (await redis.cli('EXISTS', key)) === '1');
  return key;
}

function explained(key: string, ...more: string[]): Promise<Typed> {
  return typed('explain', redis.uri, key, '--namespace', namespace, ...more);
}

async function verdictOn(key: string): Promise<Record<string, unknown>> {
  const { out, code } = await explained(key, '--json');
  return { ...(JSON.parse(out) as Record<string, unknown>), code };
}

it('tells of a hit, with everything but the value', async () => {
  await find()('1');
  const key = await stored(find().keyOf('1'));
  const { code, out, error } = await explained(key);
  expect([code, error]).toEqual([0, '']);
  expect(out).toContain('The next call would be a hit.');
  for (const row of [
    /written +\d+ ms ago/,
    /ttl +1 h\n/,
    /remaining +59 m 59 s/,
    /load +\d+ ms\n/,
    /size +\d+ B, codec /,
  ])
    expect(out).toMatch(row);
  for (const row of [
    /tag product:1 +stands\n/,
    /tag products +stands\n/,
    /all of Products.find +stands/,
    /everything +stands/,
  ])
    expect(out).toMatch(row);
  expect(out).not.toContain('the value of');
  expect(out).not.toContain('secret');
});

it('gives the same as JSON', async () => {
  await find()('2');
  const key = await stored(find().keyOf('2'));
  expect(await verdictOn(key)).toEqual({
    key,
    code: 0,
    verdict: 'hit',
    reason: 'fresh',
    entry: {
      writtenAt: expect.any(Number),
      ageMs: expect.any(Number),
      ttlMs: 3_600_000,
      remainingMs: expect.any(Number),
      sliding: false,
      maxLifetimeMs: null,
      staleMs: 0,
      loadMs: expect.any(Number),
      isError: false,
      codec: expect.any(String),
      bytes: expect.any(Number),
    },
    generations: [
      { kind: 'everything', name: '', state: 'stands' },
      { kind: 'method', name: 'Products.find', state: 'stands' },
      { kind: 'tag', name: 'product:2', state: 'stands' },
      { kind: 'tag', name: 'products', state: 'stands' },
    ],
  });
});

it('names the tag that was invalidated, and whether it has been used since', async () => {
  await find()('3');
  const key = await stored(find().keyOf('3'));
  await cache.invalidate('product:3');
  expect(await verdictOn(key)).toMatchObject({ code: 1, verdict: 'miss', reason: 'invalidated: product:3' });
  const { out } = await explained(key);
  expect(out).toMatch(/miss: invalidated: product:3\./);
  expect(out).toMatch(/tag product:3 +missing: invalidated since, or lost/);
  await cache.wrap('other', async () => 1, { tags: 'product:3' })();
  expect((await explained(key)).out).toMatch(/tag product:3 +invalidated since/);
});

it('names the method, or everything, where that was forgotten', async () => {
  const [a, b] = [cache.wrap('A', async () => 1, {}), cache.wrap('B', async () => 1, {})];
  await Promise.all([a(), b()]);
  const keys = await Promise.all([stored(a.keyOf()), stored(b.keyOf())]);
  await a.forgetAll();
  expect(await verdictOn(keys[0])).toMatchObject({ reason: 'invalidated: A' });
  expect(await verdictOn(keys[1])).toMatchObject({ verdict: 'hit' });
  await cache.clear();
  expect(await verdictOn(keys[1])).toMatchObject({ reason: 'invalidated: (everything)' });
});

it('tells old from wrong where the method may serve old values', async () => {
  const rates = cache.wrap('rates', async () => 1, { ttl: '1h', staleIfError: '2h', tags: 'rates' });
  await rates();
  const key = await stored(rates.keyOf());
  const rate = { kind: 'tag', name: 'rates', state: 'stands' };
  expect(await verdictOn(key)).toMatchObject({ verdict: 'hit', generations: expect.arrayContaining([rate]) });
  await cache.expire('rates');
  expect(await verdictOn(key)).toMatchObject({
    code: 1,
    verdict: 'stale',
    reason: 'expired: rates',
    generations: expect.arrayContaining([{ kind: 'tag', name: 'rates', state: 'expired' }]),
  });
  expect((await explained(key)).out).toContain('or be answered with the old value, where the method allows that');
  await cache.invalidate('rates');
  expect(await verdictOn(key)).toMatchObject({
    verdict: 'miss',
    generations: expect.arrayContaining([{ kind: 'tag', name: 'rates', state: 'missing' }]),
  });
});

it('tells that an error is kept, that an entry slides, and of a version', async () => {
  const fails = cache.wrap('fails', () => Promise.reject(new Error('no')), { errors: { ttl: '1m' } });
  await fails().catch(() => undefined);
  expect((await explained(await stored(fails.keyOf()))).out).toContain('a hit that throws the error which is kept');

  const versioned = cache.wrap('versioned', async () => 1, { version: () => 'v7', sliding: true, ttl: '1h' });
  await versioned();
  const { out } = await explained(await stored(versioned.keyOf()));
  expect(out).toContain('a hit, if its version is still the same');
  expect(out).toMatch(/ttl +1 h from the last access \(sliding\)/);
  expect(out).toMatch(/remaining +at least 59 m/);
  expect(out).toMatch(/version +v7/);
});

it('tells that there is none, or none of this format', async () => {
  const key = find().keyOf('never called');
  expect(await explained(key)).toMatchObject({
    code: 1,
    out: `${key}\nThe next call would be a miss: there is no entry with this key.\n`,
  });
  await redis.cli('SET', `${namespace}:1:odd:`, 'rubbish');
  expect(await verdictOn(`${namespace}:1:odd:`)).toMatchObject({ code: 1, reason: 'undecodable', entry: null });
});

it('writes out what would steer the terminal', async () => {
  const { code, error } = await explained(`${namespace}:1:\u001b[2Jodd:`);
  expect(code).toBe(2);
  expect(error).toContain('\\u001b[2Jodd');
  expect(error).not.toContain('\u001b');
});

it('finds the entry whose quotes the shell has taken', async () => {
  await find()('1');
  const key = await stored(`${namespace}:1:Products.find:'1'`);
  const { code, out } = await explained(`${namespace}:1:Products.find:1`);
  expect(code).toBe(0);
  expect(out.split('\n').slice(0, 3)).toEqual([
    `There is no entry ${namespace}:1:Products.find:1, but one with quotes, which the shell has taken: write "${key}"`,
    key,
    'The next call would be a hit.',
  ]);
  expect(await verdictOn(`${namespace}:1:Products.find:1`)).toMatchObject({
    key,
    typed: `${namespace}:1:Products.find:1`,
    verdict: 'hit',
  });
  const area = cache.wrap('Areas.of', async (a: string, b: number) => `${a} ${b}`, {});
  await area('x:y', 2);
  await stored(area.keyOf('x:y', 2));
  expect(await verdictOn(`${namespace}:1:Areas.of:x:y,2`)).toMatchObject({ key: area.keyOf('x:y', 2) });
});

it('takes the namespace from the key', async () => {
  await find()('7');
  const key = await stored(`${namespace}:1:Products.find:'7'`);
  expect((await typed('explain', redis.uri, key)).code).toBe(0);
});

it('says of an entry without a value that nothing was captured, not that all was invalidated', async () => {
  const late = cache.wrap('late', async () => ({ tag: 'row:1' }), { ttl: '1h', resultTags: ({ tag }) => tag });
  await late();
  const key = await stored(late.keyOf());
  const { verdict, reason, generations } = await verdictOn(key);
  expect([verdict, reason]).toEqual(['miss', 'tags not captured yet']);
  expect(new Set((generations as { state: string }[]).map(({ state }) => state))).toEqual(new Set(['not captured']));
  const { out } = await explained(key);
  expect(out).toMatch(/ {2}tag row:1 +not captured yet\n/);
  expect(out).not.toContain('since');
});

it('says that a tag is shortened', async () => {
  const tag = `product:${'x'.repeat(200)}`;
  const long = cache.wrap('long', async () => 1, { ttl: '1h', tags: tag });
  await long();
  expect((await explained(await stored(long.keyOf()))).out).toMatch(/tag product:x+~[\w-]{24} \(shortened\) +stands\n/);
});

it('has colours where the terminal has', async () => {
  const { out } = await typedIn({ hasColours: true }, 'explain', redis.uri, 'cachette:1:none:');
  expect(out).toContain('\u001b[31mThe next call would be a miss');
});

describe('a mistake', () => {
  it.each([
    ['cachette:9:Products.find:1', 'is of version 9 of what is stored, and this program reads version 1'],
    ["Products.find:'1'", `begins with no namespace and version; is it "cachette:1:Products.find:'1'"?`],
    ['cachette:1:Products.find', "has no ':' behind the method, where the arguments begin; write what cache.keyOf()"],
    ["cachette:1:Products.find:'a b'", 'holds characters that are in no key; write what cache.keyOf() gives'],
    ['cachette:1:#t:product:1', 'is a generation, and not an entry'],
  ])('of the key %s is told', async (key, message) => {
    const { code, out, error } = await typed('explain', redis.uri, key);
    expect([code, out]).toEqual([2, '']);
    expect(error).toContain(message);
  });

  it('of the namespace of a key is told', async () => {
    const { code, error } = await typed('explain', redis.uri, 'shop:1:Products.find:1', '--namespace', 'big');
    expect([code, error]).toEqual([
      2,
      expect.stringContaining("is of the namespace 'shop', and not of 'big'; write --namespace shop"),
    ]);
  });

  it('of the namespace is told', async () => {
    const { code, error } = await typed('explain', redis.uri, 'a b:1:x:', '--namespace', 'a b');
    expect([code, error]).toEqual([2, expect.stringContaining('cachette explain: namespace')]);
  });
});

it.each([
  ['refuses connections', 'redis://:hidden@127.0.0.1:1'],
  ['has another password', () => redis.uri.replace('secret', 'hidden')],
])('ends with 3 where the store %s', async (_, uri) => {
  const { code, out, error } = await typed('explain', typeof uri === 'string' ? uri : uri(), 'cachette:1:x:');
  expect([code, out]).toEqual([3, '']);
  expect(error).toMatch(/^cachette: redis:\/\/:\*\*\*@.* cannot be reached: /);
  expect(error).not.toContain('hidden');
});
