/** Bounds the time that is spent waiting for somebody else. */

import { performance } from 'node:perf_hooks';
import timers from 'node:timers';

import type { Clock } from '../base/clock.js';

// Taken from the modules and at import, so that fake timers in a user's tests cannot stop a deadline, wherever they begin.
const { setTimeout, clearTimeout, setImmediate } = timers;

/** Milliseconds on a clock that nobody sets and no fake timers stop. */
export const monotonicMs = performance.now.bind(performance);

/** Runs `task` when everything is done that the present event leads to. */
export function nextTurn(task: () => void): void {
  setImmediate(task);
}

let turn: Promise<void> | undefined;

/**
 * Resolves in the next turn of the event loop. An answer that needs no I/O waits for this now and then: callers who ask
 * again at once would otherwise keep the process from the sockets and timers that could end what they are answered with.
 */
export function turnOver(): Promise<void> {
  return (turn ??= new Promise((resolve) => {
    setImmediate(() => {
      turn = undefined;
      resolve();
    });
  }));
}

/** The operation had no answer in time. It may still be carried out. */
export class DeadlineError extends Error {
  constructor(ms: number) {
    super(`no answer within ${ms} ms`);
    this.name = 'DeadlineError';
  }
}

/** Runs a task once after so many milliseconds; what it gives cancels that. */
type After = (ms: number, task: () => void) => () => void;

/** Lengths of time and timers. */
export interface Time {
  /** Milliseconds that only grow. */
  readonly monotonicMs: () => number;
  /** Runs `task` once after `ms`, and keeps the process alive for it: somebody waits. The returned function cancels it. */
  readonly awaited: After;
  /** Runs `task` once after `ms` without keeping the process alive; the returned function cancels it. */
  readonly later: After;
  /**
   * Runs `task` once after `ms`. After something has blocked the process, timers run before the sockets are read, so that
   * answers which have long been here would all be too late: it runs only after the sockets were read once more. Where the
   * process was blocked for long, what is waited for may not even have been sent: then it is given the same time again.
   */
  readonly deadline: After;
}

/** A timer that is so late was kept from running. */
const blockedMs = 50;

/** The machine's own. */
export const machineTime: Time = {
  monotonicMs,
  awaited: (ms, task) => {
    const timer = setTimeout(task, ms);
    return () => {
      clearTimeout(timer);
    };
  },
  later: (ms, task) => {
    const timer = setTimeout(task, ms);
    timer.unref();
    return () => {
      clearTimeout(timer);
    };
  },
  deadline: (ms, task) => {
    const dueAtMs = monotonicMs() + ms;
    const isOver = (): void => void setImmediate(task);
    let timer = setTimeout(() => {
      if (monotonicMs() - dueAtMs < blockedMs) isOver();
      else timer = setTimeout(isOver, ms);
    }, ms);
    return () => {
      clearTimeout(timer);
    };
  },
};

export const { awaited, later } = machineTime;

/** What a clock brings of its own, and for the rest the machine's. */
export function timeOf(clock: Clock): Time {
  const own: { -readonly [K in keyof Time]?: Time[K] } = {};
  if (clock.monotonic) own.monotonicMs = () => clock.monotonic?.() ?? monotonicMs();
  if (clock.after) own.awaited = own.later = own.deadline = (ms, task) => clock.after?.(ms, task) ?? (() => {});
  return { ...machineTime, ...own };
}

export interface DeadlineOptions {
  /** Is given a later failure of the work. */
  readonly onLate?: (error: unknown) => void;
  /** Default: the machine's. */
  readonly time?: Time;
}

/** Settles as `work` does, or rejects with a {@link DeadlineError} after `ms`. */
export function withDeadline<T>(work: Promise<T>, ms: number, options: DeadlineOptions = {}): Promise<T> {
  const { onLate = () => {}, time = machineTime } = options;
  return new Promise((resolve, reject) => {
    let isOver = false;
    const cancel = time.deadline(ms, expire);
    const settle =
      <A>(how: (answer: A) => void) =>
      (answer: A): void => {
        isOver = true;
        cancel();
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
