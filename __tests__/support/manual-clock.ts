import type { Clock } from '../../src/base/clock.js';

/** A clock that moves when the test says so. */
export class ManualClock implements Clock {
  #now = 1_700_000_000_000;

  now(): number {
    return this.#now;
  }

  advance(ms: number): void {
    this.#now += ms;
  }
}
