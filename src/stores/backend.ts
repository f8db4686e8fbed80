/** The few commands that the cache asks of a server, and the three ways in which a server can fail. */

import type { StoreBus } from './bus.js';

/**
 * A key-value server that keeps text: what a store of one's own has to be, to be handed to `createCache`. Commands are sent at once and never repeated by the client: a repeated `add` could
 * bring back a generation that was deleted in between. None of them bounds its own time; the caller does. A command that fails rejects; an error with a
 * `failure` says how.
 */
export interface Backend {
  /** The URI without its password, for messages. */
  readonly name: string;
  /** Texts longer than this many bytes are refused before they are sent; `Infinity` where the server has no bound. */
  readonly maxTextBytes: number;
  /** How much longer than its ttl the server may keep a key, as its clock ticks coarsely. Absent: not longer. */
  readonly lateByMs?: number;
  /** Resolves when the code of the adapter is here: loading it is not the server's time. */
  readonly loaded?: Promise<unknown>;
  /** One round trip. The texts in the order of `keys`, `undefined` for what is absent. */
  getMany(keys: readonly string[]): Promise<readonly (string | undefined)[]>;
  /** `ttlMs` is whole and at least 1, or `Infinity`. */
  set(key: string, text: string, ttlMs: number): Promise<void>;
  /** Resolves once all are gone, whether they had been there or not. */
  deleteMany(keys: readonly string[]): Promise<void>;
  /** Writes where nothing is; true if it wrote. Absent where the server cannot. */
  readonly add?: (key: string, text: string, ttlMs: number) => Promise<boolean>;
  /** Restarts the server's own clock for the key without writing it; false if it is gone. Absent where the server cannot. */
  readonly touch?: (key: string, ttlMs: number) => Promise<boolean>;
  /**
   * Grows with every new connection, failover included; what was read under another number was read before a reconnect.
   * Absent or undefined where no server can come back with older data than it had: memcached comes back empty.
   */
  readonly session?: number | undefined;
  /** What the servers call themselves in this run, sorted: another answer means that one was restarted or replaced. */
  readonly serverIds?: () => Promise<readonly string[]>;
  /** A new bus over the same servers. Absent where they have none. */
  readonly bus?: (channel: string) => StoreBus;
  /** Closes what the backend opened itself. Commands afterwards reject; a second close does nothing. */
  close(): Promise<void>;
}

/**
 * - `unreachable`: no answer (refused connection, lost connection, offline, closed). The server may be gone.
 * - `refused`: the server answered that it will not (out of memory, read-only, value too large). It is alive.
 * - `misconfigured`: it will never work like this (wrong password, unknown host). Reported once, loudly.
 */
export type BackendFailure = 'unreachable' | 'refused' | 'misconfigured';

/** Whether `value` has what a backend has. A store adapter has `get`, and may have all the rest. */
export function isBackend(value: unknown): value is Backend {
  if (typeof value !== 'object' || value === null) return false;
  const { name, maxTextBytes } = value as Partial<Backend>;
  const has = (method: string): boolean => typeof (value as Record<string, unknown>)[method] === 'function';
  const isComplete = ['getMany', 'set', 'deleteMany', 'close'].every(has) && !has('get');
  return isComplete && typeof name === 'string' && typeof maxTextBytes === 'number';
}

const failures: readonly unknown[] = ['unreachable', 'refused', 'misconfigured'] satisfies BackendFailure[];

/** What an error says of the server; undefined for one that is none of a backend's. By its shape, as the package may be here twice. */
export function failureOf(error: unknown): BackendFailure | undefined {
  const failure = typeof error === 'object' && error !== null && (error as Partial<BackendError>).failure;
  return failures.includes(failure) ? (failure as BackendFailure) : undefined;
}

/** Why a command failed. The message never contains a password. */
export class BackendError extends Error {
  readonly failure: BackendFailure;

  constructor(failure: BackendFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'BackendError';
    this.failure = failure;
  }
}
