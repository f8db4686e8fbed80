/** Where the cache reads the time, so that tests can move it. */

/** Gives the time in milliseconds since the epoch, as `Date.now()` does. */
export interface Clock {
  /** The time in ms since the epoch. */
  now(): number;
  /** Milliseconds that only grow; for lengths: leases, deadlines, waiting. Default: the machine's. */
  monotonic?(): number;
  /** Runs `task` once, after `ms`; the returned function cancels it. Default: the machine's timers. */
  after?(ms: number, task: () => void): () => void;
}

/** The machine's clock. `Date.now` is looked up at each call, so that fake timers move it. */
export const systemClock: Clock = { now: () => Date.now() };
