/** Numbers as text, and what several processes and moments come to together. They come from elsewhere, and may be missing or odd. */

/** @typedef {import('../../../base/insight.js').MethodStats} MethodStats */
/** @typedef {import('../../../base/insight.js').LoadDistribution} LoadDistribution */

export const NONE = '–';
const plain = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
const short = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });

/** A number that can be counted with; 0 for whatever else came. @param {unknown} value */
export const num = (value) => (typeof value === 'number' && Number.isFinite(value) ? value : 0);

/** @param {unknown} value @returns {value is number} */
export const isNumber = (value) => typeof value === 'number' && Number.isFinite(value);

/** @param {unknown} value */
export function count(value) {
  if (!isNumber(value)) return NONE;
  return Math.abs(value) < 1e6 ? plain.format(value) : compact.format(Math.min(value, 1e18));
}

/** @param {unknown} value */
export function rate(value) {
  if (!isNumber(value)) return NONE;
  return value < 10 ? short.format(value) : count(value);
}

/** Not rounded up to 100 % as long as something is missing. @param {unknown} value */
export function percent(value) {
  if (!isNumber(value)) return NONE;
  const hundred = Math.min(Math.max(value, 0), 1) * 100;
  const cut = hundred < 100 ? Math.min(hundred, 99.9) : 100;
  return `${cut >= 99.95 || cut < 0.05 ? cut.toFixed(0) : cut.toFixed(1)}\u00a0%`;
}

const times = /** @type {const} */ ([
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1_000, 's'],
  [0.1, 'ms'],
  [0.001, 'µs'],
]);

/** @param {unknown} value */
export function millis(value) {
  if (!isNumber(value)) return NONE;
  if (value === 0) return '0\u00a0ms';
  const [least, unit] = times.find(([from]) => Math.abs(value) >= from) ?? [0.001, 'µs'];
  const amount = value / (unit === 'ms' ? 1 : least);
  return `${Math.abs(amount) >= 1_000 ? count(amount) : short.format(Math.round(amount * 100) / 100)}\u00a0${unit}`;
}

/** @param {unknown} value */
export function bytes(value) {
  if (!isNumber(value)) return NONE;
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const step = Math.min(Math.max(Math.floor(Math.log10(Math.max(value, 1)) / 3), 0), units.length - 1);
  return `${short.format(value / 1000 ** step)}\u00a0${units[step]}`;
}

/** @param {number} amount @param {string} one @param {string} [many] */
export const counted = (amount, one, many = `${one}s`) => `${count(amount)} ${amount === 1 ? one : many}`;

/** @param {number[]} values */
export const sum = (values) => values.reduce((total, value) => total + num(value), 0);

/** @param {number[]} values */
export const greatest = (values) => values.reduce((most, value) => Math.max(most, num(value)), 0);

/** @param {number} hits @param {number} asked */
export const ratio = (hits, asked) => (asked > 0 ? Math.min(hits / asked, 1) : null);

/** Calls that asked the cache. @param {MethodStats} stats */
export const asked = (stats) => num(stats.hits) + num(stats.stale) + num(stats.misses);

/** Counts by name, added. @param {Readonly<Record<string, number>>[]} all @returns {Map<string, number>} */
export function sumByName(all) {
  const sums = new Map();
  for (const counts of all)
    for (const [name, value] of Object.entries(counts ?? {})) sums.set(name, (sums.get(name) ?? 0) + num(value));
  return sums;
}

// ---- how long loads took --------------------------------------------------------------------------------------------

const BUCKETS_PER_OCTAVE = 8;

/** How many loads were in each bucket. @typedef {Map<number, number>} Loads */

/**
 * Adds what was loaded since `before`, or since the start.
 *
 * @param {Loads} loads @param {LoadDistribution | undefined} now @param {LoadDistribution} [before]
 */
export function addLoads(loads, now, before = []) {
  const old = new Map(before);
  for (const [bucket, times] of now ?? []) {
    const more = num(times) - num(old.get(bucket));
    if (more > 0) loads.set(bucket, (loads.get(bucket) ?? 0) + more);
  }
}

/** In milliseconds, within its bucket as if the loads in it were spread evenly; null where there was none. @param {Loads} loads @param {number} part */
export function percentile(loads, part) {
  const wanted = part * sum([...loads.values()]);
  let passed = 0;
  for (const [bucket, times] of [...loads].sort(([a], [b]) => a - b)) {
    if (passed + times >= wanted) return 2 ** ((bucket + (wanted - passed) / times) / BUCKETS_PER_OCTAVE) / 1_000;
    passed += times;
  }
  return null;
}

// ---- sums -----------------------------------------------------------------------------------------------------------

/** What several processes have counted of the same method, since they started. @param {MethodStats[]} all */
export function merge(all) {
  /** @param {(stats: MethodStats) => number} of */
  const total = (of) => sum(all.map(of));
  /** @type {Loads} */
  const loadTimes = new Map();
  for (const { loads } of all) addLoads(loadTimes, loads?.distribution);
  const hits = total((s) => s.hits);
  const calls = total((s) => s.calls);
  return {
    calls,
    hits,
    hitRate: ratio(hits, sum(all.map(asked))),
    memoryHits: total((s) => s.hitsByTier?.memory),
    storeHits: total((s) => s.hitsByTier?.store),
    misses: total((s) => s.misses),
    reasons: sumByName(all.map((s) => s.missesByReason)),
    stale: total((s) => s.stale),
    bypassed: total((s) => s.bypassed),
    loads: total((s) => s.loads?.count),
    failed: total((s) => s.loads?.errors),
    p95: percentile(loadTimes, 0.95),
    savedMs: total((s) => s.savedMs),
    meanBytes: calls > 0 ? total((s) => num(s.bytes?.mean) * num(s.calls)) / calls : 0,
    invalidations: total((s) => s.invalidations),
    invalidated: total((s) => s.invalidated),
    mismatches: total((s) => s.mismatches),
  };
}

/** Two reports of one process, or of one of its methods. @typedef {{ now: MethodStats, before: MethodStats, ms: number }} Interval */

/**
 * What was counted between the reports of each process, together.
 *
 * @param {Interval[]} intervals
 */
export function lately(intervals) {
  const sums = { hits: 0, asked: 0, callsPerSecond: 0, loads: /** @type {Loads} */ (new Map()) };
  for (const { now, before, ms } of intervals) {
    sums.hits += Math.max(num(now.hits) - num(before.hits), 0);
    sums.asked += Math.max(asked(now) - asked(before), 0);
    sums.callsPerSecond += (Math.max(num(now.calls) - num(before.calls), 0) * 1_000) / ms;
    addLoads(sums.loads, now.loads?.distribution, before.loads?.distribution);
  }
  const { callsPerSecond, loads } = sums;
  return {
    hitRate: ratio(sums.hits, sums.asked),
    callsPerSecond,
    loads: [0.5, 0.95, 0.99].map((part) => percentile(loads, part)),
  };
}
