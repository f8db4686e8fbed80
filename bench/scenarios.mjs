/**
 * What is measured. `measure` runs in a process of its own, for one contestant, and gives one number or several; the first
 * is the one that is compared. Its `reference` is measured in every round beside the others.
 *
 * @typedef {object} Job
 * @property {string} contestant
 * @property {number} forMs how long to measure, where that is a matter of time
 * @property {boolean} isQuick much less data will do
 * @property {string} redis
 * @property {string} memcached
 * @property {string} built the folder of the built package
 *
 * @typedef {object} Scenario
 * @property {string} title
 * @property {string} about
 * @property {readonly string[]} contestants
 * @property {Readonly<Record<string, string>>} [titles] where the contestants have none, or not these
 * @property {string} reference
 * @property {'less' | 'more'} better
 * @property {readonly Column[]} columns what `measure` gives, in its order
 * @property {boolean} [usesServers]
 * @property {boolean} [hasChart] default: true
 * @property {number} [rounds] where fewer than the others are enough
 * @property {(job: Job) => Promise<readonly number[]>} measure
 *
 * @typedef {object} Column
 * @property {string} title
 * @property {string} unit
 * @property {number} [digits] behind the point. Default: 0
 */

import { fileURLToPath } from 'node:url';
import { esm, importMs } from '../scripts/import-time.mjs';
import { contestants, counting, manyTags, memcached, memory, redis } from './contestants.mjs';
import { throughNetwork } from './network.mjs';
import { packageNames } from './packages.mjs';
import { roundTrips } from './round-trips.mjs';
import {
  allIds,
  callsPerSecond,
  idSequence,
  latencyMicroseconds,
  median,
  memoryKeys,
  nanosecondsPerCall,
  product,
  serverKeys,
  sleep,
} from './workload.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const callers = 100;

/** Where hits are measured. */
const inMemory = ['map', 'map-tagged', ...Object.keys(memory).slice(1)];
const onRedis = ['redis-get', 'redis-mget', 'redis-generations', ...Object.keys(redis).slice(1)];
const onMemcached = ['memjs-get', 'memjs-gets', 'memjs-generations', ...Object.keys(memcached).slice(1)];

/** @type {Scenario} */
const miss = {
  title: 'A miss on Redis',
  usesServers: true,
  about:
    'What a miss costs beyond the load: its time, with a method that answers at once, in units of a `GET` of the same process, timed while nothing else goes on. One caller, miss after miss, so that what one leaves to be written in the background is paid for by the next; over a network that takes a millisecond each way. The other columns are without a network, so that there the work of the processor counts as well.',
  contestants: ['redis-get', 'ours-known-tag', 'ours-redis', ...Object.keys(redis).slice(3)],
  reference: 'redis-get',
  better: 'less',
  columns: [
    { title: 'round trips', unit: '', digits: 2 },
    { title: 'on loopback, in GETs', unit: '', digits: 2 },
    { title: 'on loopback', unit: 'µs' },
  ],
  measure: async (job) => {
    const network = await throughNetwork(job.redis);
    try {
      const { trips } = await missed({ ...job, redis: network.uri });
      const onLoopback = await missed(job);
      return [trips, onLoopback.trips, onLoopback.ms * 1_000];
    } finally {
      network.end();
    }
  },
};

/** The median time of a miss, and how many times that of a `GET` it is. */
async function missed(job) {
  const client = await redisClient(job);
  const { find } = await made(job);
  let next = 0;
  const findAnother = () => find(`${next++}`);
  await Promise.all(Array.from({ length: callers }, findAnother));
  const times = { get: [], miss: [] };
  const until = performance.now() + 1.5 * job.forMs;
  do {
    times.get.push(...(await blockOfTimes(() => client.get('absent'))));
    times.miss.push(...(await blockOfTimes(findAnother)));
  } while (performance.now() < until);
  const [ms, getMs] = [median(times.miss), median(times.get)];
  return { ms, trips: ms / getMs };
}

/**
 * Of some runs one after the other, in milliseconds, without the first, which what went before may disturb: a miss may still be
 * writing its entry when it has answered.
 */
async function blockOfTimes(run) {
  for (let time = 0; time < 5; time++) await run();
  const times = [];
  for (let time = 0; time < 20; time++) times.push(await elapsedMs(run));
  return times;
}

const warmUps = 4;

/** @type {Scenario} */
const invalidation = {
  title: 'An invalidation on Redis',
  usesServers: true,
  about:
    'On Redis alone, without memory in front. A tag that is on one entry, and a tag that is on all others, a million. Ten tags of each kind in turns, all on the same entries; some are asked for afterwards, and have to be loaded again.',
  contestants: ['ours-invalidation'],
  reference: 'ours-invalidation',
  better: 'less',
  hasChart: false,
  rounds: 1,
  columns: [
    { title: 'tag on 1 entry', unit: 'µs' },
    { title: 'tag on all entries', unit: 'µs' },
    { title: 'commands, all entries', unit: '' },
    { title: 'commands, 1 entry', unit: '' },
    { title: 'round trips', unit: '' },
  ],
  measure: async (job) => {
    const entries = job.isQuick ? 2_000 : 1_000_000;
    const client = await redisClient(job);
    let loads = 0;
    const load = async (id) => {
      loads++;
      return { id };
    };
    const { find, invalidate } = await contestants['ours-invalidation'].make({ ...job, load });
    await inTurns(allIds(entries), 200, find);
    await find('single');
    // what is still being written
    await sleep(500);
    const times = { one: [], many: [] };
    const commands = { one: [], many: [] };
    for (let tag = 0; tag < manyTags; tag++) {
      for (const kind of ['one', 'many']) {
        const before = await commandCount(client);
        times[kind].push(await elapsedMs(() => invalidate(`${kind}:${tag}`)));
        commands[kind].push((await commandCount(client)) - before);
      }
    }
    const loadsBefore = loads;
    await Promise.all(['single', '0', `${entries - 1}`].map(find));
    if (loads !== loadsBefore + 3) throw new Error('an entry has outlived its tag');
    const trips = await roundTrips(job.redis, async (url) => {
      const other = await contestants['ours-invalidation'].make({ ...job, load, redis: url });
      await other.find('single');
      await sleep(500);
      return () => other.invalidate('one:0');
    });
    // The first ones are the compiler's.
    const [one, many] = [times.one, times.many].map((all) => median(all.slice(warmUps)) * 1_000);
    return [one, many, median(commands.many), median(commands.one), trips];
  },
};

/** @type {Scenario} */
const stampede = {
  title: 'A stampede',
  usesServers: true,
  about: '10,000 callers of one key at once, none of whom finds it; the method takes 50 ms.',
  contestants: [...Object.keys(memory), ...Object.keys(redis), ...Object.keys(memcached)],
  titles: { ...titlesWith('memory', memory), ...titlesWith('Redis', redis), ...titlesWith('memcached', memcached) },
  reference: 'map',
  better: 'less',
  rounds: 3,
  columns: [
    { title: 'loads', unit: '' },
    { title: 'until all are answered', unit: 'ms' },
  ],
  measure: async (job) => {
    let loads = 0;
    const load = async (id) => {
      loads++;
      await sleep(50);
      return product(id);
    };
    const { find } = await contestants[job.contestant].make({ ...job, load });
    await find('connected');
    loads = 0;
    const ms = await elapsedMs(() => Promise.all(Array.from({ length: 10_000 }, () => find('1'))));
    return [loads, ms];
  },
};

/** Where contestants on several stores stand in one table. */
function titlesWith(store, group) {
  return Object.fromEntries(Object.entries(group).map(([name, { title }]) => [name, `${title} (${store})`]));
}

/** Values of several shapes; `make` gives one that shares nothing with the others. */
const shapes = {
  'a product': product,
  'a text of 1 kB': (id) => id.padStart(1_000, 'x'),
  '100 numbers': (id) => Array.from({ length: 100 }, (_, index) => Number(id) + index / 7),
  '20 products': (id) => Array.from({ length: 20 }, (_, index) => product(`${id}-${index}`)),
};

/** @type {Scenario} */
const bytes = {
  title: 'Memory of an entry',
  about:
    'Heap and buffers after the garbage was collected. "Another" is what each of the second 10,000 entries adds, its value included. A cache keeps other things too, whatever it holds, so the first 10,000 have a column of their own.',
  contestants: ['lru-cache', 'map', 'map-tagged', 'ours-shared', 'ours-isolated'],
  reference: 'lru-cache',
  better: 'less',
  rounds: 1,
  columns: [
    ...Object.keys(shapes).map((shape) => ({ title: `another, ${shape}`, unit: 'bytes' })),
    { title: 'each of the first, a product', unit: 'bytes' },
  ],
  measure: async (job) => {
    const half = job.isQuick ? 1_000 : 10_000;
    const ids = allIds(2 * half);
    const kept = [];
    const sizes = [];
    // The first is made for what a library and the compiler keep once.
    for (const shape of [product, ...Object.values(shapes)]) {
      const load = async (id) => shape(id);
      const used = [await usedBytes()];
      const cache = await contestants[job.contestant].make({ ...job, load, maxEntries: ids.length });
      for (const part of [ids.slice(0, half), ids.slice(half)]) {
        for (const id of part) await cache.find(id);
        used.push(await usedBytes());
      }
      kept.push(cache);
      sizes.push(used);
    }
    const [, ...rest] = sizes.map(([empty, first, both]) => [(first - empty) / half, (both - first) / half]);
    return [...rest.map(([, another]) => another), rest[0][0]];
  },
};

/** @type {Scenario} */
const importing = {
  title: 'An import',
  about: 'Processor time of importing the package, and nothing else, into a new process.',
  contestants: packageNames,
  titles: Object.fromEntries(packageNames.map((name) => [name, name])),
  reference: 'cachette',
  better: 'less',
  columns: [{ title: 'processor time', unit: 'ms', digits: 1 }],
  // in a process of its own once more, as this one has already loaded some of Node that a package may need
  measure: async ({ contestant, built }) => [importMs(esm, contestant, contestant === 'cachette' ? built : here)],
};

/** @type {Readonly<Record<string, Scenario>>} */
export const scenarios = {
  memory: {
    title: 'A hit in memory',
    about: `${memoryKeys.toLocaleString('en')} products, asked for one after the other, uniformly. Processor time of one call.`,
    contestants: inMemory,
    reference: 'map',
    better: 'less',
    columns: [{ title: 'time of a hit', unit: 'ns' }],
    measure: async (job) => {
      const { find, check } = await filled(job, memoryKeys);
      return check(await nanosecondsPerCall(find, idSequence('uniform', memoryKeys), job.forMs));
    },
  },
  counting: {
    title: 'Counting a hit in memory',
    about: `What \`statistics\` costs: hits as above, counted and recorded for the audit, and not; each in processes of its own. What the two that are not counted differ by is noise.`,
    contestants: Object.keys(counting),
    reference: 'counting-off',
    better: 'less',
    hasChart: false,
    columns: [{ title: 'time of a hit', unit: 'ns' }],
    measure: async (job) => {
      const { find, check } = await filled(job, memoryKeys);
      return check(await nanosecondsPerCall(find, idSequence('uniform', memoryKeys), job.forMs));
    },
  },
  'redis-uniform': throughput('A hit on Redis, 100 callers, uniform keys', onRedis, 'redis-get', 'uniform'),
  'redis-zipf': throughput('A hit on Redis, 100 callers, Zipf(1) keys', onRedis, 'redis-get', 'zipf'),
  'redis-one': latency('A hit on Redis, one caller', onRedis, 'redis-get'),
  'memcached-uniform': throughput('A hit on memcached, 100 callers, uniform keys', onMemcached, 'memjs-get', 'uniform'),
  'memcached-zipf': throughput('A hit on memcached, 100 callers, Zipf(1) keys', onMemcached, 'memjs-get', 'zipf'),
  'memcached-one': latency('A hit on memcached, one caller', onMemcached, 'memjs-get'),
  miss,
  invalidation,
  stampede,
  bytes,
  import: importing,
};

/** @returns {Scenario} */
function throughput(title, names, reference, distribution) {
  return {
    title,
    about: `${callers} callers, each of which asks again as soon as it has its answer, for ${serverKeys.toLocaleString('en')} products.`,
    contestants: names,
    reference,
    usesServers: true,
    better: 'more',
    columns: [{ title: 'hits a second', unit: '' }],
    measure: async (job) => {
      const { find, check } = await filled(job, serverKeys);
      return check(await callsPerSecond(find, idSequence(distribution, serverKeys), { callers, forMs: job.forMs }));
    },
  };
}

/** @returns {Scenario} */
function latency(title, names, reference) {
  return {
    title,
    about: `One caller, for ${serverKeys.toLocaleString('en')} products, uniformly. The median time of a call.`,
    contestants: names,
    reference,
    usesServers: true,
    better: 'less',
    columns: [{ title: 'time of a hit', unit: 'µs', digits: 1 }],
    measure: async (job) => {
      const { find, check } = await filled(job, serverKeys);
      return check(await latencyMicroseconds(find, idSequence('uniform', serverKeys), job.forMs));
    },
  };
}

/** A contestant that has everything already. A call that loads again is a hit no more: then there is no result. */
async function filled(job, keys) {
  const cache = await made(job);
  // Again until nothing is loaded: on a busy machine the first answers of a server may come after a deadline.
  for (let attempt = 0; attempt < 20; attempt++) {
    const before = cache.loads();
    await inTurns(allIds(keys), callers, cache.find);
    if (cache.loads() === before) break;
    await sleep(100);
  }
  const loadsBefore = cache.loads();
  const check = (result) => {
    if (cache.loads() === loadsBefore) return [result];
    throw new Error(`${cache.loads() - loadsBefore} calls that should have been hits have loaded`);
  };
  return { ...cache, check };
}

async function made(job) {
  let count = 0;
  const load = async (id) => {
    count++;
    return product(id);
  };
  const cache = await contestants[job.contestant].make({ ...job, load });
  return { ...cache, loads: () => count };
}

/** Runs `task` for each of the items, so many at a time. */
async function inTurns(items, width, task) {
  const left = items[Symbol.iterator]();
  const runOne = async () => {
    for (const item of left) await task(item);
  };
  await Promise.all(Array.from({ length: width }, runOne));
}

async function redisClient({ redis: url }) {
  const { createClient } = await import('redis');
  return createClient({ url }).connect();
}

/** All commands that the server has had so far, without those that ask for their number. */
async function commandCount(client) {
  const text = await client.info('commandstats');
  const counts = [...text.matchAll(/cmdstat_([^:]+):calls=(\d+)/g)];
  return counts.reduce((sum, [, name, calls]) => (name === 'info' ? sum : sum + Number(calls)), 0);
}

async function elapsedMs(run) {
  const began = performance.now();
  await run();
  return performance.now() - began;
}

async function usedBytes() {
  // what is written in the background, and what finalizers do
  await sleep(50);
  for (let time = 0; time < 3; time++) globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
