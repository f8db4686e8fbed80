/**
 * What counting costs a hit in memory: the scenario `counting` of `npm run bench` alone, in more rounds, and with an interval.
 *
 *     node bench/counting.mjs [rounds]
 *
 * Each measurement is a process of its own, as what the compiler makes of a cache differs from one process to the next; the order
 * changes from round to round. Measured is the time of the processor, so that what else runs on the machine matters less. Prints the
 * median of the ratios within the rounds, with the interval that has the true one in 95 of 100 cases, and the same for two that do
 * the same: what these differ by is noise. The exit code is 1 above the limit, and 2 where the noise is too great to tell.
 */

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { copyBuilt } from './built.mjs';
import { contestants, counting } from './contestants.mjs';
import { countingLimit } from './targets.mjs';
import { median } from './workload.mjs';

const child = fileURLToPath(new URL('child.mjs', import.meta.url));
/** Twice as long as other hits are measured: what is recorded has settled by then. */
const forMs = 1_200;
const rounds = Number(process.argv[2] ?? 15);
const names = Object.keys(counting);

const built = await copyBuilt();
/** @type {Record<string, number[]>} */
const times = Object.fromEntries(names.map((name) => [name, []]));
for (let round = 0; round < rounds; round++) {
  const first = round % names.length;
  const inTurn = [...names.slice(first), ...names.slice(0, first)];
  for (const name of round % 2 === 0 ? inTurn : inTurn.reverse()) times[name].push(await nanosecondsOfHit(name));
}

for (const name of names) {
  const ofHits = median([...times[name]]).toFixed(0);
  console.log(`${contestants[name].title.padEnd(24)}${ofHits} ns a hit in memory`);
}
const counted = compared('counting-on');
const noise = compared('counting-off-again');
console.log(`counting costs          ${shown(counted)} of a hit (limit ${percent(countingLimit)}, ${rounds} rounds)`);
console.log(`the same against itself ${shown(noise)}`);
if (counted.ratio > countingLimit) process.exitCode = 1;
else if (Math.abs(noise.ratio - 1) > countingLimit - 1) process.exitCode = 2;

/** @param {string} contestant */
async function nanosecondsOfHit(contestant) {
  const job = JSON.stringify({ scenario: 'counting', contestant, forMs, built });
  const { stdout } = await promisify(execFile)(process.execPath, [child, job]);
  const [nanoseconds] = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
  return nanoseconds;
}

/** @param {string} contestant */
function compared(contestant) {
  const ratios = times[contestant].map((time, round) => time / times['counting-off'][round]).sort((a, b) => a - b);
  const outside = outsideInterval(ratios.length);
  return { ratio: median([...ratios]), from: ratios[outside], to: ratios[ratios.length - 1 - outside] };
}

/**
 * Of so many values in order, how many at each end lie outside the interval that has their true median in 95 of 100 cases: half of the
 * values are above it, as coins fall.
 *
 * @param {number} values
 */
function outsideInterval(values) {
  let [chance, below] = [0.5 ** values, 0];
  let outside = 0;
  while ((below += chance) <= 0.025) {
    chance *= (values - outside) / (outside + 1);
    outside++;
  }
  return Math.max(0, outside - 1);
}

/** @param {{ ratio: number, from: number, to: number }} compared */
function shown({ ratio, from, to }) {
  return `${percent(ratio)} (${percent(from)} to ${percent(to)})`;
}

/** @param {number} ratio */
function percent(ratio) {
  return `${((ratio - 1) * 100).toFixed(1)} %`;
}
