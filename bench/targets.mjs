/** What is to be reached, and how it is told from the results of a run. */

import { ratio } from './summary.mjs';
import { median } from './workload.mjs';

/**
 * @typedef {object} Target
 * @property {string} scenario
 * @property {string} what
 * @property {'at most' | 'at least'} bound
 * @property {number} limit
 * @property {string} unit
 * @property {(results: Record<string, number[][]>) => number} measured
 * @property {(results: Record<string, number[][]>) => number} [byHand] the same of code by hand that has the cache's duties: on a
 * server an entry, its three generations, a deadline and a header; in memory an entry, its ttl and its tag
 */

/** `node bench/counting.mjs` fails above it. */
export const countingLimit = 1.15;

/** How many times what the other one gave: a time, a rate, a size. */
const times = (ours, other) => (results) => ratio(results, ours, other);

/** @type {readonly Target[]} */
export const targets = [
  {
    scenario: 'memory',
    what: 'a tagged hit in memory, shared copies: time of the `Map`',
    bound: 'at most',
    limit: 3,
    unit: '×',
    measured: times('ours-shared', 'map'),
    byHand: times('map-tagged', 'map'),
  },
  {
    scenario: 'memory',
    what: 'the same: times faster than bentocache, which shares copies too',
    bound: 'at least',
    limit: 20,
    unit: '×',
    measured: times('bentocache-shared', 'ours-shared'),
  },
  {
    scenario: 'memory',
    what: 'a tagged hit in memory, isolated copies: time of the `Map`',
    bound: 'at most',
    limit: 10,
    unit: '×',
    measured: times('ours-isolated', 'map'),
  },
  {
    scenario: 'counting',
    what: 'a tagged hit in memory, shared copies, that is counted: time of one that is not',
    bound: 'at most',
    limit: countingLimit,
    unit: '×',
    measured: times('counting-on', 'counting-off'),
  },
  ...['redis', 'memcached'].flatMap((server) => {
    const [ours, other, dutiful] =
      server === 'redis'
        ? ['ours-redis', 'redis-get', 'redis-generations']
        : ['ours-memcached', 'memjs-get', 'memjs-generations'];
    const name = server === 'redis' ? 'Redis' : 'memcached';
    const byHand = server === 'redis' ? '`GET`' : '`get`';
    const many = `a tagged hit on ${name}, 100 callers`;
    return [
      {
        scenario: `${server}-uniform`,
        what: `${many}, uniform keys: throughput of the untagged ${byHand}`,
        bound: /** @type {const} */ ('at least'),
        limit: 1,
        unit: '×',
        measured: times(ours, other),
        byHand: times(dutiful, other),
      },
      {
        scenario: `${server}-zipf`,
        what: `${many}, Zipf(1) keys: throughput of the untagged ${byHand}`,
        bound: /** @type {const} */ ('at least'),
        limit: 2,
        unit: '×',
        measured: times(ours, other),
        byHand: times(dutiful, other),
      },
      {
        scenario: `${server}-one`,
        what: `a tagged hit on ${name}, one caller: time of the untagged ${byHand}`,
        bound: /** @type {const} */ ('at most'),
        limit: server === 'redis' ? 1.1 : 1.2,
        unit: '×',
        measured: times(ours, other),
        byHand: times(dutiful, other),
      },
    ];
  }),
  {
    scenario: 'miss',
    what: 'a miss on Redis beyond the load, where the tag stands, over a network of a millisecond each way',
    bound: 'at most',
    limit: 1.3,
    unit: ' round trips',
    measured: (results) => median(results['ours-known-tag'].map(([trips]) => trips)),
  },
  {
    scenario: 'miss',
    what: 'the same, where the tag is a new one',
    bound: 'at most',
    limit: 1.3,
    unit: ' round trips',
    measured: (results) => median(results['ours-redis'].map(([trips]) => trips)),
  },
  {
    scenario: 'invalidation',
    what: 'invalidating a tag on 1,000,000 entries: time of one on 1 entry',
    bound: 'at most',
    limit: 1.2,
    unit: '×',
    measured: (results) => median(results['ours-invalidation'].map(([one, many]) => many / one)),
  },
  {
    scenario: 'invalidation',
    what: 'the same: commands more than for 1 entry',
    bound: 'at most',
    limit: 0,
    unit: '',
    measured: (results) => median(results['ours-invalidation'].map(([, , many, one]) => many - one)),
  },
  {
    scenario: 'invalidation',
    what: 'round trips of an invalidation',
    bound: 'at most',
    limit: 1,
    unit: '',
    measured: (results) => median(results['ours-invalidation'].map((round) => round[4])),
  },
  {
    scenario: 'stampede',
    what: 'loads of a stampede of 10,000 callers, the most of all stores',
    bound: 'at most',
    limit: 1,
    unit: '',
    measured: (results) => {
      const ours = Object.keys(results).filter((name) => name.startsWith('ours'));
      return Math.max(...ours.flatMap((name) => results[name].map(([loads]) => loads)));
    },
  },
  {
    scenario: 'bytes',
    what: 'memory of another entry, shared copies, the worst of the shapes: that of lru-cache',
    bound: 'at most',
    limit: 1.3,
    unit: '×',
    measured: worstShape('ours-shared'),
    byHand: worstShape('map-tagged'),
  },
  {
    scenario: 'bytes',
    what: 'memory of another entry, isolated copies, the worst of the shapes: that of lru-cache',
    bound: 'at most',
    limit: 1.3,
    unit: '×',
    measured: worstShape('ours-isolated'),
    byHand: worstShape('map-tagged'),
  },
  {
    scenario: 'import',
    what: 'an import',
    bound: 'at most',
    limit: 30,
    unit: ' ms',
    measured: (results) => median(results.cachette.map(([ms]) => ms)),
  },
];

function worstShape(contestant) {
  return (results) => {
    // The last column is of what is kept once as well.
    const shapes = results[contestant][0].slice(0, -1).map((_, shape) => shape);
    return Math.max(...shapes.map((shape) => ratio(results, contestant, 'lru-cache', shape)));
  };
}

/** @param {Target} target */
export function judged({ bound, limit, measured }, results) {
  const value = measured(results);
  return { value, isMet: bound === 'at most' ? value <= limit : value >= limit };
}
