/**
 * What hit rates a recording would have given with other settings. Whether an entry would still have been in memory is told by
 * how many other keys were accessed since (its stack distance); whether it would have been valid, by going through its accesses.
 */

import { access, type EventLog, lookAtInvalidated, removal, type SampledKey } from './event-log.js';
import { isName, type Recorder, type Recording } from './recording.js';

/** Under what a recording is replayed. */
export interface Setting {
  /** Undefined: each entry has the ttl that it was stored with. */
  readonly ttlMs: number | undefined;
  readonly sliding: boolean;
  readonly maxLifetimeMs: number;
  readonly staleWhileRevalidateMs: number;
  readonly refreshAhead: number | undefined;
  /** What memory holds of all methods; `Infinity` where another store has what memory gives up. */
  readonly maxEntries: number;
}

/** What is to be expected of the calls of a method. Not whole numbers, as they stand for calls that were not recorded too. */
export interface Expected {
  readonly hits: number;
  readonly stale: number;
  readonly misses: number;
  /** Runs of the method, also in the background; fewer than the misses where these share runs. */
  readonly loads: number;
  /** `hits / (hits + stale + misses)`, 0 where there was no call. */
  readonly hitRate: number;
  /** The part of the recorded calls that is in none of these numbers, as nobody knows what they would have come to. */
  readonly unknown: number;
}

/** The accesses of a method's keys, key after key. */
interface Accesses {
  readonly keys: SampledKey[];
  readonly perKey: Access[][];
}

/** One event of a key. */
interface Access {
  /** When it began, about: one that had to wait is taken for one for which the method ran. */
  readonly time: number;
  /** Accesses at about that time. */
  count: number;
  /** How many entries memory must hold so that this one is still there. At the first access: at least. */
  readonly needed: number;
  /** What was stored before is not right any more. */
  readonly isInvalidated: boolean;
}

/** What was counted of some keys. */
interface Tally {
  hits: number;
  stale: number;
  misses: number;
  loads: number;
  /** Recorded, but nobody knows what they would have come to. */
  unknown: number;
}

export class Replay {
  readonly #recording: Recording;
  readonly #methods = new Map<string, Accesses>();
  readonly spanMs: number;
  /** The part of the keys that was recorded. */
  readonly rate: number;

  /** Reads the recording once: what happens to it afterwards is not seen. */
  constructor(recorder: Recorder) {
    this.#recording = recorder.recording;
    const { log, rate } = this.#recording;
    this.rate = rate;
    this.spanMs = (log.endedAt ?? 0) - (log.beganAt ?? 0);
    this.#read(log);
  }

  /** Methods of which something was recorded. */
  get methods(): readonly string[] {
    return [...this.#methods.keys()];
  }

  /** How many calls of a method were recorded. */
  recorded(method: string): number {
    let calls = 0;
    for (const accesses of this.#methods.get(method)?.perKey ?? []) {
      for (const { count } of accesses) calls += count;
    }
    return calls;
  }

  /**
   * What is to be expected of a method.
   *
   * @param calls - how many there were of it since the recorder was made; undefined: not known. Where keys are left out, it
   * tells whether those that are called most are among them
   */
  predict(method: string, setting: Setting, calls?: number): Expected {
    const accesses = this.#methods.get(method);
    const total = newTally();
    if (!accesses) return expected(total);
    const heavy = { hits: 0, stale: 0, misses: 0, loads: 0, weight: 0 };
    accesses.keys.forEach((key, i) => {
      const tally = this.#replay(key, accesses.perKey[i] as Access[], setting);
      const known = tally.hits + tally.stale + tally.misses;
      heavy.weight += known * known;
      for (const what of parts) {
        total[what] += tally[what];
        heavy[what] += tally[what] * known;
      }
      total.unknown += tally.unknown;
    });
    const missing = this.#missing(method, total, calls);
    if (heavy.weight > 0) for (const what of parts) total[what] += (heavy[what] / heavy.weight) * missing;
    return expected(total);
  }

  /**
   * How many calls there are fewer in the sample than its part of the keys should have, as a much-called key is not in it;
   * negative if there are more. They are taken to go as those of the most called keys go (SHARDS-adj takes them for hits).
   */
  #missing(method: string, total: Tally, calls: number | undefined): number {
    const { forgotten } = this.#recording;
    if (calls === undefined || !forgotten || this.rate === 1) return 0;
    const known = total.hits + total.stale + total.misses;
    const recorded = known + total.unknown;
    const everRecorded = recorded + (forgotten.get(method) ?? 0);
    const missing = (calls * this.rate - everRecorded) * (known / Math.max(1, everRecorded));
    return Math.max(missing, -0.9 * known);
  }

  #replay(key: SampledKey, accesses: readonly Access[], setting: Setting): Tally {
    const tally = newTally();
    const life = new Life(setting, key, this.#recording.quantumMs);
    for (const each of accesses) life.access(each, tally);
    return tally;
  }

  #read(log: EventLog): void {
    const stack = new Stack(log.length);
    const found = new Map<SampledKey, Found>();
    const removedAt = new Map<unknown, number>();
    for (let i = 0; i < log.length; i++) {
      const owner = log.ownerAt(i);
      if (log.kindAt(i) === removal) {
        removedAt.set(owner, i);
        continue;
      }
      if (isName(owner)) continue;
      this.#readAccess(i, { key: owner as SampledKey, found, removedAt, stack });
    }
    for (const [key, { accesses }] of found) this.#add(key, accesses);
  }

  #readAccess(i: number, { key, found, removedAt, stack }: Progress): void {
    const { log, rate } = this.#recording;
    let former = found.get(key);
    if (!former) found.set(key, (former = { last: -1, accesses: [] }));
    const { last } = former;
    const wasRemoved =
      (removedAt.get(key) ?? -1) > last || key.names.some((name) => (removedAt.get(name) ?? -1) > last);
    former.accesses.push({
      time: log.timeAt(i) - (log.kindAt(i) === access ? 0 : Math.round(key.loadMs)),
      count: log.countAt(i),
      needed: 1 + stack.above(last) / rate,
      isInvalidated: log.kindAt(i) === lookAtInvalidated || (last >= 0 && wasRemoved),
    });
    stack.move(last, i);
    former.last = i;
  }

  #add(key: SampledKey, accesses: Access[]): void {
    let method = this.#methods.get(key.method);
    if (!method) this.#methods.set(key.method, (method = { keys: [], perKey: [] }));
    method.keys.push(key);
    method.perKey.push(accesses);
  }
}

/** How far the log was read. */
interface Progress {
  readonly key: SampledKey;
  readonly found: Map<SampledKey, Found>;
  /** By name or key, where it was removed last. */
  readonly removedAt: Map<unknown, number>;
  readonly stack: Stack;
}

interface Found {
  last: number;
  readonly accesses: Access[];
}

const parts = ['hits', 'stale', 'misses', 'loads'] as const;

function newTally(): Tally {
  return { hits: 0, stale: 0, misses: 0, loads: 0, unknown: 0 };
}

function expected({ hits, stale, misses, loads, unknown }: Tally): Expected {
  const calls = hits + stale + misses;
  const hitRate = calls === 0 ? 0 : hits / calls;
  return { hits, stale, misses, loads, hitRate, unknown: unknown / Math.max(1, calls + unknown) };
}

/** The entry of one key, through its accesses. */
class Life {
  readonly #setting: Setting;
  readonly #ttlMs: number;
  readonly #loadMs: number;
  readonly #quantumMs: number;
  readonly #unknownBefore: number;
  #writtenAt = -Infinity;
  #accessedAt = -Infinity;
  /** Until the entry is written, what calls come to meanwhile. */
  #meanwhile: 'hits' | 'stale' | 'misses' = 'hits';

  constructor(setting: Setting, key: SampledKey, quantumMs: number) {
    this.#setting = setting;
    this.#ttlMs = setting.ttlMs ?? key.ttlMs ?? Infinity;
    // Whole, as times are: a fraction added and taken off again would not be the same moment.
    this.#loadMs = Math.round(key.loadMs);
    this.#quantumMs = quantumMs;
    this.#unknownBefore = key.unknownBefore;
  }

  access(access: Access, tally: Tally): void {
    const { time, count } = access;
    if (this.#isUnknown(access)) {
      tally.unknown += count;
      this.#writtenAt = time;
    } else if (!this.#isThere(access)) this.#load(access, tally, 'misses');
    else if (time < this.#writtenAt) tally[this.#meanwhile] += count;
    else this.#serve(access, tally);
    this.#accessedAt = Math.max(time, this.#writtenAt);
  }

  /** It may have been stored before the recording begins, and still be there. */
  #isUnknown({ time, needed, isInvalidated }: Access): boolean {
    const { maxLifetimeMs, staleWhileRevalidateMs, maxEntries } = this.#setting;
    if (this.#writtenAt > -Infinity || isInvalidated || needed > maxEntries) return false;
    return time - this.#unknownBefore < Math.min(this.#ttlMs, maxLifetimeMs) + staleWhileRevalidateMs;
  }

  #isThere({ needed, isInvalidated }: Access): boolean {
    return this.#writtenAt > -Infinity && !isInvalidated && needed <= this.#setting.maxEntries;
  }

  #serve(access: Access, tally: Tally): void {
    const { time, count } = access;
    const { sliding, maxLifetimeMs, staleWhileRevalidateMs } = this.#setting;
    const windowEnd = (sliding ? this.#accessedAt : this.#writtenAt) + this.#ttlMs;
    const overMs = time - Math.min(windowEnd, this.#writtenAt + maxLifetimeMs);
    if (overMs >= 0) this.#load(access, tally, overMs < staleWhileRevalidateMs ? 'stale' : 'misses');
    else if (this.#isAging(time)) this.#load(access, tally, 'hits');
    else tally.hits += count;
  }

  #isAging(time: number): boolean {
    const { refreshAhead, maxLifetimeMs } = this.#setting;
    const lifetimeMs = Math.min(this.#ttlMs, maxLifetimeMs);
    return refreshAhead !== undefined && lifetimeMs < Infinity && time - this.#writtenAt >= refreshAhead * lifetimeMs;
  }

  /** The method runs; calls that come meanwhile are answered as the first one is. */
  #load({ time, count }: Access, tally: Tally, meanwhile: 'hits' | 'stale' | 'misses'): void {
    const during = (count - 1) * Math.min(1, this.#loadMs / Math.max(1, this.#quantumMs));
    tally[meanwhile] += 1 + during;
    tally.hits += count - 1 - during;
    tally.loads++;
    this.#writtenAt = time + this.#loadMs;
    this.#meanwhile = meanwhile;
  }
}

/** Keys in the order of their last access, by where that is in the log: a Fenwick tree. */
class Stack {
  readonly #sums: Int32Array;
  #size = 0;

  constructor(length: number) {
    this.#sums = new Int32Array(length + 1);
  }

  /** How many keys were accessed after the one whose last access is at `index`; -1: how many at all. */
  above(index: number): number {
    let below = 0;
    for (let i = index + 1; i > 0; i -= i & -i) below += this.#sums[i] as number;
    return this.#size - below;
  }

  /** A key is accessed again; `from`: -1 if for the first time. */
  move(from: number, to: number): void {
    if (from >= 0) this.#change(from, -1);
    this.#change(to, 1);
  }

  #change(index: number, by: number): void {
    this.#size += by;
    for (let i = index + 1; i < this.#sums.length; i += i & -i) (this.#sums[i] as number) += by;
  }
}
