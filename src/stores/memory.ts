/** Memory alone: entries and generations live in this process, and an invalidation needs nobody else. */

import type { Clock } from '../base/clock.js';
import type { Entry } from '../base/entry.js';
import type { BusState, StoreState } from '../base/insight.js';
import { newToken, type Tokens } from '../policies/generations.js';
import { generationRecord } from './resident.js';
import { type MemoryBounds, Residents } from './residents.js';
import type { LocalHit, Reading, ReadOptions, Store } from './store.js';

export type { MemoryBounds };

export class MemoryStore implements Store {
  readonly keeps = 'value';
  readonly graceMs = 0;
  readonly canLease = true;
  readonly #clock: Clock;
  readonly #residents: Residents;

  constructor(clock: Clock, bounds: MemoryBounds) {
    this.#clock = clock;
    this.#residents = new Residents(bounds);
  }

  peek(key: string, now: number): LocalHit | undefined {
    const resident = this.#residents.get(key);
    if (resident === undefined || resident.payload === undefined) return undefined;
    if (resident.isExpired(now) || !resident.isCurrent()) return undefined;
    resident.access(now);
    return resident;
  }

  async read(key: string, { names }: ReadOptions): Promise<Reading> {
    const entry = this.#residents.get(key);
    return {
      entry,
      tier: 'memory',
      remainingMs: entry?.remainingMs(this.#clock.now()) ?? 0,
      tokens: this.#residents.tokens([...names, ...(entry?.generations ?? []).map(([name]) => name)]),
      refuses: () => false,
      holds: () => true,
      isGraced: false,
      reason: entry ? 'fresh' : 'absent',
    };
  }

  readTokens(names: readonly string[]): Promise<Tokens> {
    return Promise.resolve(this.#residents.tokens(names));
  }

  mint(name: string, lifetimeMs: number): Promise<string> {
    const standing = this.#residents.record(name) ?? this.#residents.add(generationRecord(name, newToken(lifetimeMs)));
    return Promise.resolve(standing.token);
  }

  write(key: string, entry: Entry): Promise<boolean> {
    return Promise.resolve(this.#residents.keep(key, entry, this.#clock.now()) !== undefined);
  }

  /** For who has read without peeking. The window is kept beside the entry. */
  slide(key: string, entry: Entry): Promise<boolean> {
    const resident = this.#residents.peek(key);
    if (resident?.writtenAt === entry.writtenAt) resident.access(this.#clock.now());
    return Promise.resolve(true);
  }

  remove(names: readonly string[]): Promise<'done'> {
    for (const name of names) this.#residents.drop(name);
    return Promise.resolve('done');
  }

  /** There is only this process, which has one flight for each key. */
  lease(): Promise<'mine'> {
    return Promise.resolve('mine');
  }

  renewLease(): Promise<void> {
    return Promise.resolve();
  }

  endLease(): Promise<void> {
    return Promise.resolve();
  }

  state(): { readonly stores: readonly StoreState[]; readonly bus: BusState } {
    return { stores: [this.#residents.state], bus: { state: 'none', peers: 0 } };
  }

  ask(): Promise<readonly string[]> {
    return Promise.resolve([]);
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#residents.clear();
    return Promise.resolve();
  }
}
