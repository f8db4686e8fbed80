/** What the cache asks of the place where entries and generations live: memory, a server, or several as one. */

import type { Entry } from '../base/entry.js';
import type { Tier } from '../base/events.js';
import type { BusState, StoreState } from '../base/insight.js';
import type { Tokens } from '../policies/generations.js';
import type { Keeps, PayloadFormat } from '../policies/payload.js';

/** What a read found. */
export interface Reading {
  /** The entry, whatever its state; undefined where there is none or it could not be decoded. */
  readonly entry: Entry | undefined;
  /** Where `entry` was found. */
  readonly tier: Tier;
  /** How many milliseconds `entry` stays fresh; not above 0 if it has expired, `Infinity` where only the server's clock knows. */
  readonly remainingMs: number;
  /** The tokens of the names asked for, and of all that `entry` has. Undefined where the store gave no answer. */
  readonly tokens: Tokens | undefined;
  /** Whether a generation or an entry of this name must not be trusted here, as its removal has not been delivered. */
  readonly refuses: (name: string) => boolean;
  /**
   * Whether nothing has come between: since the read was sent, the store was not connected to anew. Servers may come back
   * with older data than they had.
   */
  readonly holds: () => boolean;
  /** The store gave no answer, and `entry`, valid a short while ago, may be served all the same. */
  readonly isGraced: boolean;
  /** Why there is no entry, or no answer. */
  readonly reason: string;
}

/** How a call wants to be answered. */
export interface ReadOptions {
  /** The generations that the call knows beforehand. */
  readonly names: readonly string[];
  readonly format: PayloadFormat;
  /** How long memory may trust what it knows of generations; 0 asks each time; undefined: as long as that is never stale. */
  readonly maxStalenessMs: number | undefined;
  /** Whether memory in front of a store is passed over: another process may have stored a newer entry. */
  readonly beyondMemory?: boolean;
  /** Generations that are probably missing. A store where making one takes a round trip may make them with the read. */
  readonly offers?: Offers | undefined;
}

/** Generations to be made where none stands; no answer says whether they were. */
export interface Offers {
  readonly names: readonly string[];
  readonly lifetimeMs: number;
}

/** A valid entry that was found without waiting. */
export interface LocalHit {
  readonly entry: Entry;
  /** Whether the store behind should hear that it was read: it slides there too. */
  readonly slides: boolean;
  /** What the cache remembers of it from one hit to the next; undefined at the first. */
  memo: unknown;
  /** Whether it was stored under this generation. */
  carries(name: string): boolean;
  /** How many milliseconds from `now` it stays fresh. */
  remainingMs(now: number): number;
}

/**
 * What came of the attempt to be the only one that computes an entry, over all processes.
 * - `mine`: nobody else does, until it is given back or ends
 * - `taken`: another one does
 * - `open`: another one did and could not store its result: nobody need wait for anybody
 * - `unknown`: the store gave no answer
 * - `unable`: the store cannot do such a thing
 */
export type LeaseState = 'mine' | 'taken' | 'open' | 'unknown' | 'unable';

/** How a lease is given back: the entry is stored, or it is not and others should compute it at the same time. */
export type LeaseEnd = 'stored' | 'open';

/**
 * Entries by key and generations by name. No operation rejects and none takes longer than the deadline: a failure is an
 * answer like any other, and is told once to the `report` that the store was made with.
 */
export interface Store {
  /** Whether it keeps the value of a payload, its text, or the one in front of the other. */
  readonly keeps: Keeps;
  /** How long an entry may be served, and a running method shared, while the store gives no answer; 0: not at all. */
  readonly graceMs: number;
  /** Whether one process can compute for all. */
  readonly canLease: boolean;
  /** An entry that is here already, without I/O, and valid `now`. Restarts its window where it slides. */
  peek(key: string, now: number, maxStalenessMs?: number): LocalHit | undefined;
  /** The entry and the generations of the names asked for and of the entry, as they were after the call. */
  read(key: string, options: ReadOptions): Promise<Reading>;
  /** The tokens of `names`, as they were after the call; undefined if the store gave no answer. */
  readTokens(names: readonly string[]): Promise<Tokens | undefined>;
  /** Makes a generation where none stands; the token that stands now, or undefined if that is not known for certain. */
  mint(name: string, lifetimeMs: number): Promise<string | undefined>;
  /** Keeps an entry for its lifetime, and its generations for long enough. True if it is kept. */
  write(key: string, entry: Entry): Promise<boolean>;
  /** Restarts the window of an entry that was read. False if it has to be written again for that. */
  slide(key: string, entry: Entry): Promise<boolean>;
  /** Deletes generations or entries. `deferred`: not delivered; refused here until it is. */
  remove(names: readonly string[]): Promise<'done' | 'deferred'>;
  /** Tries to get the lease of this name for so long. */
  lease(name: string, ms: number): Promise<LeaseState>;
  /** Goes on having a lease for so long from now. */
  renewLease(name: string, ms: number): Promise<void>;
  /** Gives a lease back. */
  endLease(name: string, how: LeaseEnd): Promise<void>;
  /** How it is, for people: nearest first. */
  state(): { readonly stores: readonly StoreState[]; readonly bus: BusState };
  /** Asks the other processes that can be reached; resolves with what they said. */
  ask(question: string, waitMs: number): Promise<readonly string[]>;
  /** Tries to deliver what is pending. */
  flush(): Promise<void>;
  /** Delivers what is pending and gives back what the store opened itself. */
  close(): Promise<void>;
}
