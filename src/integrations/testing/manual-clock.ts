/** A clock that stands still until a test moves it. Hides in which order timers run and when what they bring about is done. */

import type { Clock } from '../../base/clock.js';
import { type Duration, durationMs } from '../../base/duration.js';
import { CacheConfigError } from '../../base/errors.js';
import { textOf } from '../../base/text.js';
import { breakerLoaded } from '../../policies/breaker.js';
import { nextTurn } from '../../policies/deadline.js';

/** Give it to `createCache` as `clock`: the cache then has no other time and no other timers. */
export interface ManualClock extends Required<Clock> {
  /** How many timers wait to become due. */
  readonly pending: number;
  /**
   * Moves the time of day and the monotonic time forward; await it. What has been started goes on first, as far as it
   * comes without waiting. Then the timers that become due run one by one in their order, at the time at which they are due,
   * each followed by the promise jobs that it brings about. `0` moves nothing and lets promise jobs run. Calls that overlap run one
   * after the other.
   *
   * I/O takes its own time: a real server answers when it does.
   *
   * @throws CacheConfigError if `by` is no duration, or is `Infinity`
   * @throws what a timer throws; the clock then stands where that timer was due
   */
  advance(by: Duration): Promise<void>;
  /**
   * Sets the time of day alone, forwards or backwards, as when somebody sets the machine's clock. No timer runs.
   *
   * @throws CacheConfigError if `time` is neither a date nor a number of milliseconds
   */
  set(time: number | Date): void;
}

interface Timer {
  readonly dueAt: number;
  readonly task: () => void;
}

/** A round number that is the same in each run. */
const startOfTests = Date.UTC(2030, 0, 1);

/** Not 0, which a length of time may also be. */
const monotonicStart = 1_000;

/**
 * A clock that moves when a test says so.
 *
 * @param start the time of day at first, as a date or as milliseconds since the epoch. Default: 2030-01-01T00:00:00Z.
 * @throws CacheConfigError if `start` is neither
 *
 * @example
 * ```ts
 * import { createCache } from 'cachette';
 * import { manualClock } from 'cachette/testing';
 *
 * const clock = manualClock();
 * const cache = createCache('memory://', { clock });
 * const roll = cache.wrap('roll', async () => Math.random(), { ttl: '5m' });
 *
 * const first = await roll();
 * await clock.advance('299s');
 * console.log((await roll()) === first); // => true
 * await clock.advance('1s');
 * console.log((await roll()) === first); // => false
 * ```
 */
export function manualClock(start: number | Date = startOfTests): ManualClock {
  return new StandingClock(timeOf(start, 'manualClock'));
}

class StandingClock implements ManualClock {
  #now: number;
  #monotonic = monotonicStart;
  /** In the order in which they were made, which decides among those that are due at the same time. */
  readonly #timers = new Set<Timer>();
  #moving: Promise<void> = Promise.resolve();

  constructor(now: number) {
    this.#now = now;
  }

  get pending(): number {
    return this.#timers.size;
  }

  // Properties, as who is given a clock may take its functions out of it.
  readonly now = (): number => this.#now;

  readonly monotonic = (): number => this.#monotonic;

  /** Not before the next millisecond, as with the machine's timers: else a task that repeats itself at once would never end. */
  readonly after = (ms: number, task: () => void): (() => void) => {
    const timer = { dueAt: this.#monotonic + (ms > 1 ? ms : 1), task };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  };

  async advance(by: Duration): Promise<void> {
    const ms = lengthOf(by);
    const moved = this.#moving.then(() => this.#advance(ms));
    this.#moving = moved.catch(() => undefined);
    return moved;
  }

  set(time: number | Date): void {
    this.#now = timeOf(time, 'manualClock().set');
  }

  async #advance(ms: number): Promise<void> {
    // A first command that waits for it would set its deadline only after the time has moved.
    await breakerLoaded();
    await jobsDone();
    const end = this.#monotonic + ms;
    for (let timer = this.#nextUntil(end); timer; timer = this.#nextUntil(end)) {
      this.#moveTo(timer.dueAt);
      this.#timers.delete(timer);
      timer.task();
      await jobsDone();
    }
    this.#moveTo(end);
    await jobsDone();
  }

  #nextUntil(end: number): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueAt <= end && timer.dueAt < (next?.dueAt ?? Infinity)) next = timer;
    }
    return next;
  }

  /** A timer may be due already: it was made while another one ran. */
  #moveTo(monotonic: number): void {
    const ms = Math.max(0, monotonic - this.#monotonic);
    this.#monotonic += ms;
    this.#now += ms;
  }
}

/** All promise jobs, also those that others bring about, run before the event loop turns. */
function jobsDone(): Promise<void> {
  return new Promise((resolve) => nextTurn(resolve));
}

function lengthOf(by: Duration): number {
  const where = 'manualClock().advance';
  const complaint = {
    where,
    what: `${textOf(by)} is no length of time`,
    instead: "write milliseconds from 0, or a duration such as '5m'",
  };
  if (by === 0) return 0;
  if (by === Infinity) throw new CacheConfigError(complaint);
  try {
    return durationMs(by, where);
  } catch {
    throw new CacheConfigError(complaint);
  }
}

function timeOf(time: unknown, where: string): number {
  const ms = Object.prototype.toString.call(time) === '[object Date]' ? (time as Date).getTime() : time;
  if (typeof ms === 'number' && Number.isFinite(ms)) return ms;
  throw new CacheConfigError({
    where,
    what: `${textOf(time)} is no time`,
    instead: 'write a valid date, or milliseconds since the epoch',
  });
}
