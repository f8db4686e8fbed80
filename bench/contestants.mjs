/**
 * Who is measured, each set up as its own documentation says. A contestant is made of a function `load(id)` and gives
 * `find(id)`, which is that function cached; libraries are loaded when one is made, so that a process holds only one.
 *
 * `tags` says whether an entry carries a tag of its own, `product:${id}`, by which it can be invalidated; `copies` whether
 * callers share the object in memory or each has one of its own.
 *
 * @typedef {object} Setup
 * @property {(id: string) => Promise<unknown>} load
 * @property {string} built the folder of the built package
 * @property {number} [maxEntries] how many it has room for
 * @property {string} [redis] a URI
 * @property {string} [memcached] a URI
 *
 * @typedef {object} Made
 * @property {(id: string) => Promise<unknown>} find
 * @property {(tag: string) => Promise<unknown>} [invalidate]
 * @property {() => unknown} [close]
 *
 * @typedef {object} Contestant
 * @property {string} title
 * @property {boolean} tags
 * @property {'shared' | 'own'} copies
 * @property {boolean} [isOurs]
 * @property {(setup: Setup) => Made | Promise<Made>} make
 */

import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ttlMs } from './workload.mjs';

const deadlineMs = 500;
/** More than any scenario has, unless it says otherwise: nobody drops an entry. */
const roomy = 100_000;

/**
 * A hit in memory with `statistics` and without, and without once more: what these two differ by is noise.
 *
 * @type {Readonly<Record<string, Contestant>>}
 */
export const counting = Object.fromEntries(
  [
    ['counting-off', 'not counted', false],
    ['counting-on', 'counted', true],
    ['counting-off-again', 'not counted, once more', false],
  ].map(([name, title, statistics]) => {
    const make = (setup) => ours({ ...setup, statistics }, [inMemory(setup)], { copies: 'shared' });
    return [name, { title, tags: true, copies: 'shared', isOurs: true, make }];
  }),
);

/** @type {Readonly<Record<string, Contestant>>} */
export const memory = {
  map: {
    title: 'Map, by hand',
    tags: false,
    copies: 'shared',
    make: ({ load }) => {
      const entries = new Map();
      const begin = onceAtATime(load, (id, value) => entries.set(id, { value, expiresAt: Date.now() + ttlMs }));
      const find = async (id) => {
        const entry = entries.get(id);
        if (entry !== undefined && Date.now() < entry.expiresAt) return entry.value;
        return begin(id);
      };
      return { find };
    },
  },
  'ours-shared': {
    title: 'Cachette, shared copies',
    tags: true,
    copies: 'shared',
    isOurs: true,
    make: (setup) => ours(setup, [inMemory(setup)], { copies: 'shared' }),
  },
  'ours-isolated': {
    title: 'Cachette',
    tags: true,
    copies: 'own',
    isOurs: true,
    make: (setup) => ours(setup, [inMemory(setup)]),
  },
  'lru-cache': {
    title: 'lru-cache, fetch',
    tags: false,
    copies: 'shared',
    make: async ({ load, maxEntries = roomy }) => {
      const { LRUCache } = await import('lru-cache');
      const cache = new LRUCache({ max: maxEntries, ttl: ttlMs, fetchMethod: load });
      return { find: (id) => cache.fetch(id) };
    },
  },
  'layered-loader': {
    title: 'layered-loader',
    tags: false,
    copies: 'shared',
    make: async ({ load, maxEntries = roomy }) => {
      const { Loader } = (await import('layered-loader')).default;
      const inMemoryCache = { cacheType: 'lru-map', ttlInMsecs: ttlMs, maxItems: maxEntries };
      const loader = new Loader({ inMemoryCache, dataSourceGetOneFn: load });
      return { find: (id) => loader.get(id) };
    },
  },
  'p-memoize': {
    title: 'p-memoize, expiry-map',
    tags: false,
    copies: 'shared',
    make: async ({ load }) => {
      const { default: pMemoize } = await import('p-memoize');
      const { default: ExpiryMap } = await import('expiry-map');
      return { find: pMemoize(load, { cache: new ExpiryMap(ttlMs) }) };
    },
  },
  memoizee: {
    title: 'memoizee',
    tags: false,
    copies: 'shared',
    make: async ({ load, maxEntries = roomy }) => {
      const { default: memoize } = await import('memoizee');
      return { find: memoize(load, { promise: true, primitive: true, maxAge: ttlMs, max: maxEntries }) };
    },
  },
  'async-cache-dedupe': {
    title: 'async-cache-dedupe',
    tags: true,
    copies: 'shared',
    make: async ({ load, maxEntries = roomy }) => {
      const { createCache } = await import('async-cache-dedupe');
      const storage = { type: 'memory', options: { size: maxEntries, invalidation: true } };
      const cache = createCache({ ttl: ttlMs / 1_000, storage });
      cache.define('find', { references: (id) => [`product:${id}`] }, load);
      return { find: (id) => cache.find(id), invalidate: (tag) => cache.invalidateAll(tag) };
    },
  },
  'type-cacheable': {
    title: 'type-cacheable, lru-cache',
    tags: false,
    copies: 'shared',
    make: async ({ load, maxEntries = roomy }) => {
      const { Cacheable } = await import('@type-cacheable/core');
      const { useAdapter } = await import('@type-cacheable/lru-cache-adapter');
      const { LRUCache } = await import('lru-cache');
      const client = useAdapter(new LRUCache({ max: maxEntries }));
      const decorator = Cacheable({ cacheKey: ([id]) => id, ttlSeconds: ttlMs / 1_000, client });
      return { find: decorated(decorator, load) };
    },
  },
  'cache-manager': {
    title: 'cache-manager',
    tags: false,
    copies: 'own',
    make: async ({ load, maxEntries = roomy }) => {
      const { createCache } = await import('cache-manager');
      const { Keyv } = await import('keyv');
      const { CacheableMemory } = await import('cacheable');
      const store = new CacheableMemory({ ttl: ttlMs, lruSize: maxEntries });
      const cache = createCache({ stores: [new Keyv({ store })] });
      return { find: (id) => cache.wrap(`product:${id}`, () => load(id), ttlMs) };
    },
  },
  cacheable: {
    title: 'cacheable',
    tags: true,
    copies: 'own',
    make: async ({ load }) => {
      const { Cacheable } = await import('cacheable');
      return withCacheable(new Cacheable({ tags: true }), load);
    },
  },
  'bentocache-shared': {
    title: 'bentocache, serialize: false',
    tags: true,
    copies: 'shared',
    make: async ({ load, maxEntries = roomy }) =>
      withBentocache(load, await bentocacheMemory({ maxItems: maxEntries, serialize: false })),
  },
  bentocache: {
    title: 'bentocache',
    tags: true,
    copies: 'own',
    make: async ({ load, maxEntries = roomy }) =>
      withBentocache(load, await bentocacheMemory({ maxItems: maxEntries })),
  },
};

/** @type {Readonly<Record<string, Contestant>>} */
export const redis = {
  'redis-get': {
    title: 'node-redis GET + JSON.parse, by hand',
    tags: false,
    copies: 'own',
    make: async ({ load, redis: url }) => {
      const { createClient } = await import('redis');
      const client = await createClient({ url }).connect();
      const find = async (id) => {
        const text = await client.get(`product:${id}`);
        if (text !== null) return JSON.parse(text);
        const value = await load(id);
        await client.set(`product:${id}`, JSON.stringify(value), { expiration: { type: 'PX', value: ttlMs } });
        return value;
      };
      return { find, close: () => client.close() };
    },
  },
  'ours-redis': {
    title: 'Cachette',
    tags: true,
    copies: 'own',
    isOurs: true,
    make: (setup) => ours(setup, [setup.redis]),
  },
  'ours-tiers': {
    title: 'Cachette, memory in front',
    tags: true,
    copies: 'own',
    isOurs: true,
    make: (setup) => ours(setup, [inMemory(setup), setup.redis]),
  },
  'layered-loader-redis': {
    title: 'layered-loader, ioredis',
    tags: false,
    copies: 'own',
    make: async ({ load, redis: url }) => {
      const { Loader, RedisCache } = (await import('layered-loader')).default;
      const { Redis } = await import('ioredis');
      const client = new Redis(url);
      const asyncCache = new RedisCache(client, { json: true, ttlInMsecs: ttlMs, prefix: 'product' });
      const loader = new Loader({ asyncCache, dataSourceGetOneFn: load });
      return { find: (id) => loader.get(id), close: () => client.quit() };
    },
  },
  'type-cacheable-redis': {
    title: 'type-cacheable, ioredis',
    tags: false,
    copies: 'own',
    make: async ({ load, redis: url }) => {
      const { Cacheable } = await import('@type-cacheable/core');
      const { useAdapter } = await import('@type-cacheable/ioredis-adapter');
      const { Redis } = await import('ioredis');
      const client = new Redis(url);
      const cacheKey = ([id]) => `product:${id}`;
      const decorator = Cacheable({ cacheKey, ttlSeconds: ttlMs / 1_000, client: useAdapter(client) });
      return { find: decorated(decorator, load), close: () => client.quit() };
    },
  },
  'cache-manager-redis': {
    title: 'cache-manager, @keyv/redis',
    tags: false,
    copies: 'own',
    make: async ({ load, redis: url }) => {
      const { createCache } = await import('cache-manager');
      const { createKeyv } = await import('@keyv/redis');
      const cache = createCache({ stores: [createKeyv(url)] });
      return { find: (id) => cache.wrap(`product:${id}`, () => load(id), ttlMs), close: () => cache.disconnect() };
    },
  },
  'cacheable-redis': {
    title: 'cacheable, @keyv/redis',
    tags: true,
    copies: 'own',
    make: async ({ load, redis: url }) => {
      const { Cacheable } = await import('cacheable');
      const { createKeyv } = await import('@keyv/redis');
      return withCacheable(new Cacheable({ primary: createKeyv(url), tags: true }), load);
    },
  },
  'async-cache-dedupe-redis': {
    title: 'async-cache-dedupe, ioredis',
    tags: true,
    copies: 'own',
    make: async ({ load, redis: url }) => {
      const { createCache } = await import('async-cache-dedupe');
      const { Redis } = await import('ioredis');
      const client = new Redis(url);
      const options = { client, invalidation: { referencesTTL: ttlMs / 1_000 } };
      const cache = createCache({ ttl: ttlMs / 1_000, storage: { type: 'redis', options } });
      cache.define('find', { references: (id) => [`product:${id}`] }, load);
      return {
        find: (id) => cache.find(id),
        invalidate: (tag) => cache.invalidateAll(tag),
        close: () => client.quit(),
      };
    },
  },
  'bentocache-redis': {
    title: 'bentocache, ioredis',
    tags: true,
    copies: 'own',
    make: async ({ load, redis: url }) => {
      const { bentostore } = await import('bentocache');
      const { redisDriver } = await import('bentocache/drivers/redis');
      const { hostname: host, port } = new URL(url);
      const driver = redisDriver({ connection: { host, port: Number(port) } });
      return withBentocache(load, bentostore().useL2Layer(driver));
    },
  },
};

/** @type {Readonly<Record<string, Contestant>>} */
export const memcached = {
  'memjs-get': {
    title: 'memjs get + JSON.parse, by hand',
    tags: false,
    copies: 'own',
    make: async ({ load, memcached: url }) => {
      const { Client } = (await import('memjs')).default;
      const client = Client.create(url.replace('memcached://', ''));
      const find = async (id) => {
        const { value: text } = await client.get(`product:${id}`);
        if (text !== null) return JSON.parse(text.toString());
        const value = await load(id);
        await client.set(`product:${id}`, JSON.stringify(value), { expires: ttlMs / 1_000 });
        return value;
      };
      return { find, close: () => client.close() };
    },
  },
  'ours-memcached': {
    title: 'Cachette',
    tags: true,
    copies: 'own',
    isOurs: true,
    make: (setup) => ours(setup, [setup.memcached]),
  },
};

/** Whoever comes while `load` runs for an id shares it. */
function onceAtATime(load, keep) {
  const loading = new Map();
  const begin = (id) => {
    const promise = load(id)
      .then((value) => {
        keep(id, value);
        return value;
      })
      .finally(() => loading.delete(id));
    loading.set(id, promise);
    return promise;
  };
  return (id) => loading.get(id) ?? begin(id);
}

/** How many tags an entry carries where invalidations are measured. */
export const manyTags = 10;

/**
 * Hits that can be invalidated, by hand.
 *
 * - `map-tagged`, `redis-mget`, `memjs-gets`: the least. The entry and its tag are read, and compared.
 * - `redis-generations`, `memjs-generations`: with the duties that a cache has besides on a server, see `boundedOn`.
 *
 * On a server, what is asked for in one tick is read together, as the library does it.
 *
 * @type {Readonly<Record<string, Contestant>>}
 */
export const taggedByHand = {
  'map-tagged': {
    title: 'Map of entries, and one of tags, by hand',
    tags: true,
    copies: 'shared',
    make: ({ load }) => {
      const entries = new Map();
      const tags = new Map();
      const tagOf = (name) => tags.get(name) ?? tags.set(name, { isCurrent: true }).get(name);
      const begin = onceAtATime(load, (id, value) => {
        entries.set(id, { value, expiresAt: Date.now() + ttlMs, tag: tagOf(`product:${id}`) });
      });
      const find = async (id) => {
        const entry = entries.get(id);
        if (entry !== undefined && Date.now() < entry.expiresAt && entry.tag.isCurrent) return entry.value;
        return begin(id);
      };
      const invalidate = async (name) => {
        const tag = tags.get(name);
        if (tag !== undefined) tag.isCurrent = false;
        tags.delete(name);
      };
      return { find, invalidate };
    },
  },
  'redis-mget': {
    title: 'node-redis MGET of entry and tag, by hand',
    tags: true,
    copies: 'own',
    make: async ({ load, redis: url }) => taggedOn(await redisByHand(url), load),
  },
  'redis-generations': {
    title: 'node-redis MGET of entry and 3 generations in time, by hand',
    tags: true,
    copies: 'own',
    make: async ({ load, redis: url }) => boundedOn(await redisByHand(url), load),
  },
  'memjs-gets': {
    title: 'memjs get of entry and tag, by hand',
    tags: true,
    copies: 'own',
    make: async ({ load, memcached: url }) => taggedOn(await memcachedByHand(url), load),
  },
  'memjs-generations': {
    title: 'memjs get of entry and 3 generations in time, by hand',
    tags: true,
    copies: 'own',
    make: async ({ load, memcached: url }) => boundedOn(await memcachedByHand(url), load),
  },
};

async function redisByHand(url) {
  const { createClient } = await import('redis');
  const client = await createClient({ url }).connect();
  const readMany = (keys) => client.mGet(keys);
  const write = (key, text) => client.set(key, text, { expiration: { type: 'PX', value: ttlMs } });
  return { readMany, write, close: () => client.close() };
}

async function memcachedByHand(url) {
  const { Client } = (await import('memjs')).default;
  const client = Client.create(url.replace('memcached://', ''));
  const readOne = async (key) => (await client.get(key)).value?.toString() ?? null;
  const readMany = (keys) => Promise.all(keys.map(readOne));
  const write = (key, text) => client.set(key, text, { expires: ttlMs / 1_000 });
  return { readMany, write, close: () => client.close() };
}

function taggedOn({ readMany, write, close }, load) {
  const read = togetherInATick(readMany);
  const find = async (id) => {
    const [key, tag] = [`product:${id}`, `tag:${id}`];
    const texts = await read([key, tag]);
    const [text, token] = [texts.get(key), texts.get(tag)];
    if (text !== null && token !== null) {
      const [storedUnder, value] = JSON.parse(text);
      if (storedUnder === token) return value;
    }
    const made = randomUUID();
    await write(tag, made);
    const value = await load(id);
    await write(key, JSON.stringify([made, value]));
    return value;
  };
  return { find, close };
}

/**
 * What a hit cannot do without where an entry may also be invalidated with its method and with all others, where a server that does
 * not answer costs a bounded time, and where the names of an entry's generations are found in the entry, as a result may have
 * told them.
 */
function boundedOn({ readMany, write, close }, load) {
  const read = togetherInATick((keys) => inTime(readMany(keys)));
  const find = async (id) => {
    const key = `product:${id}`;
    const names = ['all', 'method:find', `tag:${id}`];
    const texts = await read([key, ...names]);
    const value = stored(texts.get(key), texts);
    return value === undefined ? miss(id, key, names, texts) : value;
  };
  const miss = async (id, key, names, texts) => {
    const generations = [];
    for (const name of names) {
      const token = texts.get(name) ?? randomUUID();
      if (texts.get(name) === null) await write(name, token);
      generations.push(name, token);
    }
    const value = await load(id);
    const header = JSON.stringify([Date.now() + ttlMs, ...generations]);
    await write(key, `${header}\n${JSON.stringify(value)}`);
    return value;
  };
  return { find, close };
}

/** Undefined where the entry is over, or one of its generations is not the one that stands. */
function stored(text, tokens) {
  if (text === null) return undefined;
  const end = text.indexOf('\n');
  const [endsAt, ...generations] = JSON.parse(text.slice(0, end));
  if (endsAt <= Date.now()) return undefined;
  for (let at = 0; at < generations.length; at += 2)
    if (tokens.get(generations[at]) !== generations[at + 1]) return undefined;
  return JSON.parse(text.slice(end + 1));
}

function inTime(work) {
  let timer;
  const isLate = new Promise((_resolve, reject) => {
    timer = setTimeout(reject, deadlineMs, new Error('too late'));
  });
  return Promise.race([work, isLate]).finally(() => clearTimeout(timer));
}

/** Gathers for three promise jobs. */
function togetherInATick(readMany) {
  let gathering;
  const send = async (texts) => {
    for (let job = 0; job < 3; job++) await undefined;
    gathering = undefined;
    const keys = [...texts.keys()];
    const found = await readMany(keys);
    keys.forEach((key, index) => texts.set(key, found[index]));
    return texts;
  };
  return (keys) => {
    if (!gathering) {
      const texts = new Map();
      gathering = { texts, read: send(texts) };
    }
    for (const key of keys) gathering.texts.set(key, null);
    return gathering.read;
  };
}

/** Set up for one scenario. @type {Readonly<Record<string, Contestant>>} */
const special = {
  'ours-known-tag': {
    title: 'Cachette, a tag that stands',
    tags: true,
    copies: 'own',
    isOurs: true,
    make: (setup) => ours(setup, [setup.redis], { tags: 'catalogue' }),
  },
  'ours-invalidation': {
    title: 'Cachette',
    tags: true,
    copies: 'own',
    isOurs: true,
    make: (setup) => {
      const tags = (id) => Array.from({ length: manyTags }, (_, tag) => `${id === 'single' ? 'one' : 'many'}:${tag}`);
      return ours(setup, [setup.redis], { tags });
    },
  },
};

/** @type {Readonly<Record<string, Contestant>>} */
export const contestants = { ...memory, ...counting, ...redis, ...memcached, ...taggedByHand, ...special };

const inMemory = ({ maxEntries = roomy }) => `memory://?maxEntries=${maxEntries}`;

/**
 * A decorated method, as users have it.
 *
 * @param {Setup} setup
 * @param {readonly string[]} stores
 * @param {object} [options] of the method
 */
async function ours({ load, built, statistics = true }, stores, options) {
  const { createCache } = await import(pathToFileURL(join(built, 'dist', 'esm', 'index.js')).href);
  const cache = createCache(stores, { namespace: 'bench', statistics });
  const find = decorated(cache.Cached({ ttl: ttlMs, tags: (id) => `product:${id}`, ...options }), load);
  return { find, invalidate: (tag) => cache.invalidate(tag), close: () => cache.close() };
}

/** What a compiler makes of `class Products { @decorator async find(id) { … } }` in the legacy dialect, and one instance of it. */
function decorated(decorator, load) {
  class Products {
    find(id) {
      return load(id);
    }
  }
  const own = Object.getOwnPropertyDescriptor(Products.prototype, 'find');
  const descriptor = decorator(Products.prototype, 'find', own) ?? own;
  Object.defineProperty(Products.prototype, 'find', descriptor);
  const products = new Products();
  return (id) => products.find(id);
}

/** Its `getOrSet` and `wrap` take no tags; its page on tags shows `set`. */
function withCacheable(cache, load) {
  const find = async (id) => {
    const cached = await cache.get(`product:${id}`);
    if (cached !== undefined) return cached;
    const value = await load(id);
    await cache.set(`product:${id}`, value, { ttl: ttlMs, tags: [`product:${id}`] });
    return value;
  };
  return {
    find,
    invalidate: (tag) => cache.tags.invalidateTag(tag),
    close: () => cache.disconnect(),
  };
}

async function bentocacheMemory(options) {
  const { bentostore } = await import('bentocache');
  const { memoryDriver } = await import('bentocache/drivers/memory');
  return bentostore().useL1Layer(memoryDriver(options));
}

async function withBentocache(load, store) {
  const { BentoCache } = await import('bentocache');
  const cache = new BentoCache({ default: 'main', stores: { main: store } });
  return {
    find: (id) =>
      cache.getOrSet({ key: `product:${id}`, factory: () => load(id), ttl: ttlMs, tags: [`product:${id}`] }),
    invalidate: (tag) => cache.deleteByTag({ tags: [tag] }),
    close: () => cache.disconnect(),
  };
}
