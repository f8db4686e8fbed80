/** Bounds the time that is spent waiting for somebody else. */

import { performance } from 'node:perf_hooks';
import timers from 'node:timers';

// Taken from the modules and at import, so that fake timers in a user's tests cannot stop a deadline, wherever they begin.
const { setTimeout, clearTimeout, setImmediate } = timers;

/** Milliseconds on a clock that nobody sets and no fake timers stop. */
export const monotonicMs = performance.now.bind(performance);

/** Runs `task` when everything is done that the present event leads to. */
export function nextTurn(task: () => void): void {
  setImmediate(task);
}

/** The operation had no answer in time. It may still be carried out. */
export class DeadlineError extends Error {
  constructor(ms: number) {
    super(`no answer within ${ms} ms`);
    this.name = 'DeadlineError';
  }
}

/**
 * Settles as `work` does, or rejects with a {@link DeadlineError} after `ms`; a later failure of `work` goes to `onLate`.
 *
 * After something has blocked the process, timers run before the sockets are read, so that answers which have long been
 * here would all be too late: the deadline ends only after the sockets were read once more.
 */
export function withDeadline<T>(work: Promise<T>, ms: number, onLate: (error: unknown) => void = () => {}): Promise<T> {
  return new Promise((resolve, reject) => {
    let isOver = false;
    const timer = setTimeout(() => setImmediate(expire), ms);
    const settle =
      <A>(how: (answer: A) => void) =>
      (answer: A): void => {
        isOver = true;
        clearTimeout(timer);
        how(answer);
      };
    work.then(settle(resolve), settle(reject));

    function expire(): void {
      if (isOver) return;
      reject(new DeadlineError(ms));
      work.catch(onLate);
    }
  });
}

/** Runs `task` once after `ms`, and keeps the process alive for it: somebody waits. The returned function cancels it. */
export function awaited(ms: number, task: () => void): () => void {
  const timer = setTimeout(task, ms);
  return () => {
    clearTimeout(timer);
  };
}

/** Runs `task` once after `ms` without keeping the process alive; the returned function cancels it. */
export function later(ms: number, task: () => void): () => void {
  const timer = setTimeout(task, ms);
  timer.unref();
  return () => {
    clearTimeout(timer);
  };
}
