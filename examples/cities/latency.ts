/** How long calls took, to two digits: what of it comes from several processes can be put together. */

export class Latency {
  readonly #calls: Map<number, number>;

  /** From what another one has told. */
  constructor(calls: Iterable<readonly [number, number]> = []) {
    this.#calls = new Map(calls);
  }

  /** Nanoseconds, and how many calls took so long. */
  get calls(): [number, number][] {
    return [...this.#calls];
  }

  record(nanoseconds: number): void {
    this.#add(Number(nanoseconds.toPrecision(2)), 1);
  }

  /** The nanoseconds that `percent` of the calls did not exceed. */
  percentile(percent: number): number {
    const sorted = this.calls.sort(([one], [other]) => one - other);
    let rest = (sorted.reduce((sum, [, count]) => sum + count, 0) * percent) / 100;
    return sorted.find(([, count]) => (rest -= count) <= 0)?.[0] ?? 0;
  }

  static sum(all: readonly Latency[]): Latency {
    const total = new Latency();
    for (const each of all) for (const [nanoseconds, count] of each.#calls) total.#add(nanoseconds, count);
    return total;
  }

  #add(nanoseconds: number, count: number): void {
    this.#calls.set(nanoseconds, (this.#calls.get(nanoseconds) ?? 0) + count);
  }
}
