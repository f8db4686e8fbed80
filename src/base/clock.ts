/** Where the cache reads the time, so that tests can move it. */

/** The time of day and, where a test wants to own that too, the length of time and the timers. */
export interface Clock {
  /** The time of day, in milliseconds since the epoch, as `Date.now()` gives it. */
  now(): number;
  /** Milliseconds that only grow, for lengths of time: leases, deadlines, waiting. Default: the machine's. */
  monotonic?(): number;
  /** Runs `task` once, after `ms`; the returned function cancels it. Default: the machine's timers. */
  after?(ms: number, task: () => void): () => void;
}

/** The machine's clock. `Date.now` is looked up at each call, so that fake timers move it. */
export const systemClock: Clock = { now: () => Date.now() };
