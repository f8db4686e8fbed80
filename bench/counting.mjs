/**
 * What counting costs a hit in memory: the same hits with `statistics` on and off, in turns, in one process. Measured is the time of
 * the processor, so that what else runs on the machine matters less.
 *
 *     npm run build && node bench/counting.mjs [rounds]
 *
 * Prints the median of the rounds for each, and the median of the ratios of neighbouring rounds.
 */

import { createCache } from '../dist/esm/index.js';

const rounds = Number(process.argv[2] ?? 41);
const calls = 100_000;
const keys = 1_000;

/** @param {boolean} statistics */
async function prepared(statistics) {
  const cache = createCache('memory://', { statistics });
  const find = cache.wrap('find', async (id) => ({ id }), {
    ttl: '1h',
    copies: 'shared',
    tags: (id) => `product:${id}`,
  });
  for (let id = 0; id < keys; id++) await find(id);
  return find;
}

/** @param {(id: number) => Promise<unknown>} find */
async function nanosecondsPerHit(find) {
  const began = process.cpuUsage();
  for (let i = 0; i < calls; i++) await find((i * 7919) % keys);
  const { user, system } = process.cpuUsage(began);
  return ((user + system) * 1_000) / calls;
}

/** @param {number[]} values */
const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

const [on, off] = [await prepared(true), await prepared(false)];
const times = { on: [], off: [], ratios: [] };
for (let round = 0; round < rounds + 5; round++) {
  const isFirstOn = round % 2 === 0;
  const first = await nanosecondsPerHit(isFirstOn ? on : off);
  const second = await nanosecondsPerHit(isFirstOn ? off : on);
  // The first rounds are the compiler's.
  if (round < 5) continue;
  const [counted, uncounted] = isFirstOn ? [first, second] : [second, first];
  times.on.push(counted);
  times.off.push(uncounted);
  times.ratios.push(counted / uncounted);
}
console.log(`statistics on: ${median(times.on).toFixed(0)} ns a hit, off: ${median(times.off).toFixed(0)} ns`);
const percent = ((median(times.ratios) - 1) * 100).toFixed(1);
console.log(`counting costs ${percent} % of a hit in memory (shared copies, a tag from the arguments; limit 15 %)`);
