/** How long loads took, in buckets that are the same everywhere: they can be added over processes, and subtracted over time. */

import type { LoadDistribution } from '../base/insight.js';

/** Each bucket is about 9 % wide. */
export const bucketsPerOctave = 8;
/** Up to more than an hour, which is what is in the last one. */
export const bucketCount = 256;

export class Distribution {
  readonly #counts = new Uint32Array(bucketCount);

  record(ms: number): void {
    const bucket = Math.floor(Math.log2(Math.max(ms * 1_000, 1)) * bucketsPerOctave);
    (this.#counts[Math.min(bucket, bucketCount - 1)] as number)++;
  }

  add(other: Distribution): void {
    for (const [bucket, count] of other.told()) (this.#counts[bucket] as number) += count;
  }

  told(): LoadDistribution {
    return [...this.#counts.entries()].filter(([, count]) => count > 0);
  }
}
