/** A gate: while it is closed, nobody gets in. */

export class Gate {
  #opening: Promise<void> | undefined;
  #open = (): void => {};
  readonly #inside = new Set<Promise<unknown>>();

  /** Does `work` when the gate is open. */
  async pass(work: () => Promise<void>): Promise<void> {
    while (this.#opening) await this.#opening;
    const working = work();
    this.#inside.add(working);
    await working.finally(() => this.#inside.delete(working));
  }

  /** Resolves when nobody is inside any more. */
  async close(): Promise<void> {
    this.#opening ??= new Promise((resolve) => (this.#open = resolve));
    await Promise.all(this.#inside);
  }

  open(): void {
    this.#opening = undefined;
    this.#open();
  }
}
