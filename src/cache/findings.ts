/** Rules of an audit: what of a cache's numbers is worth a word, what to write instead, and what that would bring. */

import type { Finding, MethodStats, Prediction } from '../base/insight.js';
import type { Setting } from '../policies/life.js';
import type { Expected } from '../policies/replay.js';
import type { Results, WhyUnstored } from './counts.js';
import type { Policy } from './policy.js';

/** What is known of a method besides what was counted. */
export interface MethodFacts {
  /** As it is for the method's calls; undefined where each call has its own. */
  readonly policy:
    | (Pick<Policy, 'ttlMs' | 'sliding' | 'maxLifetimeMs' | 'staleWhileRevalidateMs' | 'refreshAhead' | 'versionOf'> &
        Partial<Pick<Policy, 'jitterMs'>>)
    | undefined;
  /** By kind of tag (`product` of `product:1`) that its entries were seen to have: how often tags of that kind were invalidated. */
  readonly tagKinds: Readonly<Record<string, number>>;
  /** The codes of the warnings that concern it, such as `many-instances`. */
  readonly warnings: readonly string[];
  /** Undefined: not known. */
  readonly results?: Results | undefined;
}

/** What memory may hold; undefined where there is no such bound. */
export interface MemoryFacts {
  readonly maxEntries: number | undefined;
  /** In bytes. */
  readonly maxSize: number | undefined;
  /** Whether what memory gives up is lost: there is no store behind it. */
  readonly isOnlyStore: boolean;
  /** The longest that it keeps an entry, as its URI says. */
  readonly ttlMs?: number | undefined;
}

/** Bounds of memory, so many times as large as they are. */
export interface Size extends Pick<Setting, 'maxEntries' | 'maxBytes'> {
  readonly factor: number;
}

/** A prediction with what it was made of. */
export interface Predicted extends Prediction {
  readonly expected: Expected;
}

/** One method, with all that its findings are made of. */
export interface MethodView {
  readonly method: string;
  readonly stats: MethodStats;
  readonly facts: MethodFacts;
  /** Calls that used the cache. */
  readonly calls: number;
  /** Of them, those that were recorded and are remembered. */
  readonly recorded: number;
  readonly now: Expected;
  /** The ttl that is written, or that most of its entries had where none is. */
  readonly usualTtlMs: number | undefined;
  readonly byTtl: readonly Predicted[];
  /** One for each of `sizes`. */
  readonly bySize: readonly Predicted[];
  readonly sizes: readonly Size[];
  readonly predict: (change: Partial<Setting>) => Predicted;
  /** What other processes load cannot be told from what was counted. */
  readonly hasUnclearOthers: boolean;
}

/** What the findings of all methods have in common. */
export interface CacheView {
  readonly spanMs: number;
  readonly memory: MemoryFacts | undefined;
  readonly methods: readonly MethodView[];
}

/** Fewer calls than this tell nothing. */
const enoughCalls = 100;
/** A hit rate that grows by less is not worth a change, unless {@link worthLoads} says so. */
const worthRate = 0.05;
/** The part of all loading that is worth a change, if the hit rate also grows by {@link leastRate}. */
const worthLoads = 0.05;
const leastRate = 0.005;
/** Predictions count where the recording explains the present as well as this. */
const trustedError = 0.1;
/** Nor do they count where more than this part of the calls could be in none of them. */
const mostUnknown = 0.1;
/** Of two changes, the smaller one if it brings this part of what the larger one does. */
const mostOfIt = 0.9;
/** A ttl is too long if another one that is this many times shorter does the same. */
const muchShorter = 4;
/** How much of the hit rate may be lost to that. */
const asGood = 0.005;
/** A cache that answers fewer than this part of the calls is hardly one. */
const lowRate = 0.1;
/** In milliseconds: what a hit in memory, and one in another store, takes at about. */
const hitMs = { memory: 0.02, store: 1 } as const;
/** A method is told to be of no use, or its tags of none, only after twice its ttl, or after this. */
const longEnoughMs = 86_400_000;
/** And of tags nothing is said before this has passed: writes are rare. */
const shortestForTagsMs = 600_000;
/** In bytes. */
const largeValue = 100_000;
/** A value that takes more than this part of memory. */
const largePart = 0.05;

/** What could be better about one method. */
export function findingsOfMethod(view: MethodView, cache: CacheView): Finding[] {
  const found = [mismatches(view), ...misuses(view)];
  if (view.calls + view.stats.bypassed < enoughCalls) return present(found);
  const unstored = notStored(view);
  const worthless = unstored && !isCheap(view.stats) ? undefined : notWorthCaching(view, cache);
  const ttl = worthless ?? ttlTooShort(view, cache) ?? bothTooSmall(view, cache) ?? ttlTooLong(view, cache);
  found.push(unstored, ttl, neverInvalidated(view, cache), invalidatedMoreThanRead(view), valuesTooLarge(view, cache));
  return present(found);
}

/** What could be better about all methods together. */
export function findingsOfCache(cache: CacheView): Finding[] {
  return present([memoryTooSmall(cache)]);
}

function mismatches({ method, stats }: MethodView): Finding | undefined {
  if (stats.mismatches === 0) return undefined;
  return {
    code: 'mismatches',
    method,
    count: stats.mismatches,
    what: `${count(stats.mismatches, 'hit')} had a value that the method would not have given, and nothing had invalidated it`,
    change: 'invalidate its tags where that changes what it reads; listen to `mismatch` to see which values differ',
    gain: undefined,
  };
}

function misuses({ method, stats, facts }: MethodView): Finding[] {
  const { warnings } = facts;
  const found: Finding[] = [];
  if (warnings.includes('many-instances')) {
    found.push({
      code: 'many-instances',
      method,
      what: 'several objects of its class share entries, and nothing says that they may',
      change:
        "write per: 'class' if they are interchangeable, per: 'instance' or a [cacheIdentity]() method if they are not",
      gain: undefined,
    });
  }
  if (warnings.includes('unkeyable')) {
    found.push({
      code: 'unkeyable',
      method,
      count: stats.bypassed,
      what: `some calls have an argument that cannot be in a key; ${count(stats.bypassed, 'call')} did not use the cache`,
      change: 'give `key`, or a [cacheIdentity]() method to the class of the argument',
      gain: undefined,
    });
  }
  return found;
}

function notWorthCaching(view: MethodView, { spanMs }: CacheView): Finding | undefined {
  const { method, stats, calls } = view;
  if (calls < enoughCalls) return undefined;
  const change = 'leave the cache out here';
  if (isCheap(stats)) {
    const what = `it runs for ${ms(stats.loads.meanMs)} on average, which is no more than a hit takes`;
    return { code: 'not-worth-caching', method, what, change, gain: undefined };
  }
  if (!isTrusted(view) || !isSeenLongEnough(view, spanMs) || isMostlyInvalidated(stats)) return undefined;
  // Of longer ttls the recording cannot tell.
  const ttls = view.byTtl.filter(({ ttlMs = 0 }) => ttlMs <= spanMs);
  const told = [...ttls, ...view.bySize, ...ttls.slice(-1).map(({ ttlMs }) => view.predict({ ...unbounded, ttlMs }))];
  const best = Math.max(...told.map((other) => shifted(view, answered(other.expected))), answered(stats));
  if (answered(stats) >= lowRate || best >= lowRate * 2) return undefined;
  const what = `${percent(stats.hitRate)} of its calls are hits, and no ttl or size makes that more than ${percent(best)}`;
  return { code: 'not-worth-caching', method, what, change, gain: undefined };
}

/** Whether what it has stored could have been asked for again. */
function isSeenLongEnough({ usualTtlMs = Infinity }: MethodView, spanMs: number): boolean {
  return spanMs >= Math.min(longEnoughMs, 2 * usualTtlMs);
}

/** Then what is wrong is the tags: without invalidations it might well be worth caching. */
function isMostlyInvalidated({ invalidated, misses }: MethodStats): boolean {
  return invalidated * 2 > misses;
}

/** The part of the calls that was spared waiting for the method. */
function answered({ hits, stale, misses }: Pick<Expected, 'hits' | 'stale' | 'misses'>): number {
  return (hits + stale) / Math.max(1, hits + stale + misses);
}

function isCheap({ hitsByTier, loads }: MethodStats): boolean {
  if (loads.count === 0) return false;
  return loads.p95Ms <= (hitsByTier.store > hitsByTier.memory ? hitMs.store : hitMs.memory);
}

function ttlTooShort(view: MethodView, { spanMs, memory }: CacheView): Finding | undefined {
  const ttlMs = view.facts.policy?.ttlMs;
  if (ttlMs === undefined || !isTrusted(view)) return undefined;
  const memoryTtlMs = memory?.isOnlyStore ? memory.ttlMs : undefined;
  const isOfUri = memoryTtlMs !== undefined && memoryTtlMs < ttlMs;
  const longer = isOfUri
    ? longerInMemory(view, memoryTtlMs, ttlMs)
    : view.byTtl.filter((other) => (other.ttlMs as number) > ttlMs);
  // Of longer ones the recording cannot tell.
  const then = leastOfTheBest(
    view.now,
    longer.filter((other) => (other.ttlMs as number) <= spanMs),
  );
  if (!then || !isWorthIt(view.now, then.expected)) return undefined;
  const proposed = then.ttlMs as number;
  return {
    code: 'ttl-too-short',
    method: view.method,
    what: `${percent(view.stats.hitRate)} of its calls are hits${staleToo(view)}; with a longer ttl ${percent(shifted(view, then.hitRate))} would be`,
    change: isOfUri
      ? `write ttl=${inUri(proposed)} instead of ttl=${inUri(memoryTtlMs)} in the URI of memory, which shortens its ttl of ${inUri(ttlMs)}`
      : `write ttl: ${duration(proposed)} instead of ${duration(ttlMs)}, if its values may be that old or are invalidated`,
    gain: gainOf(view, then.expected),
    proposal: isOfUri ? { memoryTtlMs: proposed } : { ttlMs: proposed },
  };
}

/** Each with the ttl that the URI of memory would have, up to the one of the method. */
function longerInMemory({ byTtl, predict }: MethodView, memoryTtlMs: number, ttlMs: number): Predicted[] {
  const steps = [2, 5, 10, 20, 50, 100, 500, 2_000].map((factor) => memoryTtlMs * factor);
  const ttls = [...steps.filter((each) => each < ttlMs), ...byTtl.map((each) => each.ttlMs as number)];
  const longer = [...new Set(ttls)].filter((each) => each > memoryTtlMs && each <= ttlMs).sort((a, b) => a - b);
  return longer.map((each) => ({ ...predict({ memoryTtlMs: each }), ttlMs: each }));
}

/** Entries expire, and would be given up if they did not: neither change brings anything without the other. */
function bothTooSmall(view: MethodView, { spanMs, memory }: CacheView): Finding | undefined {
  const ttlMs = view.facts.policy?.ttlMs;
  if (ttlMs === undefined || !memory?.isOnlyStore || view.sizes.length === 0 || !isTrusted(view)) return undefined;
  const longer = view.byTtl.filter((other) => (other.ttlMs as number) > ttlMs && (other.ttlMs as number) <= spanMs);
  const best = leastOfTheBest(
    view.now,
    longer.map((other) => view.predict({ ...unbounded, ttlMs: other.ttlMs })),
  );
  const alone = Math.max(view.now.hitRate, ...[...longer, ...view.bySize].map(({ hitRate }) => hitRate));
  if (!best || best.hitRate - alone < worthRate) return undefined;
  const sizes = view.sizes.filter(({ factor }) => factor > 1 && factor < Infinity);
  const then = leastOfTheBest(
    view.now,
    sizes.map((size) => view.predict({ ...boundsOf(size), ttlMs: best.ttlMs })),
  );
  if (!then || then.hitRate - alone < worthRate) return undefined;
  const proposed = then.ttlMs as number;
  const room = roomFor(then, memory);
  return {
    code: 'ttl-too-short',
    method: view.method,
    what: `${percent(view.stats.hitRate)} of its calls are hits${staleToo(view)}; with a longer ttl and more room in memory ${percent(shifted(view, then.hitRate))} would be, with one of them alone ${percent(shifted(view, alone))}`,
    change: `write ttl: ${duration(proposed)} instead of ${duration(ttlMs)}, if its values may be that old or are invalidated, and ${room.change}`,
    gain: gainOf(view, then.expected),
    proposal: { ttlMs: proposed, ...room.proposal },
  };
}

/** Without bounds of memory. */
const unbounded = { maxEntries: Infinity, maxBytes: undefined } as const;

function boundsOf({ maxEntries, maxBytes }: Size): Pick<Setting, 'maxEntries' | 'maxBytes'> {
  return { maxEntries, maxBytes };
}

/** Old values are no hits, and no misses for who waits. */
function staleToo({ stats, calls }: MethodView): string {
  return stats.stale === 0 ? '' : ` and ${percent(stats.stale / calls)} get an old value`;
}

/** Where tags or a version keep it right, a long ttl does no harm. */
function ttlTooLong(view: MethodView, { spanMs }: CacheView): Finding | undefined {
  const { policy, tagKinds } = view.facts;
  const ttlMs = policy?.ttlMs;
  if (ttlMs === undefined || !isTrusted(view) || spanMs < 2 * ttlMs || view.now.hitRate < lowRate) return undefined;
  if (policy?.versionOf || Object.values(tagKinds).some((invalidations) => invalidations > 0)) return undefined;
  const then = view.byTtl.find(
    (other) =>
      (other.ttlMs as number) * muchShorter <= ttlMs &&
      other.expected.unknown <= mostUnknown &&
      other.hitRate >= view.now.hitRate - asGood &&
      other.expected.loads <= view.now.loads * (1 + asGood),
  );
  if (!then) return undefined;
  return {
    code: 'ttl-too-long',
    method: view.method,
    what: `a shorter ttl would give about the same hits (${percent(shifted(view, then.hitRate))}): what is asked for again is asked for soon`,
    change: `write ttl: ${duration(then.ttlMs)} instead of ${duration(ttlMs)}, unless what it reads never changes: values are fresher at no cost`,
    gain: gainOf(view, then.expected),
    proposal: { ttlMs: then.ttlMs as number },
  };
}

function neverInvalidated(view: MethodView, { spanMs }: CacheView): Finding | undefined {
  const { method, facts, calls } = view;
  const never = Object.keys(facts.tagKinds).filter((kind) => facts.tagKinds[kind] === 0);
  if (never.length === 0 || calls < enoughCalls) return undefined;
  if (spanMs < shortestForTagsMs || !isSeenLongEnough(view, spanMs)) return undefined;
  const kinds = never.map((kind) => `'${kind}'`).join(', ');
  return {
    code: 'tags-never-invalidated',
    method,
    what: `its entries have tags of the ${never.length === 1 ? 'kind' : 'kinds'} ${kinds}, of which this process has not seen one invalidated`,
    change: 'invalidate them where what they stand for changes (@Invalidates), or leave them out if it never does',
    gain: undefined,
  };
}

const whyUnstored: Readonly<Record<WhyUnstored, readonly [because: string, change: string]>> = {
  storeWhen: [
    '`storeWhen` did not want them',
    'let `storeWhen` want what callers get most, or leave the cache out here',
  ],
  unstorable: [
    'they cannot be written down and read again',
    'let it return plain objects, or name their classes in `revive`; listen to `warning` to see which',
  ],
  'too many tags': ['they have over 64 tags', 'give it a tag that covers them, or write inheritTags: false'],
  'not kept': [
    'the store did not keep them: they are too large for it, were invalidated while the method ran, or it failed',
    'look at their size, and listen to `error`',
  ],
};

/** The method runs again and again for what could have been stored. */
function notStored({ method, facts, stats }: MethodView): Finding | undefined {
  const { stored = 0, unstored = {} } = facts.results ?? {};
  const results = stats.loads.count - stats.loads.errors;
  const missing = results - stored;
  const [reason] = Object.entries(unstored).sort(([, a], [, b]) => b - a);
  if (results < enoughCalls || missing * 2 < results || !reason) return undefined;
  const [because, change] = whyUnstored[reason[0] as WhyUnstored];
  const what = `${missing} of ${results} results were not stored, because ${because}`;
  return { code: 'results-not-stored', method, count: missing, what, change, gain: undefined };
}

function invalidatedMoreThanRead({ method, stats, calls }: MethodView): Finding | undefined {
  if (calls < enoughCalls || stats.invalidated <= stats.hits) return undefined;
  return {
    code: 'invalidated-more-than-read',
    method,
    count: stats.invalidated,
    what: `${count(stats.invalidated, 'call')} found an entry that had been invalidated, ${stats.hits} found one that was valid`,
    change: 'write narrower tags, so that a change invalidates only what it concerns; or leave the cache out here',
    gain: undefined,
  };
}

function valuesTooLarge({ method, stats }: MethodView, { memory }: CacheView): Finding | undefined {
  const { mean, max } = stats.bytes;
  const { maxSize = Infinity } = memory ?? {};
  if (mean <= largeValue && max <= maxSize * largePart) return undefined;
  return {
    code: 'values-too-large',
    method,
    what: `its values have ${bytes(mean)} on average, the largest measured one ${bytes(max)}${ofMemory(max, maxSize)}`,
    change: 'let it return only what its callers need, or cache a method that returns smaller parts',
    gain: undefined,
  };
}

/** Why that is large, where memory is bounded by bytes. */
function ofMemory(largest: number, maxSize: number): string {
  if (largest > maxSize) return `: memory of ${bytes(maxSize)} cannot hold one`;
  if (largest > maxSize * largePart) return `, which is more than a twentieth of memory (${bytes(maxSize)})`;
  return '';
}

/** All methods share memory, so it is one finding for all. */
function memoryTooSmall({ methods, memory }: CacheView): Finding | undefined {
  const told = methods.filter((view) => isTrusted(view) && view.bySize.length > 0 && isMemoryExplained(view, memory));
  if (!memory || told.length === 0) return undefined;
  const { isOnlyStore } = memory;
  const now = sum(told.map((view) => scaled(view, view.now)));
  const { sizes } = told[0] as MethodView;
  const all = told[0]?.bySize.map((size, i) => {
    const expected = sum(told.map((view) => scaled(view, (view.bySize[i] as Predicted).expected)));
    return { ...size, at: i, ttlMs: undefined, hitRate: rateIn(expected, isOnlyStore), expected };
  });
  const larger = all?.filter(({ at }) => (sizes[at]?.factor ?? 0) > 1 && (sizes[at]?.factor ?? 0) < Infinity) ?? [];
  const rateNow = rateIn(now, isOnlyStore);
  const then = leastOfTheBest({ hitRate: rateNow }, larger);
  if (!then || !(isOnlyStore ? isWorthIt(now, then.expected) : then.hitRate - rateNow >= worthRate)) return undefined;
  const calls = total(told, (view) => view.calls);
  const counted = total(told, ({ stats }) => (isOnlyStore ? stats.hits : stats.hitsByTier.memory)) / calls;
  const rateThen = shifted({ stats: { hitRate: counted }, now: { hitRate: rateNow } }, then.hitRate);
  const savedMs = total(told, (view) => {
    const { expected } = view.bySize[then.at] as Predicted;
    return isOnlyStore ? savedMsOf(view, expected) : spentInStore(view) - spentInStore(view, expected);
  });
  const where = isOnlyStore ? 'are hits' : 'are hits in memory';
  return {
    code: 'memory-too-small',
    method: undefined,
    what: `memory gives up entries that are asked for again: ${percent(counted)} of the calls ${where}, with more room ${percent(rateThen)} would be`,
    gain: { hitRateNow: counted, hitRateThen: rateThen, savedMsPer1000Calls: (savedMs / calls) * 1_000 },
    ...roomFor(then, memory),
  };
}

function total(views: readonly MethodView[], of: (view: MethodView) => number): number {
  return views.reduce((sum, view) => sum + of(view), 0);
}

/** Of all hits, or of those in memory alone. */
function rateIn(expected: Expected, isOnlyStore: boolean): number {
  return isOnlyStore ? expected.hitRate : partInMemory(expected);
}

/** The part of the calls that memory answers. */
export function partInMemory({ inMemory, hits, stale, misses }: Expected): number {
  return inMemory / Math.max(1, hits + stale + misses);
}

/** In front of a store: whether the recording says how many hits were in memory. */
function isMemoryExplained({ stats, calls, now }: MethodView, memory: MemoryFacts | undefined): boolean {
  return memory?.isOnlyStore || Math.abs(partInMemory(now) - stats.hitsByTier.memory / calls) <= trustedError;
}

/** What hits that are not in memory take, as far as that was measured. */
function spentInStore(view: MethodView, expected = view.now): number {
  const { hits, inMemory } = scaled(view, expected);
  return (hits - inMemory) * (view.facts.results?.storeHitMs ?? 0);
}

/** The bounds that are written, so much larger. */
function roomFor({ maxEntries, maxSize }: Prediction, memory: MemoryFacts): Pick<Finding, 'change' | 'proposal'> {
  const now: string[] = [];
  const then: string[] = [];
  const larger = (maxSize ?? 0) / (memory.maxSize ?? Infinity);
  const bySize = memory.maxEntries && Math.round(memory.maxEntries * larger);
  const entries = maxSize === undefined ? maxEntries : bySize;
  if (entries !== undefined) {
    now.push(`${memory.maxEntries}`);
    then.push(`maxEntries=${entries}`);
  }
  if (maxSize !== undefined && memory.maxSize !== undefined) {
    now.push(sizeInUri(memory.maxSize));
    then.push(`maxSize=${sizeInUri(maxSize)}`);
  }
  const change = `write ${then.join('&')} instead of ${now.join(' and ')} in the URI of memory`;
  const proposal = { ...(entries !== undefined && { maxEntries: entries }), ...(maxSize !== undefined && { maxSize }) };
  return { change, proposal };
}

/** Whether there is enough to go by, and the recording explains what was counted. */
function isTrusted(view: MethodView): boolean {
  return doubtOf(view) === undefined;
}

/** Why predictions are not to be gone by; undefined where they are. */
export function doubtOf({ calls, recorded, now, stats, hasUnclearOthers }: MethodView): string | undefined {
  if (calls < enoughCalls || recorded < enoughCalls) return `fewer than ${enoughCalls} calls were recorded`;
  if (now.unknown > mostUnknown)
    return `what ${percent(now.unknown)} of the calls found was stored before the recording begins`;
  if (Math.abs(now.hitRate - stats.hitRate) > trustedError)
    return `${percent(stats.hitRate)} of the calls were hits, and the recording explains ${percent(now.hitRate)}`;
  return hasUnclearOthers
    ? 'many hits are on what other processes have stored, and how often they ask for it cannot be told from that'
    : undefined;
}

function isWorthIt(now: Expected, then: Expected): boolean {
  const grows = then.hitRate - now.hitRate;
  return grows >= worthRate || (grows >= leastRate && now.loads - then.loads >= worthLoads * now.loads);
}

/** Of what is ascending, the first one that brings most of what any brings. */
function leastOfTheBest<T extends Predicted>(now: Rate, all: readonly T[]): T | undefined {
  const others = all.filter(({ expected }) => expected.unknown <= mostUnknown);
  const best = Math.max(...others.map(({ hitRate }) => hitRate - now.hitRate));
  return others.find(({ hitRate }) => hitRate - now.hitRate >= best * mostOfIt);
}

type Rate = Pick<Expected, 'hitRate'>;

/** A rate that is expected, by as much higher or lower as what was counted is than what was expected of it. */
function shifted({ stats, now }: { readonly stats: Rate; readonly now: Rate }, rate: number): number {
  return Math.min(1, Math.max(0, rate + stats.hitRate - now.hitRate));
}

function gainOf(view: MethodView, then: Expected): Finding['gain'] {
  return {
    hitRateNow: view.stats.hitRate,
    hitRateThen: shifted(view, then.hitRate),
    savedMsPer1000Calls: (savedMsOf(view, then) / view.calls) * 1_000,
  };
}

/** Over all calls that were counted. */
function savedMsOf(view: MethodView, then: Expected): number {
  return (scaled(view, view.now).loads - scaled(view, then).loads) * view.stats.loads.meanMs;
}

/** From the calls that were recorded to all that were counted. */
function scaled({ calls }: MethodView, expected: Expected): Expected {
  const { hits, inMemory, stale, misses, loads } = expected;
  const factor = calls / Math.max(1, hits + stale + misses);
  return {
    ...expected,
    hits: hits * factor,
    inMemory: inMemory * factor,
    stale: stale * factor,
    misses: misses * factor,
    loads: loads * factor,
  };
}

function sum(all: readonly Expected[]): Expected {
  const total = { hits: 0, inMemory: 0, stale: 0, misses: 0, loads: 0, unknown: 0 };
  for (const { hits, inMemory, stale, misses, loads, unknown } of all) {
    total.inMemory += inMemory;
    total.unknown = Math.max(total.unknown, unknown);
    total.hits += hits;
    total.stale += stale;
    total.misses += misses;
    total.loads += loads;
  }
  const calls = total.hits + total.stale + total.misses;
  return { ...total, hitRate: calls === 0 ? 0 : total.hits / calls };
}

function present(findings: readonly (Finding | undefined)[]): Finding[] {
  return findings.filter((finding) => finding !== undefined);
}

const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const;

/** As it is written in code. */
function duration(durationMs: number | undefined): string {
  if (durationMs === undefined || durationMs === Infinity) return 'Infinity';
  const [unit, unitMs] = units.find(([, each]) => durationMs % each === 0) ?? (['ms', 1] as const);
  return `'${durationMs / unitMs}${unit}'`;
}

/** As it is written in a URI. */
function inUri(durationMs: number): string {
  return duration(durationMs).replaceAll("'", '');
}

/** The same of a size. */
function sizeInUri(size: number): string {
  const kilobytes = Math.ceil(size / 1_024);
  return kilobytes % 1_024 === 0 ? `${kilobytes / 1_024}mb` : `${kilobytes}kb`;
}

function percent(part: number): string {
  return `${Math.round(part * 100)}%`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

function ms(time: number): string {
  return `${time < 1 ? time.toPrecision(1) : Math.round(time)} ms`;
}

function bytes(size: number): string {
  if (size < 1_000) return `${Math.round(size)} B`;
  return size < 1_000_000 ? `${Math.round(size / 1_000)} kB` : `${(size / 1_000_000).toFixed(1)} MB`;
}
