/** A database that tells of its changes: an async iterable, whose items are taken when the scheduler says so. */

/** @typedef {string | { readonly clear: true }} Change */

export class Feed {
  /** @type {Change[]} */
  #items = [];
  /** @type {(() => void) | undefined} */
  #wake;
  #isOver = false;
  #scheduler;
  /** @type {Set<(event: import('cachette').InvalidationEvent) => void>} */
  #listeners = new Set();
  /** @type {Promise<unknown>} */
  #last = Promise.resolve();

  /** @param {import('cachette/testing').Scheduler} scheduler */
  constructor(scheduler) {
    this.#scheduler = scheduler;
  }

  /** @param {import('cachette').Cache} cache */
  follow(cache) {
    cache.follow(this.#changes());
    cache.on('invalidation', (event) => {
      for (const listener of this.#listeners) listener(event);
    });
  }

  /**
   * Resolves when the change has been invalidated. One at a time, as the event that ends it might else be that of a change
   * before.
   *
   * @param {Change} change
   * @returns {Promise<{ status: 'done' | 'deferred' }>}
   */
  tell(change) {
    const told = this.#last.then(() => this.#tellNow(change));
    this.#last = told;
    return told;
  }

  end() {
    this.#isOver = true;
    this.#wake?.();
  }

  /** @param {Change} change */
  #tellNow(change) {
    return new Promise((resolve) => {
      /** @param {import('cachette').InvalidationEvent} event */
      const listen = ({ tags, status }) => {
        if (typeof change === 'string' && tags.length > 0 && !tags.includes(change)) return;
        this.#listeners.delete(listen);
        resolve({ status });
      };
      this.#listeners.add(listen);
      this.#items.push(change);
      this.#wake?.();
    });
  }

  /** @returns {AsyncGenerator<Change>} */
  async *#changes() {
    while (!this.#isOver) {
      if (this.#items.length === 0) await new Promise((resolve) => (this.#wake = () => resolve(undefined)));
      const item = this.#items.shift();
      if (item === undefined) continue;
      await this.#scheduler.turn('the feed tells of a change');
      yield item;
    }
  }
}
