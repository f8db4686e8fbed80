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
 *
 * @typedef {object} Scenario
 * @property {string} title
 * @property {string} about
 * @property {readonly string[]} contestants
 * @property {string} reference
 * @property {'less' | 'more'} better
 * @property {readonly Column[]} columns what `measure` gives, in its order
 * @property {number} [rounds] where fewer than the others are enough
 * @property {(job: Job) => Promise<readonly number[]>} measure
 *
 * @typedef {object} Column
 * @property {string} title
 * @property {string} unit
 * @property {number} [digits] behind the point. Default: 0
 */

import { contestants, memcached, memory, redis } from './contestants.mjs';
import {
  allIds,
  callsPerSecond,
  idSequence,
  latencyMicroseconds,
  memoryKeys,
  nanosecondsPerCall,
  product,
  serverKeys,
} from './workload.mjs';

const callers = 100;

/** @type {Readonly<Record<string, Scenario>>} */
export const scenarios = {
  memory: {
    title: 'A hit in memory',
    about: `${memoryKeys.toLocaleString('en')} products, asked for one after the other, uniformly. Processor time of one call.`,
    contestants: Object.keys(memory),
    reference: 'map',
    better: 'less',
    columns: [{ title: 'time of a hit', unit: 'ns' }],
    measure: async (job) => {
      const { find } = await filled(job, memoryKeys);
      return [await nanosecondsPerCall(find, idSequence('uniform', memoryKeys), job.forMs)];
    },
  },
  'redis-uniform': throughput('A hit on Redis, 100 callers, uniform keys', redis, 'redis-get', 'uniform'),
  'redis-zipf': throughput('A hit on Redis, 100 callers, Zipf(1) keys', redis, 'redis-get', 'zipf'),
  'redis-one': latency('A hit on Redis, one caller', redis, 'redis-get'),
  'memcached-uniform': throughput('A hit on memcached, 100 callers, uniform keys', memcached, 'memjs-get', 'uniform'),
  'memcached-zipf': throughput('A hit on memcached, 100 callers, Zipf(1) keys', memcached, 'memjs-get', 'zipf'),
  'memcached-one': latency('A hit on memcached, one caller', memcached, 'memjs-get'),
};

/** @returns {Scenario} */
function throughput(title, table, reference, distribution) {
  return {
    title,
    about: `${callers} callers, each of which asks again as soon as it has its answer, for ${serverKeys.toLocaleString('en')} products.`,
    contestants: Object.keys(table),
    reference,
    better: 'more',
    columns: [{ title: 'hits a second', unit: '1/s' }],
    measure: async (job) => {
      const { find } = await filled(job, serverKeys);
      return [await callsPerSecond(find, idSequence(distribution, serverKeys), { callers, forMs: job.forMs })];
    },
  };
}

/** @returns {Scenario} */
function latency(title, table, reference) {
  return {
    title,
    about: `One caller, for ${serverKeys.toLocaleString('en')} products, uniformly. The median time of a call.`,
    contestants: Object.keys(table),
    reference,
    better: 'less',
    columns: [{ title: 'time of a hit', unit: 'µs', digits: 1 }],
    measure: async (job) => {
      const { find } = await filled(job, serverKeys);
      return [await latencyMicroseconds(find, idSequence('uniform', serverKeys), job.forMs)];
    },
  };
}

/** A contestant that has everything; a call that loads again is an error. */
async function filled({ contestant, redis, memcached }, keys) {
  let loads = 0;
  const load = async (id) => {
    loads++;
    return product(id);
  };
  const made = await contestants[contestant].make({ load, redis, memcached });
  await inTurns(allIds(keys), callers, made.find);
  const find = async (id) => made.find(id);
  const check = () => {
    if (loads !== keys) throw new Error(`${contestant} loaded ${loads} times for ${keys} keys`);
  };
  return { ...made, find: made.find, check, plain: find };
}

/** Runs `task` for each of the items, so many at a time. */
async function inTurns(items, width, task) {
  const left = items[Symbol.iterator]();
  const runOne = async () => {
    for (const item of left) await task(item);
  };
  await Promise.all(Array.from({ length: width }, runOne));
}
