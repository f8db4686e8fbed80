/** The current versions of what is cached, as users' functions tell them: those who ask in the same tick share an answer. */

import { textOf } from '../base/text.js';
import { type Time, withDeadline } from '../policies/deadline.js';

/** Asks the user's function. May throw. */
export type AskVersion = () => unknown;

export interface VersionQuestion {
  /** Whose version: the object that the method belongs to. */
  readonly self: unknown;
  /** For messages. */
  readonly where: string;
  readonly ask: AskVersion;
}

export interface VersionsOptions {
  /** The longest that an answer may take. */
  readonly deadlineMs: number;
  readonly time: Time;
  readonly report: (message: string, cause: unknown) => void;
}

/**
 * As with reads of a store (see stores/batch.ts), nobody gets an answer that was asked for before he came:
 *
 *   T1 asks for x: 1, under way · x changes: 2 · T0 reads x, stored under 1: with T1's answer it would be a hit
 */
export class Versions {
  readonly #options: VersionsOptions;
  readonly #gathering = new Map<string, { readonly self: unknown; readonly answer: Promise<string | undefined> }>();

  constructor(options: VersionsOptions) {
    this.#options = options;
  }

  /**
   * The version of what `key` names; undefined if that is not to be found out in time. Objects of one class may look at
   * different data, such as those of a transaction each.
   */
  current(key: string, { self, where, ask }: VersionQuestion): Promise<string | undefined> {
    const gathering = this.#gathering.get(key);
    if (gathering && gathering.self === self) return gathering.answer;
    const answer = this.#askSoon(key, where, ask);
    this.#gathering.set(key, { self, answer });
    return answer;
  }

  async #askSoon(key: string, where: string, ask: AskVersion): Promise<string | undefined> {
    // Callers of one tick do not all arrive in the same promise job: some had one `await` more before.
    for (let job = 0; job < 3; job++) await Promise.resolve();
    this.#gathering.delete(key);
    return this.alone(where, ask);
  }

  /** The same, and nobody shares the answer: inside a transaction it may be one that nobody else will ever get. */
  async alone(where: string, ask: AskVersion): Promise<string | undefined> {
    const { deadlineMs, time, report } = this.#options;
    try {
      return versionTextOf(await withDeadline(askNow(ask), deadlineMs, { time }));
    } catch (error) {
      const reason = error instanceof Error ? error.message : textOf(error);
      report(`${where}, version: ${reason}; the call is answered without the cache`, error);
      return undefined;
    }
  }
}

async function askNow(ask: AskVersion): Promise<unknown> {
  return ask();
}

/** A number, its text and a date of that number are three versions. */
function versionTextOf(version: unknown): string {
  if (typeof version === 'string') return `s${version}`;
  if (typeof version === 'number' && !Number.isNaN(version)) return `n${version}`;
  if (version instanceof Date && !Number.isNaN(version.getTime())) return `d${version.getTime()}`;
  throw new TypeError(`it gave ${shown(version)}, which is no string, number or date`);
}

function shown(version: unknown): string {
  if (version instanceof Date) return 'an invalid date';
  return typeof version === 'object' && version !== null ? 'an object' : String(version);
}
