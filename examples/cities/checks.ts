/** Finds stale reads: those that show less than what had been written before they began. */

import { isDeepStrictEqual } from 'node:util';
import type { City } from './cities.js';

export type Seen = City | City[] | undefined;
export type Read = () => Promise<Seen>;

export class Checks {
  /** How many reads were judged by the versions that they show. */
  checked = 0;
  /** How many reads were compared with the database. */
  compared = 0;
  stale = 0;
  readonly #written = new Map<number, { readonly write: number; readonly version: number }[]>();
  #writesBegun = 0;
  #writesEnded = 0;

  get writes(): number {
    return this.#writesEnded;
  }

  /** What was written, each once. */
  get writtenIds(): number[] {
    return [...this.#written.keys()];
  }

  /** Call it before a read, and what it gives with the result: no row may be older than the writes that have returned now. */
  beforeRead(): (seen: Seen) => void {
    const writes = this.#writesEnded;
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
    if (!city) return;
    const history = this.#written.get(city.id) ?? [];
    // Two writes to one row may return in the other order.
    const version = Math.max(city.version, history.at(-1)?.version ?? 1);
    history.push({ write: this.#writesEnded, version });
    this.#written.set(city.id, history);
  }

  /** Compares a read with the same one past the cache. Nothing is said where a write ran: then both may be right. */
  async compare(read: Read, pastTheCache: Read): Promise<void> {
    const [begun, ended] = [this.#writesBegun, this.#writesEnded];
    const [seen, stored] = [await read(), await pastTheCache()];
    if (ended !== begun || this.#writesBegun !== begun) return;
    this.compared++;
    if (!isDeepStrictEqual(seen, stored)) this.stale++;
  }

  #versionAfter(writes: number, id: number): number {
    return this.#written.get(id)?.findLast(({ write }) => write <= writes)?.version ?? 1;
  }
}
