/** What a cache would change about itself: what was counted and recorded, turned into advice with numbers. Reads no clock. */

import type { Audit, CacheStats, Finding, MethodAudit, MethodStats, Prediction } from '../base/insight.js';
import type { Recorder } from '../policies/recording.js';
import type { Setting } from '../policies/life.js';
import { type Expected, mostOthers, Replay } from '../policies/replay.js';
import {
  doubtOf,
  findingsOfCache,
  findingsOfMethod,
  type MemoryFacts,
  type MethodFacts,
  type MethodView,
  partInMemory,
  type Predicted,
  type Size,
} from './findings.js';

export type { MemoryFacts, MethodFacts };

/** What an audit is made of. */
export interface AuditInput {
  readonly stats: CacheStats;
  readonly recorder: Recorder;
  /** By `Class.method`; one that is missing counts as one of which nothing is known. */
  readonly methods: Readonly<Record<string, MethodFacts>>;
  /** Undefined where nothing is kept in memory. */
  readonly memory: MemoryFacts | undefined;
}

const nothingKnown: MethodFacts = { policy: undefined, tagKinds: {}, warnings: [] };

/** What people write. A factor of about two lies between each and the next. */
const ttls = [
  ...[10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 30].map((seconds) => seconds * 1_000),
  ...[1, 2, 5, 10, 30].map((minutes) => minutes * 60_000),
  ...[1, 2, 6, 12].map((hours) => hours * 3_600_000),
  ...[1, 2, 7, 14, 30].map((days) => days * 86_400_000),
] as const;

const pointsAside = 5;

/** Others may ask so often or so seldom that a prediction differs by more: then it is none. */
const unclear = 0.1;
/** With fewer predictions than this nothing is said of a method. */
const leastClear = 2;

const sizeFactors = [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8, 16, Infinity];

/** All steps of an audit, one after the other. */
export function atOnce<T>(steps: Generator<undefined, T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** What `input` says, and what to make of it, in steps of some milliseconds: whoever has other things to do does them in between. */
export function* auditInSteps(input: AuditInput): Generator<undefined, Audit> {
  const replay = new Replay(input.recorder);
  const methods: MethodView[] = [];
  for (const method of Object.keys(input.stats.methods)) {
    methods.push(yield* viewOf(method, input, replay));
  }
  const view = { spanMs: replay.spanMs, memory: input.memory, methods };
  return {
    findings: sorted([...methods.flatMap((method) => findingsOfMethod(method, view)), ...findingsOfCache(view)]),
    methods: Object.fromEntries(methods.map((method) => [method.method, auditOf(method)])),
    spanMs: replay.spanMs,
    sampled: replay.rate,
  };
}

function* viewOf(
  method: string,
  { stats, methods, memory }: AuditInput,
  replay: Replay,
): Generator<undefined, MethodView> {
  const counted = stats.methods[method] as MethodStats;
  const facts = methods[method] ?? nothingKnown;
  const calls = counted.hits + counted.stale + counted.misses;
  const setting = settingOf(facts, memory);
  const fit = yield* replay.fit(method, setting, counted);
  const expect = (change: Partial<Setting>, others = fit.others): Expected =>
    replay.predict(method, { ...setting, ...change }, calls, { ...fit, others });
  const predict = (change: Partial<Setting>): Predicted => {
    const expected = expect(change);
    return { ...shownOf({ ...setting, ...change }, replay.meanBytes), hitRate: expected.hitRate, expected };
  };
  const isUnclear = (ttlMs: number | undefined): boolean =>
    Math.abs(expect({ ttlMs }, fit.least).hitRate - expect({ ttlMs }, fit.most).hitRate) > unclear;
  const usualTtlMs = setting.ttlMs ?? replay.usualTtlMs(method);
  const ttlsTold = ttlsAround(usualTtlMs, replay.spanMs);
  const sizes = sizesAround(setting, replay.meanBytes);
  // Others may make each of them differ as much as the one that they make differ most.
  const isClear = fit.others === 0 || !(isUnclear(ttlsTold[0]) || isUnclear(ttlsTold.at(-1)));
  const [byTtl, bySize]: [Predicted[], Predicted[]] = [[], []];
  for (const ttlMs of ttlsTold) {
    yield;
    if (isClear || !isUnclear(ttlMs)) byTtl.push(predict({ ttlMs }));
  }
  for (const size of sizes) {
    yield;
    bySize.push(inMemoryAlone(setting, predict(size)));
  }
  return {
    method,
    stats: counted,
    facts,
    calls,
    recorded: replay.recorded(method),
    now: predict({}).expected,
    usualTtlMs,
    byTtl,
    bySize,
    sizes,
    predict,
    hasUnclearOthers: fit.others > mostOthers / 2 || (!isClear && byTtl.length < leastClear),
  };
}

function settingOf({ policy }: MethodFacts, memory: MemoryFacts | undefined): Setting {
  return {
    ttlMs: policy?.ttlMs,
    jitterMs: policy?.jitterMs,
    sliding: policy?.sliding ?? false,
    maxLifetimeMs: policy?.maxLifetimeMs ?? Infinity,
    staleWhileRevalidateMs: policy?.staleWhileRevalidateMs ?? 0,
    refreshAhead: policy?.refreshAhead,
    maxEntries: memory?.maxEntries ?? Infinity,
    maxBytes: memory?.maxSize,
    memoryTtlMs: memory?.ttlMs,
    isBehind: !memory?.isOnlyStore,
  };
}

function auditOf(view: MethodView): MethodAudit {
  const doubt = doubtOf(view);
  return {
    hitRate: view.stats.hitRate,
    expectedHitRate: view.now.hitRate,
    trusted: doubt === undefined,
    ...(doubt !== undefined && { doubt }),
    byTtl: view.byTtl.map(predictionOf),
    bySize: view.bySize.map(predictionOf),
  };
}

function predictionOf({ expected: _, ...prediction }: Predicted): Prediction {
  return prediction;
}

function shownOf({ ttlMs, maxEntries, maxBytes }: Setting, meanBytes: number): Omit<Prediction, 'hitRate'> {
  const fit = maxBytes === undefined || meanBytes === 0 ? Infinity : Math.max(1, Math.floor(maxBytes / meanBytes));
  return { ttlMs, maxEntries: Math.min(maxEntries, fit), ...(maxBytes !== undefined && { maxSize: maxBytes }) };
}

/** A store behind memory has whatever memory gives up: there a size decides which hits are in memory. */
function inMemoryAlone({ isBehind }: Setting, predicted: Predicted): Predicted {
  return isBehind ? { ...predicted, hitRate: partInMemory(predicted.expected) } : predicted;
}

/** Those of people, and the one that is written. Of shorter ones, those that the recording can tell of. */
function ttlsAround(ttlMs: number | undefined, spanMs: number): number[] {
  if (ttlMs === undefined) return [];
  const end = Math.min(ttlMs, Math.max(spanMs, 1_000));
  const shorter = ttls.filter((other) => other < end).slice(-pointsAside);
  const longer = ttls.filter((other) => other > ttlMs).slice(0, pointsAside);
  return [...shorter, ttlMs, ...longer];
}

/** Both bounds of memory by the same factor. None where it has none, or nobody has measured what an entry takes. */
function sizesAround({ maxEntries, maxBytes }: Setting, meanBytes: number): Size[] {
  if (maxBytes === undefined ? maxEntries === Infinity : meanBytes === 0) return [];
  const times = (bound: number, factor: number): number => Math.max(1, Math.round(bound * factor));
  const sizes = sizeFactors.map((factor) => ({
    maxEntries: times(maxEntries, factor),
    ...(maxBytes !== undefined && { maxBytes: times(maxBytes, factor) }),
    factor,
  }));
  return sizes.filter((size, i) => i === 0 || !isSame(size, sizes[i - 1] as Size));
}

function isSame(a: Size, b: Size): boolean {
  return a.maxEntries === b.maxEntries && a.maxBytes === b.maxBytes;
}

function sorted(findings: readonly Finding[]): Finding[] {
  return findings.toSorted(inOrder);
}

/** What is wrong comes before what is slow, and what has no number comes last. */
export function inOrder(a: Finding, b: Finding): number {
  return rankOf(a) === rankOf(b) ? 0 : rankOf(b) - rankOf(a);
}

function rankOf({ code, gain }: Finding): number {
  if (code === 'mismatches' || code === 'many-instances') return Infinity;
  return gain?.savedMsPer1000Calls ?? -Infinity;
}
