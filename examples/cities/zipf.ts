/** Chance with a seed, so that every run asks for the same cities. */

/** Gives a number from 0 up to 1. */
export type Random = () => number;

/** Mulberry32: the same numbers for the same seed. */
export function randomFrom(seed: number): Random {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let bits = Math.imul(seed ^ (seed >>> 15), seed | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** How much more the first are wanted than the rest. Caches in production see 1 to 2.5 (Yang et al., OSDI 2020). */
const skew = 1.2;

/** Draws from `items`, the n-th in proportion to 1 / n ** skew: a few all the time and most hardly ever. */
export function zipf<T>(items: readonly T[]): (random: Random) => T {
  let sum = 0;
  const cumulative = Float64Array.from(items, (_, index) => (sum += 1 / (index + 1) ** skew));
  return (random) => {
    const wanted = random() * sum;
    let [low, high] = [0, items.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (cumulative[middle]! > wanted) high = middle;
      else low = middle + 1;
    }
    return items[low]!;
  };
}
