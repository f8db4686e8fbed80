/** Where the cache reads the time, so that tests can move it. */

/** Gives the time in milliseconds since the epoch, as `Date.now()` does. */
export interface Clock {
  /** The time. */
  now(): number;
}

/** The machine's clock. `Date.now` is looked up at each call, so that fake timers move it. */
export const systemClock: Clock = { now: () => Date.now() };
