/**
 * The time and the timers of the machine, as peers take them from it. While a program runs they are those of its scheduler, so
 * that the same seed gives the same run. What is put off by `setImmediate` stays the machine's: it runs between two steps.
 *
 * @typedef {import('cachette/testing').Scheduler} Scheduler
 * @typedef {{ readonly scheduler: Scheduler, readonly epochMs: number, readonly random: import('cachette/testing').Random }} Borrower
 */

const { random } = Math;

/** Nothing takes no time: to those who compare times of day, each step takes so long. */
const stepMs = 1;

const { Date: RealDate, performance, setTimeout, setInterval, clearTimeout, clearInterval } = globalThis;
const real = { Date: RealDate, performance, setTimeout, setInterval, clearTimeout, clearInterval };

/** @type {Borrower | undefined} */
let borrower;

/** Libraries that keep the machine's functions when they are loaded keep ours, which are the machine's while nothing runs. */
const ours = {
  Date: class extends RealDate {
    /** @param {any[]} from */
    constructor(...from) {
      // @ts-expect-error whatever Date takes
      super(...(from.length === 0 ? [nowMs()] : from));
    }

    /** @override */
    static now() {
      return nowMs();
    }
  },
  performance: { now: () => (borrower ? sinceStartMs(borrower) : real.performance.now()) },
  /** @type {(task: (...args: any[]) => void, ms?: number, ...args: any[]) => unknown} */
  setTimeout: (task, ms = 0, ...args) =>
    borrower ? new Timer(borrower.scheduler, ms, () => task(...args)) : real.setTimeout(task, ms, ...args),
  /** @type {(task: (...args: any[]) => void, ms?: number, ...args: any[]) => unknown} */
  setInterval: (task, ms = 0, ...args) =>
    borrower
      ? new Timer(borrower.scheduler, ms, () => task(...args), { repeats: true })
      : real.setInterval(task, ms, ...args),
  clearTimeout: clear,
  clearInterval: clear,
};

/** @param {Borrower} next */
export function borrowMachine(next) {
  borrower = next;
  Object.assign(globalThis, ours);
  // What peers make names of must not change what the scheduler, which puts its own here while it runs, draws next.
  Object.defineProperty(Math, 'random', { get: () => next.random.next, set: () => {}, configurable: true });
}

export function giveMachineBack() {
  borrower = undefined;
  Object.assign(globalThis, real);
  Object.defineProperty(Math, 'random', { value: random, writable: true, configurable: true });
}

/**
 * @template T
 * @param {() => Promise<T>} load
 * @returns {Promise<T>} what it loads, which has our functions for the machine's wherever it keeps them
 */
export async function loadedWithOurs(load) {
  Object.assign(globalThis, ours);
  try {
    return await load();
  } finally {
    Object.assign(globalThis, real);
  }
}

/** A timer as Node's are, by the time of a scheduler. */
class Timer {
  #scheduler;
  #ms;
  #task;
  #repeats;
  /** @type {() => void} */
  #cancel = () => {};

  /**
   * @param {Scheduler} scheduler
   * @param {number} ms
   * @param {() => void} task
   * @param {{ readonly repeats?: boolean }} [options]
   */
  constructor(scheduler, ms, task, { repeats = false } = {}) {
    this.#scheduler = scheduler;
    this.#ms = Math.max(1, ms);
    this.#task = task;
    this.#repeats = repeats;
    this.refresh();
  }

  refresh() {
    this.#cancel();
    this.#cancel = this.#scheduler.after(this.#ms, () => {
      if (this.#repeats) this.refresh();
      this.#task();
    });
    return this;
  }

  cancel() {
    this.#cancel();
  }

  ref() {
    return this;
  }

  unref() {
    return this;
  }

  hasRef() {
    return true;
  }
}

/** @param {any} timer */
function clear(timer) {
  if (timer instanceof Timer) timer.cancel();
  else real.clearTimeout(timer);
}

function nowMs() {
  return borrower ? borrower.epochMs + sinceStartMs(borrower) : real.Date.now();
}

/** @param {Borrower} borrower */
function sinceStartMs({ scheduler }) {
  return scheduler.nowMs + scheduler.steps * stepMs;
}
