/**
 * One compute over all processes: who gets the lease computes, the others wait for the value in the store. A lease whose
 * holder has died ends by itself; one whose method takes long is prolonged.
 */

import type { LeaseEnd, LeaseState } from '../stores/store.js';
import type { Core } from './core.js';

/** A dead process holds up the others no longer than this. */
const leaseMs = 3_000;
const firstPauseMs = 10;
const longestPauseMs = 200;
/** Who has waited for so long computes for itself: two processes may wait for each other. */
const patienceMs = 30_000;

/** One's turn to compute, to be ended once the result is stored or is not going to be. */
export interface Turn {
  readonly end: (how: LeaseEnd) => Promise<void>;
}

export interface Waiting<T> {
  readonly core: Core;
  readonly key: string;
  /** For a message. */
  readonly where: string;
  /** Whether anybody still waits for the value. */
  readonly isWanted: () => boolean;
  /** Called when another process computes and this call begins to wait. */
  readonly onWait: () => void;
  /** Looks for the value once more. */
  readonly find: () => Promise<T | undefined>;
}

/** Resolves when another process has stored the value, or when it is this one's turn to compute it. */
export async function takeTurn<T>(waiting: Waiting<T>): Promise<Turn | { readonly answer: T }> {
  const { core, key, where, isWanted, onWait, find } = waiting;
  const name = core.names.lease(key);
  for (let pauseMs = firstPauseMs, waitedMs = 0; ; pauseMs = Math.min(pauseMs * 1.5, longestPauseMs)) {
    const state = await core.store.lease(name, leaseMs);
    if (state === 'unable') warnUnable(core, where);
    if (state === 'unable' || state === 'unknown' || state === 'open' || waitedMs > patienceMs) return nobodys;
    if (state === 'taken' && waitedMs === 0) onWait();
    if (state === 'taken') await pause(core, pauseMs * (0.5 + Math.random() / 2));
    waitedMs += pauseMs;
    if (!isWanted()) return giveUp(core, name, state);
    // Also with the lease: whoever had it before may have stored the value since this call looked for it.
    const answer = await find();
    if (answer === undefined && state === 'mine') return { end: hold(core, name) };
    if (answer === undefined) continue;
    if (state === 'mine') await core.store.endLease(name, 'stored');
    return { answer };
  }
}

/** Nobody waits: the method is not run for nobody, and others need not wait for that. */
async function giveUp(core: Core, name: string, state: LeaseState): Promise<never> {
  if (state === 'mine') await core.store.endLease(name, 'open');
  throw new UnwantedError();
}

/** All callers have gone while another process computed. */
export class UnwantedError extends Error {}

/** The same for who need not wait: `taken` if another process computes. */
export async function tryTurn(core: Core, key: string, where: string): Promise<Turn | 'taken'> {
  const name = core.names.lease(key);
  const state = await core.store.lease(name, leaseMs);
  if (state === 'unable') warnUnable(core, where);
  if (state === 'taken') return state;
  return state === 'mine' ? { end: hold(core, name) } : nobodys;
}

const nobodys: Turn = { end: () => Promise.resolve() };

/** Prolongs the lease until it is ended. */
function hold(core: Core, name: string): (how: LeaseEnd) => Promise<void> {
  let cancel = (): void => {};
  const renewLater = (): void => {
    cancel = core.time.later(leaseMs / 3, () => {
      renewLater();
      core.inBackground(core.store.renewLease(name, leaseMs));
    });
  };
  renewLater();
  let isOver = false;
  return (how) => {
    cancel();
    if (isOver) return Promise.resolve();
    isOver = true;
    return core.store.endLease(name, how);
  };
}

function pause({ time }: Core, ms: number): Promise<void> {
  return new Promise((resolve) => time.awaited(ms, resolve));
}

function warnUnable(core: Core, where: string): void {
  core.warn(
    'single-flight',
    `${where}: singleFlight: 'fleet' is the same as 'process' here, as the store cannot write where nothing is; ` +
      'use Redis or memcached for it',
  );
}
