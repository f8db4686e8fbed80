import { createCache } from 'cachette';

import {
  type MemcachedTestServer,
  type RedisTestServer,
  startMemcached,
  startRedis,
  until,
} from '../support/servers.js';

jest.setTimeout(180_000);

/** A server, and what can be asked of it over connections of its own. */
interface Scale {
  readonly uri: string;
  /** Keys that a cache has besides its entries and their tags' generations: of all and of the method, and the run id. */
  readonly reserved: number;
  /** How often each command that touches keys was carried out. */
  commands(): Promise<Record<string, number>>;
  put(key: string, text: string): Promise<unknown>;
  /** Writes under all `keys` what stands under `key`, as the cache would have written it. */
  copy(key: string, keys: readonly string[]): Promise<unknown>;
  get(key: string): Promise<string | undefined>;
  /** How many keys there are. */
  size(): Promise<number>;
  stop(): Promise<void>;
}

const copyInRedis = `
  local text = redis.call('GET', KEYS[1])
  for _, key in ipairs(ARGV) do redis.call('SET', key, text, 'EX', 3600) end`;

async function redis(): Promise<Scale> {
  const server: RedisTestServer = await startRedis({});
  return {
    uri: server.uri,
    reserved: 3,
    commands: async () => {
      const stats = (await server.cli('INFO', 'commandstats')).matchAll(/^cmdstat_(\S+?):calls=(\d+)/gm);
      const pairs = [...stats].map(([, command = '', calls]) => [command, Number(calls)] as const);
      return Object.fromEntries(pairs.filter(([command]) => !/^(info|dbsize)/.test(command)));
    },
    put: (key, text) => server.cli('SET', key, text),
    copy: (key, keys) => server.cli('EVAL', copyInRedis, '1', key, ...keys),
    get: async (key) => (await server.cli('GET', key)) || undefined,
    size: async () => Number(await server.cli('DBSIZE')),
    stop: () => server.stop(),
  };
}

async function memcached(): Promise<Scale> {
  const server: MemcachedTestServer = await startMemcached({ memoryMb: 512 });
  return {
    uri: server.uri,
    reserved: 2,
    commands: async () => {
      const { cmd_set, cmd_touch, cmd_flush, delete_hits, delete_misses } = await server.stats();
      return Object.fromEntries(
        Object.entries({ cmd_set, cmd_touch, cmd_flush, delete_hits, delete_misses }).map(([name, n]) => [
          name,
          Number(n),
        ]),
      );
    },
    put: (key, text) => server.command(`set ${key} 0 0 ${text.length}\r\n${text}`),
    copy: async (key, keys) => {
      const text = (await textOf(server, key)) ?? '';
      const bytes = Buffer.byteLength(text);
      await server.command(keys.map((each) => `set ${each} 0 3600 ${bytes} noreply\r\n${text}`).join('\r\n'));
    },
    get: (key) => textOf(server, key),
    size: async () => Number((await server.stats())['curr_items']),
    stop: () => server.stop(),
  };
}

async function textOf(server: MemcachedTestServer, key: string): Promise<string | undefined> {
  return /^VALUE \S+ 0 \d+ \d+\r\n([^]*)\r\nEND$/.exec(await server.command(`gets ${key}`))?.[1];
}

const entries = 100_000;
/** So many of them are written by the cache, which takes its time; the others are copies of these. */
const computed = 10_000;
const atOnce = 500;
const rounds = 5;

const foreign = [
  'other',
  'scale',
  'scale:',
  'scale:1',
  'scale:2:#',
  'scale2:1:#t:all',
  'scale:1:#t:all:',
  'other:1:#t:all',
];

it('runs the method once for 1,000 callers of a cold key in memory', async () => {
  const cache = createCache('memory://');
  let runs = 0;
  const read = cache.wrap('read', async (id: string) => `${id} ${++runs}`, { tags: 'all' });
  const values = await Promise.all(Array.from({ length: 1_000 }, () => read('x')));
  expect(new Set(values)).toEqual(new Set(['x 1']));
  await cache.close();
});

describe.each([
  ['redis', redis],
  ['memcached', memcached],
])('%s', (_, start) => {
  let scale: Scale;
  beforeAll(async () => void (scale = await start()));
  afterAll(() => scale.stop());

  it('runs the method once for 1,000 callers of a cold key', async () => {
    const cache = createCache(scale.uri, { namespace: 'cold', deadline: '10s' });
    let runs = 0;
    const read = cache.wrap('read', async (id: string) => `${id} ${++runs}`, { tags: 'all' });
    const values = await Promise.all(Array.from({ length: 1_000 }, () => read('x')));
    expect(new Set(values)).toEqual(new Set(['x 1']));
    expect(runs).toBe(1);
    await cache.close();
  });

  it('invalidates 100,000 entries by the commands and in the time that it takes for one, and touches no other key', async () => {
    await Promise.all(foreign.map((key) => scale.put(key, `foreign ${key}`)));
    const empty = await scale.size();
    const cache = createCache(scale.uri, { namespace: 'scale', deadline: '10s' });
    let runs = 0;
    const read = cache.wrap('read', async (_id: number) => ++runs && 'the same for all', {
      ttl: '1h',
      tags: (id) => tagsOf(id < 0 ? 'few' : 'all'),
      storeWhen: () => runs <= computed + 1,
    });
    await read(-1);
    await inChunks(ids.slice(0, computed), read);
    // An entry each, and the generations of the tags.
    const generations = 2 * rounds + scale.reserved;
    await until('All is written', async () => (await scale.size()) === empty + computed + 1 + generations, 60_000);
    for (let i = computed; i < entries; i += computed) {
      await scale.copy(
        read.keyOf(0),
        ids.slice(i, i + computed).map((id) => read.keyOf(id)),
      );
    }
    expect(await scale.size()).toBe(empty + entries + 1 + generations);
    await inChunks(sample, read);
    expect(runs).toBe(computed + 1);

    const took: Record<string, number[]> = { few: [], all: [] };
    for (const [few, all] of tagsOf('few').map((tag, i) => [tag, tagsOf('all')[i] ?? ''] as const)) {
      const one = await commandsOf(scale, async () => took['few']?.push(await timeOf(() => cache.invalidate(few))));
      const many = await commandsOf(scale, async () => took['all']?.push(await timeOf(() => cache.invalidate(all))));
      expect(many).toEqual(one);
      expect(Math.max(...Object.values(many))).toBe(1);
    }
    // To go through 100,000 entries would take a hundred milliseconds at least.
    expect(median(took['all'])).toBeLessThan(5 * median(took['few']) + 10);
    expect(await scale.size()).toBe(empty + entries + 1 + scale.reserved);
    expect(await Promise.all(foreign.map((key) => scale.get(key)))).toEqual(foreign.map((key) => `foreign ${key}`));

    await inChunks(sample, read);
    expect(runs).toBe(computed + 1 + sample.length);
    await cache.close();
  });
});

const ids = Array.from({ length: entries }, (_, id) => id);
const sample = ids.filter((id) => id % 5 === 0);

/** Each is one to measure with: an entry has all of them. */
function tagsOf(kind: string): string[] {
  return Array.from({ length: rounds }, (_, round) => `${kind}:${round}`);
}

async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

function median(times: readonly number[] = []): number {
  return [...times].sort((a, b) => a - b)[(rounds - 1) / 2] ?? NaN;
}

async function inChunks(all: readonly number[], call: (id: number) => Promise<unknown>): Promise<void> {
  for (let i = 0; i < all.length; i += atOnce) await Promise.all(all.slice(i, i + atOnce).map((id) => call(id)));
}

/** The commands that were carried out meanwhile, each with its count. */
async function commandsOf(scale: Scale, work: () => Promise<unknown>): Promise<Record<string, number>> {
  const before = await scale.commands();
  await work();
  const after = Object.entries(await scale.commands());
  const grown = after.map(([command, count]) => [command, count - (before[command] ?? 0)] as const);
  return Object.fromEntries(grown.filter(([, count]) => count > 0));
}
