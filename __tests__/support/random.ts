/** The same numbers at every run, for tests that need many: mulberry32. From 0 to below 1. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Draws from 0 to `size` - 1, low numbers much more often: the nth most frequent one 1/n^`skew` as often as the first. */
export function zipf(random: () => number, size: number, skew = 1): () => number {
  const sums: number[] = [];
  for (let i = 0, sum = 0; i < size; i++) sums.push((sum += 1 / (i + 1) ** skew));
  const total = sums[size - 1] as number;
  return () => {
    const drawn = random() * total;
    let [low, high] = [0, size - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sums[middle] as number) < drawn) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}
