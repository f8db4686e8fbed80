/**
 * What was accessed when, in fixed memory, so that it can be replayed with other settings: the accesses of a sample of keys.
 *
 * A key is in the sample or not by its hash, so all its accesses are known or none ("Efficient MRC Construction with SHARDS",
 * Waldspurger, Park, Garthwaite, Ahmad 2015). Until there are too many keys, the sample is all of them.
 */

import {
  access,
  EventLog,
  type EventKind,
  longAgo,
  look,
  lookAtInvalidated,
  type Merging,
  type Name,
  type Owner,
  removal,
  type SampledKey,
  unstored,
} from './event-log.js';

/** What is told of a result that was stored. */
export interface StoredResult {
  /** Of all its generations. */
  readonly names: readonly string[];
  readonly bytes?: number | undefined;
  readonly loadMs: number;
  readonly ttlMs?: number | undefined;
  /** By the clock of the accesses. */
  readonly writtenAt?: number | undefined;
}

/** Entries that other processes have stored, as far as this one has met them. */
export interface Others {
  /** How many hits of sampled keys were on them. */
  hits: number;
  /** When the first of them was written. */
  since: number;
}

/** How much is recorded; each has a default. */
export interface RecorderBounds {
  /** Sampled keys. Default 4,096. */
  readonly maxKeys?: number | undefined;
  /** Events of them. Default 65,536. */
  readonly maxEvents?: number | undefined;
  /** What memory may hold: accesses are not merged over what could push an entry out. */
  readonly maxEntries?: number | undefined;
}

/** A recording as it stands: to be read at once, as it changes with the next access. */
export interface Recording {
  readonly log: EventLog;
  readonly keys: Iterable<SampledKey>;
  /** How many names these keys carry. */
  readonly names: number;
  /** The part of the keys that is in it, above 0 and not above 1. */
  readonly rate: number;
  /** Accesses of a key within this time of each other may be one event. */
  readonly quantumMs: number;
  /** By method, the calls of sampled keys that were recorded once and are forgotten; undefined where that is not known. */
  readonly forgotten: ReadonlyMap<string, number> | undefined;
  /** By method. */
  readonly others: ReadonlyMap<string, Others>;
}

/** As many hashes as there are. */
const allHashes = 2 ** 32;
/** An event stands for accesses no farther apart than this, in milliseconds. */
const maxQuantumMs = 250;
/** Nor than this part of the shortest ttl. */
const quantaPerTtl = 20;
/** Below this, a smaller sample says too little, and the past is forgotten instead. */
const minKeys = 1_024;
/** Names that keys carry, all together. */
const maxLinks = 32_768;
/** And one alone. */
const maxNames = 256;
/** Methods whose forgotten calls are counted. */
const maxMethods = 1_000;
/** How many of the longest ttl a recording is to span before old events are given up for new keys. */
const ttlsPerSpan = 20;
const minSpanMs = 600_000;
const maxSpanMs = 86_400_000;
/** The part of {@link RecorderBounds.maxEntries} over which accesses may be merged. */
const reachPart = 1 / 2;

export class Recorder {
  readonly #maxKeys: number;
  readonly #maxEvents: number;
  readonly #maxEntries: number;
  readonly #keys = new Map<string, SampledKey>();
  readonly #names = new Map<string, Name>();
  readonly #log: EventLog;
  /** Undefined after a new beginning: it says no more how the sample relates to all calls. */
  #forgotten: Map<string, number> | undefined = new Map();
  #forgottenUntil = -Infinity;
  readonly #others = new Map<string, Others>();
  /** Keys with a hash below it are sampled. */
  #threshold = allHashes;
  #merging: Merging;
  #links = 0;
  #shortestTtlMs = Infinity;
  #longestTtlMs = 0;
  /** What is not in the sample may have been accessed before this moment, and was left out since. */
  #unknownBefore = -Infinity;
  /** When it is to be seen next whether the sample may be larger again. */
  #reviewAt = -Infinity;

  constructor({ maxKeys = 4_096, maxEvents = 65_536, maxEntries = Infinity }: RecorderBounds = {}) {
    this.#maxKeys = maxKeys;
    this.#maxEvents = maxEvents;
    this.#maxEntries = maxEntries;
    this.#log = new EventLog(maxEvents);
    this.#merging = { quantumMs: 0, reach: this.#reach() };
  }

  /** The key, to be given to {@link accessed}; undefined if it is not in the sample. */
  find(key: string): SampledKey | undefined {
    return this.#keys.get(key);
  }

  /** An access of a key that was in the sample when it was looked for. */
  accessed(sampled: SampledKey, nowMs: number): void {
    if (!this.#log.merge(sampled, nowMs, this.#merging) && sampled.isSampled) this.#append(sampled, nowMs, access);
  }

  /** A miss, told when it is answered; takes the key into the sample if it belongs there. */
  looked(method: string, key: string, nowMs: number, wasInvalidated: boolean): void {
    const sampled = this.#keys.get(key) ?? this.#register(method, key, nowMs);
    if (!sampled) return;
    if (!sampled.isStored) this.#look(sampled, nowMs, unstored);
    else this.#look(sampled, nowMs, wasInvalidated ? lookAtInvalidated : look);
  }

  /** A hit, or an old value served, that memory could not answer at once. `writtenAt`: of the entry, where a shared store had it. */
  found(method: string, key: string, nowMs: number, writtenAt: number | undefined): void {
    const sampled = this.#keys.get(key) ?? this.#register(method, key, nowMs);
    if (!sampled) return;
    if (writtenAt !== undefined && writtenAt !== sampled.writtenAt) this.#meetOther(method, writtenAt);
    this.#look(sampled, nowMs, look);
  }

  #look(sampled: SampledKey, now: number, kind: EventKind): void {
    for (const name of sampled.names) name.isRemoved = false;
    if (kind === lookAtInvalidated || !this.#log.merge(sampled, now, this.#merging, kind))
      this.#append(sampled, now, kind);
  }

  #meetOther(method: string, writtenAt: number): void {
    const others = this.#others.get(method);
    if (others) {
      others.hits++;
      others.since = Math.min(others.since, writtenAt);
    } else if (this.#others.size < maxMethods) this.#others.set(method, { hits: 1, since: writtenAt });
  }

  /** The method has run; unless {@link stored} follows, there is no entry. */
  loaded(method: string, key: string, nowMs: number): void {
    const sampled = this.#keys.get(key) ?? this.#register(method, key, nowMs);
    if (sampled) sampled.isStored = false;
  }

  /** A result was stored. */
  stored(key: string, { names, ttlMs, loadMs, writtenAt }: StoredResult): void {
    const sampled = this.#keys.get(key);
    if (!sampled) return;
    sampled.isStored = true;
    sampled.writtenAt = writtenAt;
    sampled.loadMs = loadMs;
    if (ttlMs !== undefined) this.#learnTtl(sampled, ttlMs);
    if (!isSame(sampled.names, names)) this.#carry(sampled, names);
    for (const name of sampled.names) name.isRemoved = false;
    while (this.#links > maxLinks) this.#shrink();
  }

  /** The store has not kept what it was given. */
  refused(key: string): void {
    const sampled = this.#keys.get(key);
    if (!sampled) return;
    sampled.isStored = false;
    this.#log.leftNothing(sampled);
  }

  /** What the entry of a key takes in memory. */
  measured(key: string, bytes: number): void {
    const sampled = this.#keys.get(key);
    if (sampled) sampled.bytes = bytes;
  }

  /** What was stored with one of these names is no longer right; a key is such a name too. */
  removed(names: readonly string[], nowMs: number): void {
    for (const text of names) {
      const name = this.#names.get(text);
      if (name && !name.isRemoved) {
        this.#append(name, nowMs, removal);
        name.isRemoved = true;
      }
      const sampled = this.#keys.get(text);
      if (sampled && !this.#isRemoved(sampled)) this.#append(sampled, nowMs, removal);
    }
  }

  /** What was recorded so far. */
  get recording(): Recording {
    return {
      log: this.#log,
      keys: this.#keys.values(),
      names: this.#names.size,
      rate: this.#threshold / allHashes,
      quantumMs: this.#merging.quantumMs,
      forgotten: this.#forgotten,
      others: this.#others,
    };
  }

  #isRemoved({ last }: SampledKey): boolean {
    return last < 0 || this.#log.kindAt(last) === removal;
  }

  #register(method: string, key: string, now: number): SampledKey | undefined {
    const hash = hashOf(key);
    if (hash >= this.#threshold) {
      if (now >= this.#reviewAt) this.#review(now);
      return undefined;
    }
    if (this.#keys.size >= this.#maxKeys) this.#makeRoomForKey(now);
    if (hash >= this.#threshold) return undefined;
    const sampled: SampledKey = {
      last: -1,
      lastAt: longAgo,
      uncounted: 0,
      key,
      method,
      hash,
      names: [],
      unknownBefore: this.#unknownBefore,
      ttlMs: undefined,
      loadMs: 0,
      bytes: 0,
      writtenAt: undefined,
      isStored: true,
      isSampled: true,
    };
    this.#keys.set(key, sampled);
    return sampled;
  }

  #append(owner: Owner, now: number, kind: EventKind): void {
    while (this.#log.isFull) this.#makeRoom(now);
    // Making room may have taken it out of the sample.
    if (!isGone(owner)) this.#log.append(owner, now, kind);
  }

  /** Coarser first, as that costs least; then of fewer keys; and what is old at last. */
  #makeRoom(now: number): void {
    if (this.#coarsen()) return;
    if (this.#keys.size > minKeys && !this.#isLong(now)) this.#shrink();
    else this.#forget(now);
  }

  /** The smaller sample is as true as the larger one. Only what was not asked for in all that time may go before. */
  #makeRoomForKey(now: number): void {
    if (this.#isLong(now)) {
      this.#forget(now);
      this.#dropIdle();
    }
    if (this.#keys.size > this.#maxKeys * 0.9) this.#shrink();
  }

  /** When a rush is over, its keys go in time, and there is room for more of those that matter now. */
  #review(now: number): void {
    this.#reviewAt = now + this.#enoughMs / 4;
    if (!this.#isLong(now) || this.#log.length > this.#maxEvents / 4) return;
    this.#forget(now);
    this.#dropIdle();
    if (this.#keys.size < minKeys) this.#renew(now);
  }

  /** Whether it spans so long that the past matters less than the number of keys. */
  #isLong(now: number): boolean {
    return now - (this.#log.beganAt ?? now) > this.#enoughMs;
  }

  get #enoughMs(): number {
    return Math.min(maxSpanMs, Math.max(minSpanMs, ttlsPerSpan * this.#longestTtlMs));
  }

  /** False if that is no more allowed, or brought next to nothing. Each step takes long: the next one is larger. */
  #coarsen(factor = 2): boolean {
    const limitMs = Math.min(maxQuantumMs, this.#shortestTtlMs / quantaPerTtl);
    const quantumMs = Math.min(limitMs, Math.max(1, this.#merging.quantumMs * factor));
    if (quantumMs <= this.#merging.quantumMs) return false;
    this.#merging = { ...this.#merging, quantumMs };
    const before = this.#log.length;
    this.#log.compact(this.#merging);
    return this.#log.length < before * 0.75 || this.#coarsen(factor * 4);
  }

  /** Lets go a quarter of the keys: those with the highest hashes. */
  #shrink(): void {
    const hashes = Float64Array.from(this.#keys.values(), ({ hash }) => hash).sort();
    const threshold = hashes[Math.floor(hashes.length * 0.75)] ?? this.#threshold;
    for (const [method, calls] of this.#forgotten ?? []) {
      this.#forgotten?.set(method, (calls * threshold) / this.#threshold);
    }
    this.#threshold = threshold;
    for (const sampled of this.#keys.values()) if (sampled.hash >= threshold) this.#leave(sampled);
    this.#log.filter((owner) => !isGone(owner));
    this.#merging = { ...this.#merging, reach: this.#reach() };
  }

  /** Gives up the oldest quarter of the events. */
  #forget(now: number): void {
    const count = Math.ceil(this.#log.length / 4);
    this.#forgottenUntil = count < this.#log.length ? this.#log.timeAt(count) : now;
    this.#log.dropFirst(count, (owner, calls) => {
      if (isName(owner)) return;
      (owner as SampledKey).unknownBefore = this.#forgottenUntil;
      this.#countForgotten((owner as SampledKey).method, calls);
    });
  }

  /** Lets go the keys of which no event is left. One of them that comes again is not new. */
  #dropIdle(): void {
    for (const sampled of this.#keys.values()) if (sampled.last < 0) this.#leave(sampled);
    this.#unknownBefore = this.#forgottenUntil;
    this.#log.filter((owner) => !isGone(owner));
  }

  /**
   * There are fewer keys than there were once: records more of them, from now on. Those that are known stay, as hits in memory
   * tell of no others.
   */
  #renew(now: number): void {
    this.#log.filter(() => false);
    this.#threshold = allHashes;
    this.#forgotten = undefined;
    this.#merging = { quantumMs: 0, reach: this.#reach() };
    this.#unknownBefore = now;
    for (const sampled of this.#keys.values()) sampled.unknownBefore = now;
  }

  #leave(sampled: SampledKey): void {
    sampled.isSampled = false;
    this.#carry(sampled, []);
    this.#keys.delete(sampled.key);
  }

  #carry(sampled: SampledKey, names: readonly string[]): void {
    const former = sampled.names;
    sampled.names = names.slice(0, maxNames).map((text) => this.#use(text));
    for (const name of former) if (--name.uses === 0) this.#names.delete(name.text);
    this.#links += sampled.names.length - former.length;
  }

  #use(text: string): Name {
    let name = this.#names.get(text);
    if (!name)
      this.#names.set(text, (name = { last: -1, lastAt: longAgo, uncounted: 0, text, uses: 0, isRemoved: false }));
    name.uses++;
    return name;
  }

  #learnTtl(sampled: SampledKey, ttlMs: number): void {
    sampled.ttlMs = ttlMs;
    this.#shortestTtlMs = Math.min(this.#shortestTtlMs, ttlMs);
    this.#longestTtlMs = Math.max(this.#longestTtlMs, ttlMs);
  }

  #countForgotten(method: string, calls: number): void {
    const former = this.#forgotten?.get(method);
    if (former === undefined && (this.#forgotten?.size ?? 0) >= maxMethods) return;
    this.#forgotten?.set(method, (former ?? 0) + calls);
  }

  /** How many events of the sample may lie between accesses that are merged. */
  #reach(): number {
    return (this.#maxEntries * reachPart * this.#threshold) / allHashes;
  }
}

/** Whether what an event is about is a name. */
export function isName(owner: Owner): owner is Name {
  return 'uses' in owner;
}

function isGone(owner: Owner): boolean {
  return isName(owner) ? owner.uses === 0 : !(owner as SampledKey).isSampled;
}

function isSame(names: readonly Name[], texts: readonly string[]): boolean {
  return names.length === Math.min(texts.length, maxNames) && names.every(({ text }, i) => text === texts[i]);
}

/** FNV-1a, with the last step of MurmurHash3, as keys of one method differ at their ends alone. */
function hashOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
