/** What the cache keeps: a value with the generations it was computed under, and how long it may live. */

/** The name of a generation in the store, and the random token that stood there. */
export type Generation = readonly [name: string, token: string];

/** How long an entry lives, in milliseconds; `Infinity` where there is no end. */
export interface Lifetime {
  /** The writer's clock at the write. */
  readonly writtenAt: number;
  /** From the write, or from the last access where it slides. Jitter has been taken off. */
  readonly ttlMs: number;
  readonly sliding: boolean;
  /** From the write, whatever the accesses. */
  readonly maxLifetimeMs: number;
  /** The writer's clock when it was last known to be read, where it slides; at first the write. */
  readonly accessedAt: number;
  /** How long it is kept after it has expired, for those who may be served a stale value. */
  readonly staleMs: number;
}

/** A result in the form in which it is kept. No caller can change it through what it was given. */
export interface Payload {
  /** What a caller gets. Throws if it cannot be decoded. */
  copy(): unknown;
  /** What a shared store keeps. Throws an `UnstorableError` if the value cannot be written. */
  readonly text: string;
  /** The id of the codec that writes and reads `text`. */
  readonly codec: string;
}

/** One cached result, or, without a payload, the names of the late tags that the next compute has to capture first. */
export interface Entry extends Lifetime {
  /** Captured before the result was computed; in an entry without a payload the tokens are unknown. */
  readonly generations: readonly Generation[];
  readonly payload: Payload | undefined;
  /** Whether the payload is what the method threw. */
  readonly isError: boolean;
  /** What the method's `version` gave before the result was computed; undefined where it has none. */
  readonly version: string | undefined;
  /** How long the method ran, in milliseconds. */
  readonly loadMs: number;
}

/** Milliseconds that `entry` stays fresh from `now` on if nobody reads it; not above 0 if it has expired. */
export function remainingMs(entry: Lifetime, accessedAt: number, now: number): number {
  const windowEnd = (entry.sliding ? accessedAt : entry.writtenAt) + entry.ttlMs;
  return Math.min(windowEnd, entry.writtenAt + entry.maxLifetimeMs) - now;
}

/** Milliseconds that `entry` is to be kept from `now` on, where it was just read. */
export function keptMs(entry: Lifetime, now: number): number {
  return remainingMs(entry, now, now) + entry.staleMs;
}

/** The same entry, read at `now`. Written out, as an entry in memory is an object of a class, which a spread would not copy. */
export function accessedNow(entry: Entry, now: number): Entry {
  return {
    writtenAt: entry.writtenAt,
    ttlMs: entry.ttlMs,
    sliding: entry.sliding,
    maxLifetimeMs: entry.maxLifetimeMs,
    accessedAt: now,
    staleMs: entry.staleMs,
    generations: entry.generations,
    payload: entry.payload,
    isError: entry.isError,
    version: entry.version,
    loadMs: entry.loadMs,
  };
}
