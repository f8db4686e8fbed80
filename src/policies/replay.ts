/**
 * What hit rates a recording would have given with other settings. Whether an entry would still have been in memory is told by
 * how many other keys were accessed since (its stack distance); whether it would have been valid, by going through its accesses.
 */

import { access, type EventLog, lookAtInvalidated, removal, type SampledKey, unstored } from './event-log.js';
import { isName, type Recorder, type Recording } from './recording.js';

/** Under what a recording is replayed. */
export interface Setting {
  /** Undefined: each entry has the ttl that it was stored with. */
  readonly ttlMs: number | undefined;
  /** How much may be taken off a ttl at random; undefined: nothing. */
  readonly jitterMs?: ((ttlMs: number) => number) | undefined;
  readonly sliding: boolean;
  readonly maxLifetimeMs: number;
  readonly staleWhileRevalidateMs: number;
  readonly refreshAhead: number | undefined;
  /** What memory holds of all methods; `Infinity` without a bound. */
  readonly maxEntries: number;
  /** The same in bytes. */
  readonly maxBytes?: number | undefined;
  /** The longest that an entry stays in memory. */
  readonly memoryTtlMs?: number | undefined;
  /** Whether a store behind memory has what memory gives up. Then bounds of memory tell only where a hit is found. */
  readonly isBehind?: boolean | undefined;
}

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

/** One event of a key. */
interface Access {
  /** When it began, about: one that had to wait is taken for one for which the method ran. */
  readonly time: number;
  /** Accesses at about that time. */
  count: number;
  /** How many entries memory must hold so that this one is still there. At the first access: at least. */
  readonly needed: number;
  /** The same in bytes; 0 where none were measured. */
  readonly neededBytes: number;
  /** When what was stored before has ceased to be right; undefined: it has not. */
  readonly invalidatedAt: number | undefined;
  /** Whether, if the method runs, there is no entry all the same; undefined: it was a hit in memory, and nobody knows. */
  readonly isUnstored: boolean | undefined;
}

/** What was counted of some keys. */
interface Tally {
  hits: number;
  inMemory: number;
  stale: number;
  misses: number;
  loads: number;
  /** Recorded, but nobody knows what they would have come to. */
  unknown: number;
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

  /** Methods of which something was recorded.
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

  /** What has to be concluded from what was counted, `now` being as the method is. */
  fit(method: string, now: Setting, counted: Counted): Fit {
    const others = this.#fitOthers(method, now, counted);
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
  #fitOthers(method: string, now: Setting, counted: Counted): Omit<Fit, 'missing'> {
    if (!this.#recording.others.has(method)) return nothingFitted;
    const hitRate = counted.hits / Math.max(1, counted.hits + counted.stale + counted.misses);
    const attempt = (others: number): Tried => {
      return { others, hitRate: expected(this.#tallies(method, now, others).total).hitRate };
    };
    const tried = [0.03, 0.3, 1, 3, 30, mostOthers].map(attempt);
    for (let i = 0; i < bisections; i++) {
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

/** How other processes ask for one key: at random, independently of this one. */
interface OthersOfKey {
  /** The mean time between two of their calls. */
  readonly everyMs: number;
  /** They have done so from then on. */
  readonly since: number;
}

/**
 * How often keys are called, whose calls here are only a sample of that: of those that were called once, many are called less
 * often. What rates there are is estimated from how many keys were called once, twice, … (nonparametric maximum likelihood by
 * expectation maximization, of Poisson counts without those that are 0), and each key is given one that its count makes likely.
 */
class Rates {
  readonly #perMs: Float64Array;
  readonly #since: number;

  constructor(keys: readonly SampledKey[], calls: readonly number[], { spanMs, since }: RatesParts) {
    this.#since = since;
    const likely = new Map<number, Float64Array>();
    const prior = priorOf(calls, likely);
    this.#perMs = Float64Array.from(keys, ({ hash }, i) => {
      const random = new Draws(hash);
      return drawn(likely.get(calls[i] as number) as Float64Array, prior, random.next()) / spanMs;
    });
  }

  /** Of the key at this index, where others ask so many times as often as this process. */
  of(index: number, others: number): OthersOfKey {
    return { everyMs: 1 / ((this.#perMs[index] as number) * others), since: this.#since };
  }
}

interface RatesParts {
  readonly spanMs: number;
  readonly since: number;
}

const firstRate = 0.05;
const rateFactor = 1.3;
const iterations = 40;

/** Mean counts that keys may have, each so much larger than the one before. */
function gridOf(calls: readonly number[]): Float64Array {
  const most = calls.reduce((max, count) => Math.max(max, count), 1) * 1.2;
  const length = 2 + Math.ceil(Math.log(most / firstRate) / Math.log(rateFactor));
  return Float64Array.from({ length }, (_, i) => firstRate * rateFactor ** i);
}

interface Prior {
  readonly grid: Float64Array;
  readonly weights: Float64Array;
}

/** Fills `likely`: by count, how likely each mean makes it. */
function priorOf(calls: readonly number[], likely: Map<number, Float64Array>): Prior {
  const grid = gridOf(calls);
  const keysOf = new Map<number, number>();
  for (const count of calls) keysOf.set(count, (keysOf.get(count) ?? 0) + 1);
  for (const count of keysOf.keys())
    likely.set(
      count,
      grid.map((mean) => truncatedPoisson(count, mean)),
    );
  let weights = new Float64Array(grid.length).fill(1 / grid.length);
  for (let i = 0; i < iterations; i++) {
    const next = new Float64Array(grid.length);
    for (const [count, keys] of keysOf) {
      const chances = likely.get(count) as Float64Array;
      const sum = dot(chances, weights);
      if (sum > 0)
        chances.forEach((chance, j) => ((next[j] as number) += (keys * chance * (weights[j] as number)) / sum));
    }
    weights = next.map((weight) => weight / calls.length);
  }
  return { grid, weights };
}

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, each, i) => sum + each * (b[i] as number), 0);
}

function truncatedPoisson(count: number, mean: number): number {
  return Math.exp(count * Math.log(mean) - mean - logFactorial(count)) / (1 - Math.exp(-mean));
}

/** Stirling's series where a sum would be long. */
function logFactorial(n: number): number {
  if (n > 20) return n * Math.log(n) - n + Math.log(2 * Math.PI * n) / 2 + 1 / (12 * n);
  let sum = 0;
  for (let i = 2; i <= n; i++) sum += Math.log(i);
  return sum;
}

/** A mean, as likely as a count makes it. */
function drawn(chances: Float64Array, { grid, weights }: Prior, random: number): number {
  let left = random * dot(chances, weights);
  for (let j = 0; j < grid.length; j++) {
    left -= (chances[j] as number) * (weights[j] as number);
    if (left <= 0) return grid[j] as number;
  }
  return grid[grid.length - 1] as number;
}

/** Numbers from 0 to below 1, the same at each audit: mulberry32. */
class Draws {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
}

/** What comes before about so many lives of an entry has no influence on what is there now. */
const livesThatMatter = 2;
/** Calls of others that one gap may hold, where each of them restarts the window. */
const mostOthersInGap = 1_000;

interface Surroundings {
  readonly quantumMs: number;
  /** The part of its loads that left no entry. */
  readonly unstored: number;
  readonly others: OthersOfKey | undefined;
}

/** The entry of one key, through its accesses. */
class Life {
  readonly #setting: Setting;
  readonly #ttlMs: number;
  readonly #jitterMs: number;
  readonly #loadMs: number;
  readonly #quantumMs: number;
  readonly #unstored: number;
  readonly #unknownBefore: number;
  readonly #others: OthersOfKey | undefined;
  readonly #draws: Draws;
  /** Of the entry that is there. */
  #entryTtlMs = 0;
  #writtenAt = -Infinity;
  #accessedAt = -Infinity;
  /** Which entry this process has in memory, and until when. */
  #remembered = -Infinity;
  #rememberedUntil = Infinity;
  /** What others have done is known up to here. */
  #passedTo: number;
  /** Until the entry is written, what calls come to meanwhile. */
  #meanwhile: 'hits' | 'stale' | 'misses' = 'hits';

  constructor(setting: Setting, key: SampledKey, { quantumMs, others, unstored: part }: Surroundings) {
    this.#setting = setting;
    this.#ttlMs = setting.ttlMs ?? key.ttlMs ?? Infinity;
    // A ttl as it was stored has been shortened already.
    const hasJitter = setting.ttlMs !== undefined && this.#ttlMs < Infinity;
    this.#jitterMs = hasJitter ? (setting.jitterMs?.(this.#ttlMs) ?? 0) : 0;
    // Whole, as times are: a fraction added and taken off again would not be the same moment.
    this.#loadMs = Math.round(key.loadMs);
    this.#quantumMs = quantumMs;
    this.#unstored = part;
    this.#unknownBefore = key.unknownBefore;
    this.#others = others;
    this.#passedTo = others?.since ?? Infinity;
    this.#draws = new Draws(key.hash ^ 0x5bd1e995);
  }

  access(access: Access, tally: Tally): void {
    const { time, count } = access;
    if (this.#others) this.#passBy(access, this.#others);
    if (this.#isUnknown(access)) {
      tally.unknown += count;
      if (!access.isUnstored) this.#write(time);
    } else if (!this.#isThere(access)) this.#load(access, tally, 'misses');
    else if (time < this.#writtenAt) tally[this.#meanwhile] += count;
    else this.#serve(access, tally);
    this.#accessedAt = Math.max(time, this.#writtenAt);
    this.#remembered = this.#writtenAt;
  }

  /** It may have been stored before the recording begins, and still be there. */
  #isUnknown(access: Access): boolean {
    const { maxLifetimeMs, staleWhileRevalidateMs } = this.#setting;
    if (this.#writtenAt > -Infinity || access.invalidatedAt !== undefined || !this.#fits(access)) return false;
    return access.time - this.#unknownBefore < Math.min(this.#ttlMs, maxLifetimeMs) + staleWhileRevalidateMs;
  }

  #isThere(access: Access): boolean {
    if (this.#writtenAt === -Infinity || !(this.#setting.isBehind || this.#fits(access))) return false;
    // Others may have loaded it again since it was invalidated.
    return access.invalidatedAt === undefined || (this.#others !== undefined && this.#writtenAt > access.invalidatedAt);
  }

  /** Whether memory still has it. */
  #fits({ needed, neededBytes }: Access): boolean {
    return needed <= this.#setting.maxEntries && neededBytes <= (this.#setting.maxBytes ?? Infinity);
  }

  #serve(access: Access, tally: Tally): void {
    const { time, count } = access;
    const { staleWhileRevalidateMs } = this.#setting;
    const inMemory = this.#isRemembered(access) ? 1 : 0;
    const overMs = time - this.#freshUntil;
    if (overMs >= 0) return this.#load(access, tally, overMs < staleWhileRevalidateMs ? 'stale' : 'misses');
    tally.inMemory += inMemory;
    if (time >= this.#agingFrom) return this.#load(access, tally, 'hits');
    tally.hits += count;
    tally.inMemory += count - 1;
    if (!inMemory) this.#rememberedUntil = time + (this.#setting.memoryTtlMs ?? Infinity);
  }

  #isRemembered(access: Access): boolean {
    return this.#fits(access) && this.#remembered === this.#writtenAt && access.time < this.#rememberedUntil;
  }

  get #freshUntil(): number {
    const { sliding, maxLifetimeMs, memoryTtlMs = Infinity, isBehind } = this.#setting;
    const windowEnd = (sliding ? this.#accessedAt : this.#writtenAt) + this.#entryTtlMs;
    const longestMs = Math.min(maxLifetimeMs, isBehind ? Infinity : memoryTtlMs);
    return Math.min(windowEnd, this.#writtenAt + longestMs);
  }

  /** From when on a hit has a new value loaded. */
  get #agingFrom(): number {
    const { refreshAhead, maxLifetimeMs } = this.#setting;
    const lifetimeMs = Math.min(this.#entryTtlMs, maxLifetimeMs);
    return refreshAhead === undefined || lifetimeMs === Infinity
      ? Infinity
      : this.#writtenAt + refreshAhead * lifetimeMs;
  }

  /** The method runs; calls that come meanwhile are answered as the first one is. */
  #load({ time, count, isUnstored }: Access, tally: Tally, meanwhile: 'hits' | 'stale' | 'misses'): void {
    if (isUnstored ?? (this.#unstored > 0 && this.#draws.next() < this.#unstored)) {
      tally[meanwhile] += count;
      tally.loads += count;
      return;
    }
    const during = (count - 1) * Math.min(1, this.#loadMs / Math.max(1, this.#quantumMs));
    tally[meanwhile] += 1 + during;
    tally.hits += count - 1 - during;
    tally.inMemory += count - 1 - during;
    tally.loads++;
    this.#write(time + this.#loadMs);
    this.#rememberedUntil = this.#writtenAt + (this.#setting.memoryTtlMs ?? Infinity);
    this.#meanwhile = meanwhile;
  }

  #write(at: number): void {
    this.#writtenAt = at;
    this.#entryTtlMs =
      this.#jitterMs === 0 ? this.#ttlMs : Math.max(1, this.#ttlMs - Math.floor(this.#draws.next() * this.#jitterMs));
  }

  // --------------------------------------------------------------------------------------- other processes

  /** What they did since this process has asked last. */
  #passBy({ time, invalidatedAt }: Access, others: OthersOfKey): void {
    if (invalidatedAt !== undefined && invalidatedAt >= this.#passedTo) {
      this.#pass(invalidatedAt, others);
      this.#writtenAt = -Infinity;
    }
    this.#pass(time, others);
  }

  #pass(until: number, others: OthersOfKey): void {
    if (this.#loadsFrom >= until) {
      this.#passedTo = until;
      return;
    }
    this.#skip(until, others);
    for (let i = 0; i < mostOthersInGap && this.#passedTo < until; i++) {
      const next = Math.max(this.#passedTo, this.#loadsFrom) - Math.log(1 - this.#draws.next()) * others.everyMs;
      if (next >= until) break;
      this.#passedTo = next;
      const isAlive = this.#writtenAt > -Infinity && next < Math.min(this.#freshUntil, this.#agingFrom);
      if (!isAlive) this.#write(Math.round(next) + this.#loadMs);
      this.#accessedAt = Math.max(next, this.#writtenAt);
    }
    this.#passedTo = Math.max(this.#passedTo, until);
  }

  /** What was long before has no influence. */
  #skip(until: number, { everyMs }: OthersOfKey): void {
    const { maxLifetimeMs } = this.#setting;
    const lifeMs = Math.min(this.#ttlMs, maxLifetimeMs) + everyMs;
    if (lifeMs < Infinity) {
      const from = until - livesThatMatter * lifeMs;
      if (this.#passedTo >= from) return;
      // At random, as lives of one length would all end at the same moment.
      this.#passedTo = from - this.#draws.next() * lifeMs;
      if (this.#writtenAt > -Infinity && this.#freshUntil < from) this.#writtenAt = -Infinity;
    } else if (this.#passedTo === -Infinity) {
      this.#passedTo = until;
      this.#write(until - 1);
    }
  }

  /** From when on a call would have the method run, or would restart the window. Until then calls of others change nothing. */
  get #loadsFrom(): number {
    if (this.#writtenAt === -Infinity) return -Infinity;
    return this.#setting.sliding ? this.#writtenAt : Math.min(this.#freshUntil, this.#agingFrom);
  }
}

/** Keys in the order of their last access, by where that is in the log, each with a weight: a Fenwick tree. */
class Stack {
  readonly #sums: Float64Array;
  readonly #weights: Float64Array;
  #size = 0;

  constructor(length: number) {
    this.#sums = new Float64Array(length + 1);
    this.#weights = new Float64Array(length);
  }

  /** What the keys weigh that were accessed after the one whose last access is at `index`; -1: what all do. */
  above(index: number): number {
    let below = 0;
    for (let i = index + 1; i > 0; i -= i & -i) below += this.#sums[i] as number;
    return this.#size - below;
  }

  /** A key is accessed again; `from`: -1 if it is not among them; `to`: -1 if it is no more. */
  move(from: number, to: number, weight: number): void {
    if (from >= 0) this.#change(from, -(this.#weights[from] as number));
    if (to < 0) return;
    this.#weights[to] = weight;
    this.#change(to, weight);
  }

  #change(index: number, by: number): void {
    this.#size += by;
    for (let i = index + 1; i < this.#sums.length; i += i & -i) (this.#sums[i] as number) += by;
  }
}
