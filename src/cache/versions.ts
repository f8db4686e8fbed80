/** The current versions of what is cached, as users' functions tell them: those who ask in the same tick share an answer. */

import { withDeadline } from '../policies/deadline.js';

/** Asks the user's function. May throw. */
export type AskVersion = () => unknown;

/**
 * As with reads of a store (see stores/batch.ts), nobody gets an answer that was asked for before he came:
 *
 *   T1 asks for x: 1, under way · x changes: 2 · T0 reads x, stored under 1: with T1's answer it would be a hit
 */
export class Versions {
  readonly #deadlineMs: number;
  readonly #report: (message: string, cause: unknown) => void;
  readonly #gathering = new Map<string, Promise<string | undefined>>();

  constructor(deadlineMs: number, report: (message: string, cause: unknown) => void) {
    this.#deadlineMs = deadlineMs;
    this.#report = report;
  }

  /** The version of what `key` names; undefined if that is not to be found out in time. */
  current(key: string, where: string, ask: AskVersion): Promise<string | undefined> {
    let answer = this.#gathering.get(key);
    if (!answer) {
      answer = this.#askSoon(key, where, ask);
      this.#gathering.set(key, answer);
    }
    return answer;
  }

  async #askSoon(key: string, where: string, ask: AskVersion): Promise<string | undefined> {
    // Callers of one tick do not all arrive in the same promise job: some had one `await` more before.
    for (let job = 0; job < 3; job++) await Promise.resolve();
    this.#gathering.delete(key);
    try {
      return textOf(await withDeadline(askNow(ask), this.#deadlineMs));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#report(`${where}, version: ${reason}; the call is answered without the cache`, error);
      return undefined;
    }
  }
}

async function askNow(ask: AskVersion): Promise<unknown> {
  return ask();
}

/** A number, its text and a date of that number are three versions. */
function textOf(version: unknown): string {
  if (typeof version === 'string') return `s${version}`;
  if (typeof version === 'number' && !Number.isNaN(version)) return `n${version}`;
  if (version instanceof Date && !Number.isNaN(version.getTime())) return `d${version.getTime()}`;
  throw new TypeError(`it gave ${shown(version)}, which is no string, number or date`);
}

function shown(version: unknown): string {
  if (version instanceof Date) return 'an invalid date';
  return typeof version === 'object' && version !== null ? 'an object' : String(version);
}
