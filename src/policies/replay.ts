/**
 * What hit rates a recording would have given with other settings. Whether an entry would still have been in memory is told by
 * how many other keys were accessed since (its stack distance); whether it would have been valid, by going through its accesses.
 */

import { access, type EventLog, lookAtInvalidated, removal, type SampledKey, unstored } from './event-log.js';
import { type Access, Life, type Setting, type Tally } from './life.js';
import { type OthersOfKey, Rates } from './rates.js';
import { Stack } from './stack.js';
import { isName, type Recorder, type Recording } from './recording.js';

/** What was counted of a method, which predictions are fitted to. */
export interface Counted {
  readonly hits: number;
  readonly stale: number;
  readonly misses: number;
}

/** What the recording does not say, and has to be concluded from what was counted. */
export interface Fit {
  /** How often other processes ask for a key, for each time that this one does. */
  readonly others: number;
  /** The least and the most of it that fit what was counted as well. */
  readonly least: number;
  readonly most: number;
  /** The calls that the sample lacks, as keys that are called much are not in it; undefined where it lacks none. */
  readonly missing: Missing | undefined;
}

interface Missing {
  /** For each call of a sampled key. */
  readonly part: number;
  /** Now. */
  readonly hitRate: number;
  readonly now: Setting;
}

const nothingFitted: Fit = { others: 0, least: 0, most: 0, missing: undefined };

/** What is to be expected of the calls of a method. Not whole numbers, as they stand for calls that were not recorded too. */
export interface Expected {
  readonly hits: number;
  /** Of the hits, those in memory. */
  readonly inMemory: number;
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
  /** The part of a key's loads that left no entry. */
  readonly unstored: number[];
}

export class Replay {
  readonly #recording: Recording;
  readonly #methods = new Map<string, Accesses>();
  readonly #rates = new Map<string, Rates>();
  readonly spanMs: number;
  /** What an entry takes in memory on average, in bytes; 0: not known. */
  readonly meanBytes: number;
  /** The part of the keys that was recorded. */
  readonly rate: number;

  /** Reads the recording once: what happens to it afterwards is not seen. */
  constructor(recorder: Recorder) {
    this.#recording = recorder.recording;
    const { keys, log, rate } = this.#recording;
    this.meanBytes = meanOf(keys);
    this.rate = rate;
    this.spanMs = (log.endedAt ?? 0) - (log.beganAt ?? 0);
    this.#read(log);
  }

  /** The ttl that most entries of a method were stored with: half of its keys have no longer one. */
  usualTtlMs(method: string): number | undefined {
    const keys = this.#methods.get(method)?.keys ?? [];
    const known = keys.flatMap(({ ttlMs }) => ttlMs ?? []).sort((a, b) => a - b);
    return known[Math.floor((known.length - 1) / 2)];
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
   * @param fit - of {@link fit}
   */
  predict(method: string, setting: Setting, calls?: number, fit: Fit = nothingFitted): Expected {
    const { total, heavy } = this.#tallies(method, setting, fit.others);
    const known = total.hits + total.stale + total.misses;
    if (fit.missing) addMissing(total, known, fit.missing, setting);
    else if (heavy.weight > 0) {
      const missing = this.#missing(method, total, calls);
      for (const what of parts) total[what] += (heavy[what] / heavy.weight) * missing;
    }
    return expected(total);
  }

  /** What has to be concluded from what was counted, `now` being as the method is. In steps, as it takes long. */
  *fit(method: string, now: Setting, counted: Counted): Generator<undefined, Fit> {
    const others = yield* this.#fitOthers(method, now, counted);
    return { ...others, missing: this.#fitMissing(method, { now, counted, others: others.others }) };
  }

  #tallies(method: string, setting: Setting, others: number): { total: Tally; heavy: Heavy } {
    const total = newTally();
    const heavy = { ...newTally(), weight: 0 };
    const accesses = this.#methods.get(method);
    if (!accesses) return { total, heavy };
    const rates = others === 0 ? undefined : this.#ratesOf(method, accesses);
    accesses.keys.forEach((_, i) => {
      const tally = this.#replay(accesses, i, { setting, others: rates?.of(i, others) });
      const known = tally.hits + tally.stale + tally.misses;
      heavy.weight += known * known;
      for (const what of parts) {
        total[what] += tally[what];
        heavy[what] += tally[what] * known;
      }
      total.unknown += tally.unknown;
    });
    return { total, heavy };
  }

  /**
   * How many calls there are fewer in the sample than its part of the keys should have, as a much-called key is not in it;
   * negative if there are more: those are taken off as the calls of the most called keys go.
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

  /** What sampled keys do not explain of the counts is what the missing calls have come to. */
  #fitMissing(method: string, { now, counted, others }: Fitting): Missing | undefined {
    if (this.rate === 1) return undefined;
    const { total } = this.#tallies(method, now, others);
    const calls = counted.hits + counted.stale + counted.misses;
    const known = total.hits + total.stale + total.misses;
    const missing = this.#missing(method, total, calls);
    if (missing <= known * littleMissing) return undefined;
    const hits = (counted.hits / calls) * (known + missing) - total.hits;
    return { part: missing / known, hitRate: Math.min(1, Math.max(0, hits / missing)), now };
  }

  /** How often others ask, so that as many calls are hits as were counted. The more often, the more are. */
  *#fitOthers(method: string, now: Setting, counted: Counted): Generator<undefined, Omit<Fit, 'missing'>> {
    if (!this.#recording.others.has(method)) return nothingFitted;
    const hitRate = counted.hits / Math.max(1, counted.hits + counted.stale + counted.misses);
    const attempt = (others: number): Tried => {
      return { others, hitRate: expected(this.#tallies(method, now, others).total).hitRate };
    };
    const tried: Tried[] = [];
    for (const others of [0.03, 0.3, 1, 3, 30, mostOthers]) {
      yield;
      tried.push(attempt(others));
    }
    for (let i = 0; i < bisections; i++) {
      yield;
      const above = tried.findIndex((each) => each.hitRate >= hitRate);
      const at = above < 0 ? tried.length : above;
      const [low, high] = [tried[at - 1]?.others ?? leastOthers, tried[at]?.others ?? mostOthers];
      tried.splice(at, 0, attempt(Math.sqrt(low * high)));
    }
    const others = between(tried, hitRate);
    return {
      others,
      least: Math.min(others, between(tried, hitRate - sameRate)),
      most: Math.max(others, between(tried, hitRate + sameRate)),
    };
  }

  #ratesOf(method: string, { keys, perKey }: Accesses): Rates {
    let rates = this.#rates.get(method);
    if (rates) return rates;
    const { log, others } = this.#recording;
    const began = log.beganAt ?? 0;
    const calls = perKey.map((accesses) => accesses.reduce((sum, { count }) => sum + count, 0));
    const { since = began } = others.get(method) ?? {};
    rates = new Rates(keys, calls, { spanMs: Math.max(1, this.spanMs), since: since < began ? -Infinity : began });
    this.#rates.set(method, rates);
    return rates;
  }

  #replay({ keys, perKey, unstored: failing }: Accesses, i: number, { setting, others }: Under): Tally {
    const tally = newTally();
    const { quantumMs } = this.#recording;
    const life = new Life(setting, keys[i] as SampledKey, { quantumMs, others, unstored: failing[i] as number });
    for (const each of perKey[i] as Access[]) life.access(each, tally);
    return tally;
  }

  #read(log: EventLog): void {
    const stacks = { entries: new Stack(log.length), bytes: this.meanBytes > 0 ? new Stack(log.length) : undefined };
    const found = new Map<SampledKey, Found>();
    const removedAt = new Map<unknown, number>();
    for (let i = 0; i < log.length; i++) {
      const owner = log.ownerAt(i);
      if (log.kindAt(i) === removal) {
        removedAt.set(owner, i);
        continue;
      }
      if (isName(owner)) continue;
      this.#readAccess(i, { key: owner as SampledKey, found, removedAt, stacks });
    }
    for (const [key, { accesses }] of found) this.#add(key, accesses);
  }

  #readAccess(i: number, { key, found, removedAt, stacks }: Progress): void {
    const { log, rate } = this.#recording;
    let former = found.get(key);
    if (!former) found.set(key, (former = { last: -1, at: -1, accesses: [] }));
    const { last, at } = former;
    const removed = Math.max(removedAt.get(key) ?? -1, ...key.names.map((name) => removedAt.get(name) ?? -1));
    const kind = log.kindAt(i);
    const time = log.timeAt(i) - (kind === access ? 0 : Math.round(key.loadMs));
    const bytes = key.bytes || this.meanBytes;
    const removedTime = last >= 0 && removed > last ? Math.min(time, log.timeAt(removed)) : undefined;
    former.accesses.push({
      time,
      count: log.countAt(i),
      needed: 1 + stacks.entries.above(at) / rate,
      neededBytes: stacks.bytes ? bytes + stacks.bytes.above(at) / rate : 0,
      invalidatedAt: removedTime ?? (kind === lookAtInvalidated ? time : undefined),
      isUnstored: kind === access ? undefined : kind === unstored,
    });
    // What is not stored takes no room.
    const to = kind === unstored ? -1 : i;
    stacks.entries.move(at, to, 1);
    stacks.bytes?.move(at, to, bytes);
    former.last = i;
    former.at = to;
  }

  #add(key: SampledKey, accesses: Access[]): void {
    let method = this.#methods.get(key.method);
    if (!method) this.#methods.set(key.method, (method = { keys: [], perKey: [], unstored: [] }));
    method.keys.push(key);
    method.perKey.push(accesses);
    method.unstored.push(unstoredPart(accesses));
  }
}

/** How far the log was read. */
interface Progress {
  readonly key: SampledKey;
  readonly found: Map<SampledKey, Found>;
  /** By name or key, where it was removed last. */
  readonly removedAt: Map<unknown, number>;
  readonly stacks: { readonly entries: Stack; readonly bytes: Stack | undefined };
}

interface Found {
  /** Its last access. */
  last: number;
  /** The same, if that left an entry; else -1. */
  at: number;
  readonly accesses: Access[];
}

interface Heavy extends Tally {
  weight: number;
}

interface Tried {
  readonly others: number;
  readonly hitRate: number;
}

/** The first of the ascending `tried` that reaches the rate, or rather a point between it and the one before. */
function between(tried: readonly Tried[], hitRate: number): number {
  const at = tried.findIndex((each) => each.hitRate >= hitRate);
  if (at < 0) return mostOthers;
  const after = tried[at] as Tried;
  const before = tried[at - 1] ?? { others: leastOthers, hitRate: 0 };
  const part = (hitRate - before.hitRate) / Math.max(1e-9, after.hitRate - before.hitRate);
  return before.others * (after.others / before.others) ** Math.min(1, Math.max(0, part));
}

interface Under {
  readonly setting: Setting;
  readonly others: OthersOfKey | undefined;
}

interface Fitting {
  readonly now: Setting;
  readonly counted: Counted;
  readonly others: number;
}

/** A sample that lacks no more than this part of the calls is taken as it is. */
const littleMissing = 0.005;
/** Between these others ask for each time that this process does; at the upper end, as often as may be. */
const leastOthers = 0.001;
export const mostOthers = 1_000;
const bisections = 5;
/** Hit rates that cannot be told apart. */
const sameRate = 0.01;

const parts = ['hits', 'inMemory', 'stale', 'misses', 'loads'] as const;

function newTally(): Tally {
  return { hits: 0, inMemory: 0, stale: 0, misses: 0, loads: 0, unknown: 0 };
}

function expected(tally: Tally): Expected {
  const { hits, stale, misses, unknown } = tally;
  const calls = hits + stale + misses;
  return { ...tally, hitRate: calls === 0 ? 0 : hits / calls, unknown: unknown / Math.max(1, calls + unknown) };
}

/**
 * The calls that a sample lacks are those of a few keys that are called much. One that is asked for at random `n` times in its ttl
 * is a hit `n / (1 + n)` of the times; where it slides, `1 - exp(-n)`. No bound of memory pushes it out.
 */
function addMissing(total: Tally, known: number, { part, hitRate, now }: Missing, setting: Setting): void {
  const missing = known * part;
  const longer = ratio(lifetimeOf(setting), lifetimeOf(now));
  const inTtl = (now.sliding ? -Math.log(1 - hitRate) : hitRate / (1 - hitRate)) * longer;
  let then = hitRate;
  if (longer !== 1) then = inTtl === Infinity ? 1 : setting.sliding ? 1 - Math.exp(-inTtl) : inTtl / (1 + inTtl);
  total.hits += missing * then;
  total.inMemory += missing * then;
  total[setting.staleWhileRevalidateMs > 0 ? 'stale' : 'misses'] += missing * (1 - then);
  total.loads += missing * (1 - then);
}

/** Undefined: as it was. */
function lifetimeOf({ ttlMs, memoryTtlMs = Infinity, isBehind }: Setting): number | undefined {
  return ttlMs === undefined ? undefined : Math.min(ttlMs, isBehind ? Infinity : memoryTtlMs);
}

function ratio(then: number | undefined, now: number | undefined): number {
  return then === undefined || now === undefined || then === now ? 1 : then / now;
}

function unstoredPart(accesses: readonly Access[]): number {
  let [failed, known] = [0, 0];
  for (const { isUnstored } of accesses) {
    if (isUnstored === undefined) continue;
    known++;
    if (isUnstored) failed++;
  }
  return known === 0 ? 0 : failed / known;
}

/** 0 where none was measured. */
function meanOf(keys: Iterable<SampledKey>): number {
  let [sum, count] = [0, 0];
  for (const { bytes } of keys) {
    if (bytes === 0) continue;
    sum += bytes;
    count++;
  }
  return count === 0 ? 0 : sum / count;
}
