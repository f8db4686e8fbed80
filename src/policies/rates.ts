/** How often other processes ask for keys, as concluded from how often this one does. */

import { Draws } from './draws.js';
import type { SampledKey } from './event-log.js';

/** How other processes ask for one key: at random, independently of this one. */
export interface OthersOfKey {
  /** The mean time between two of their calls. */
  readonly everyMs: number;
  /** They have done so from then on. */
  readonly since: number;
}

/**
 * How often keys are called, whose calls here are only a sample of that: of those that were called once, many are called less
 * often. What rates there are is estimated from how many keys were called once, twice, … (nonparametric maximum likelihood by
 * expectation maximization, of Poisson counts without those that are 0), and each key is given one that its count makes likely.
 */
export class Rates {
  readonly #perMs: Float64Array;
  readonly #since: number;

  constructor(keys: readonly SampledKey[], calls: readonly number[], { spanMs, since }: RatesParts) {
    this.#since = since;
    const likely = new Map<number, Float64Array>();
    const prior = priorOf(calls, likely);
    this.#perMs = Float64Array.from(keys, ({ hash }, i) => {
      const random = new Draws(hash);
      return drawn(likely.get(calls[i] as number) as Float64Array, prior, random.next()) / spanMs;
    });
  }

  /** Of the key at this index, where others ask so many times as often as this process. */
  of(index: number, others: number): OthersOfKey {
    return { everyMs: 1 / ((this.#perMs[index] as number) * others), since: this.#since };
  }
}

interface RatesParts {
  readonly spanMs: number;
  readonly since: number;
}

const firstRate = 0.05;
const rateFactor = 1.3;
const iterations = 40;

/** Mean counts that keys may have, each so much larger than the one before. */
function gridOf(calls: readonly number[]): Float64Array {
  const most = calls.reduce((max, count) => Math.max(max, count), 1) * 1.2;
  const length = 2 + Math.ceil(Math.log(most / firstRate) / Math.log(rateFactor));
  return Float64Array.from({ length }, (_, i) => firstRate * rateFactor ** i);
}

interface Prior {
  readonly grid: Float64Array;
  readonly weights: Float64Array;
}

/** Fills `likely`: by count, how likely each mean makes it. */
function priorOf(calls: readonly number[], likely: Map<number, Float64Array>): Prior {
  const grid = gridOf(calls);
  const keysOf = new Map<number, number>();
  for (const count of calls) keysOf.set(count, (keysOf.get(count) ?? 0) + 1);
  for (const count of keysOf.keys())
    likely.set(
      count,
      grid.map((mean) => truncatedPoisson(count, mean)),
    );
  let weights = new Float64Array(grid.length).fill(1 / grid.length);
  for (let i = 0; i < iterations; i++) {
    const next = new Float64Array(grid.length);
    for (const [count, keys] of keysOf) {
      const chances = likely.get(count) as Float64Array;
      const sum = dot(chances, weights);
      if (sum > 0)
        chances.forEach((chance, j) => ((next[j] as number) += (keys * chance * (weights[j] as number)) / sum));
    }
    weights = next.map((weight) => weight / calls.length);
  }
  return { grid, weights };
}

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, each, i) => sum + each * (b[i] as number), 0);
}

function truncatedPoisson(count: number, mean: number): number {
  return Math.exp(count * Math.log(mean) - mean - logFactorial(count)) / (1 - Math.exp(-mean));
}

/** Stirling's series where a sum would be long. */
function logFactorial(n: number): number {
  if (n > 20) return n * Math.log(n) - n + Math.log(2 * Math.PI * n) / 2 + 1 / (12 * n);
  let sum = 0;
  for (let i = 2; i <= n; i++) sum += Math.log(i);
  return sum;
}

/** A mean, as likely as a count makes it. */
function drawn(chances: Float64Array, { grid, weights }: Prior, random: number): number {
  let left = random * dot(chances, weights);
  for (let j = 0; j < grid.length; j++) {
    left -= (chances[j] as number) * (weights[j] as number);
    if (left <= 0) return grid[j] as number;
  }
  return grid[grid.length - 1] as number;
}
