/** A fact that a store or a bus must keep, as a test for any runner; and what facts have in common. */

import assert from 'node:assert/strict';
import { awaited, monotonicMs } from '../../policies/deadline.js';
import type { ManualClock } from './manual-clock.js';

/** One fact, for `test(name, run)` of any runner. */
export interface ContractTest {
  /** What is so, in the present tense. */
  readonly name: string;
  /** It ends by itself in far less, unless something hangs. */
  readonly timeoutMs: number;
  /** Resolves if it is so. Rejects with what is otherwise. */
  readonly run: () => Promise<void>;
}

/** Of most facts. */
export const usualTimeoutMs = 30_000;

/** Lets so much time go by. */
export type Wait = (ms: number) => Promise<unknown>;

/** Moves the clock, if there is one; else the machine's time has to go by. */
export function waitBy(clock: ManualClock | undefined): Wait {
  return clock ? (ms) => clock.advance(ms) : (ms) => new Promise<void>((resolve) => awaited(ms, resolve));
}

export interface Patience {
  readonly wait: Wait;
  /** By the machine's time. */
  readonly withinMs: number;
}

/** Asks again and again, letting time go by, until it is so. */
export async function until(what: string, isSo: () => boolean, { wait, withinMs }: Patience): Promise<void> {
  const end = monotonicMs() + withinMs;
  while (!isSo()) {
    if (monotonicMs() > end) assert.fail(`${what}: not so after ${withinMs} ms`);
    await wait(10);
  }
}

/** How something ended, well or badly; it has to. */
export async function ended<T>(what: string, work: Promise<T>, patience: Patience): Promise<PromiseSettledResult<T>> {
  let result: PromiseSettledResult<T> | undefined;
  void Promise.allSettled([work]).then(([settled]) => (result = settled));
  await until(`${what} ends`, () => result !== undefined, patience);
  return result as unknown as PromiseSettledResult<T>;
}
