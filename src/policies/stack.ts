/** Stack distances: how much was accessed since a key was accessed last, and so how large memory must be to still have it. */

/** Keys in the order of their last access, by where that is in the log, each with a weight: a Fenwick tree. */
export class Stack {
  readonly #sums: Float64Array;
  readonly #weights: Float64Array;
  #size = 0;

  constructor(length: number) {
    this.#sums = new Float64Array(length + 1);
    this.#weights = new Float64Array(length);
  }

  /** What the keys weigh that were accessed after the one whose last access is at `index`; -1: what all do. */
  above(index: number): number {
    let below = 0;
    for (let i = index + 1; i > 0; i -= i & -i) below += this.#sums[i] as number;
    return this.#size - below;
  }

  /** A key is accessed again; `from`: -1 if it is not among them; `to`: -1 if it is no more. */
  move(from: number, to: number, weight: number): void {
    if (from >= 0) this.#change(from, -(this.#weights[from] as number));
    if (to < 0) return;
    this.#weights[to] = weight;
    this.#change(to, weight);
  }

  #change(index: number, by: number): void {
    this.#size += by;
    for (let i = index + 1; i < this.#sums.length; i += i & -i) (this.#sums[i] as number) += by;
  }
}
