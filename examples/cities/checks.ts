/** Finds stale reads: those that show less than what had been written before they began. */

import { isDeepStrictEqual } from 'node:util';
import type { City } from './cities.js';

export type Seen = City | City[] | undefined;
export type Read = () => Promise<Seen>;

/** How many writes have begun, and how many of them have returned. */
export interface WritesSoFar {
  readonly begun: number;
  readonly ended: number;
}

/** Other processes that write to the same rows. */
export interface Elsewhere {
  /** A write here has returned. */
  written(city: City | undefined): void;
  /** Of all processes, this one included. */
  soFar(): Promise<WritesSoFar>;
}

export interface ChecksOptions {
  readonly elsewhere: Elsewhere;
  /** What was written so far is known from there. */
  readonly before?: Checks | undefined;
}

export class Checks {
  /** How many reads were judged by the versions that they show. */
  checked = 0;
  /** How many reads were compared with the database. */
  compared = 0;
  stale = 0;
  readonly #written = new Map<number, { readonly write: number; readonly version: number }[]>();
  readonly #elsewhere: Elsewhere | undefined;
  #writesBegun = 0;
  #writesEnded = 0;
  #writesHeard = 0;

  constructor({ elsewhere, before }: Partial<ChecksOptions> = {}) {
    this.#elsewhere = elsewhere;
    for (const [id, history] of before ? before.#written : [])
      this.#written.set(id, [{ write: 0, version: history.at(-1)?.version ?? 1 }]);
  }

  get writes(): number {
    return this.#writesEnded;
  }

  /** What was written since these checks began, each once. */
  get writtenIds(): number[] {
    return [...this.#written].filter(([, history]) => history.at(-1)?.write !== 0).map(([id]) => id);
  }

  /** Call it before a read, and what it gives with the result: no row may be older than the writes that have returned now. */
  beforeRead(): (seen: Seen) => void {
    const writes = this.#writesEnded + this.#writesHeard;
    return (seen) => {
      this.checked++;
      const isOld = (city: City | undefined) => !city || city.version < this.#versionAfter(writes, city.id);
      if ([seen].flat().some(isOld)) this.stale++;
    };
  }

  async write(write: () => Promise<City | undefined>): Promise<void> {
    this.#writesBegun++;
    const city = await write();
    this.#writesEnded++;
    if (city) this.#note(city);
    this.#elsewhere?.written(city);
  }

  /** Another process has written; it had returned there before this was told. */
  hear(city: City): void {
    this.#writesHeard++;
    this.#note(city);
  }

  /** Compares a read with the same one past the cache. Nothing is said where a write ran: then both may be right. */
  async compare(read: Read, pastTheCache: Read): Promise<void> {
    const before = this.#elsewhere ? await this.#elsewhere.soFar() : this.#soFar;
    const [seen, stored] = [await read(), await pastTheCache()];
    const after = this.#elsewhere ? await this.#elsewhere.soFar() : this.#soFar;
    if (before.ended !== before.begun || after.begun !== before.begun) return;
    this.compared++;
    if (!isDeepStrictEqual(seen, stored)) this.stale++;
  }

  get #soFar(): WritesSoFar {
    return { begun: this.#writesBegun, ended: this.#writesEnded };
  }

  #note({ id, version }: City): void {
    const history = this.#written.get(id) ?? [];
    // Two writes to one row may return in the other order.
    history.push({
      write: this.#writesEnded + this.#writesHeard,
      version: Math.max(version, history.at(-1)?.version ?? 1),
    });
    this.#written.set(id, history);
  }

  #versionAfter(writes: number, id: number): number {
    return this.#written.get(id)?.findLast(({ write }) => write <= writes)?.version ?? 1;
  }
}
