/** What came of a call, for tests that read it at a glance. */

import type { Cache, Outcome } from 'cachette';

/** The value of a call, and how the outermost one in it was answered. */
export async function told<T>(of: Cache, call: () => Promise<T>): Promise<[value: T, outcome: string]> {
  const { value, calls } = await of.explain(call);
  const last = calls.at(-1) as Outcome;
  return [value, `${last.status}: ${last.reason}`];
}

/** What a call rejects with; caught at once, as the test may have to go on first. */
export function errorOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => undefined,
    (error: unknown) => error,
  );
}
