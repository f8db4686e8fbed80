/** Waits for what other processes do, by asking them again and again. */
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 10;

/** A check that rejects counts as not yet. `what` is the statement that the error after `withinMs` denies. */
export async function until(what: string, check: () => Promise<boolean> | boolean, withinMs = 20_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  let lastError: unknown;
  while (performance.now() < deadline) {
    try {
      if (await check()) return;
    } catch (error) {
      lastError = error;
    }
    await sleep(POLL_MS);
  }
  throw new Error(`${what}: not so after ${withinMs} ms.`, { cause: lastError });
}
