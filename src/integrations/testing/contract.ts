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

/** `work` has to end, well or badly, within `ms` of the machine's time. */
export async function ends<T>(work: Promise<T>, what: string, ms: number): Promise<PromiseSettledResult<T>> {
  let cancel = (): void => {};
  const late = new Promise<'late'>((resolve) => (cancel = awaited(ms, () => resolve('late'))));
  const [settled] = [Promise.allSettled([work])];
  const first = await Promise.race([settled, late]);
  cancel();
  if (first === 'late') assert.fail(`${what} has not ended after ${ms} ms`);
  return first[0];
}

/** Asks again and again, letting time go by, until it is so. */
export async function until(
  what: string,
  isSo: () => boolean,
  { wait, ms }: { wait: Wait; ms: number },
): Promise<void> {
  const end = monotonicMs() + ms;
  while (!isSo()) {
    if (monotonicMs() > end) assert.fail(`${what}: not so after ${ms} ms`);
    await wait(10);
  }
}
