/** What a cache would change about itself: what was counted and recorded, turned into advice with numbers. Reads no clock. */

import type { Audit, CacheStats, Finding, MethodAudit, MethodStats, Prediction } from '../base/insight.js';
import type { Recorder } from '../policies/recording.js';
import { Replay, type Setting } from '../policies/replay.js';
import {
  findingsOfCache,
  findingsOfMethod,
  type MemoryFacts,
  type MethodFacts,
  type MethodView,
  type Predicted,
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

/** In bytes, what an entry in memory takes besides its value; about. */
const entryOverhead = 400;

/** What people write. A factor of about two lies between each and the next. */
const ttls = [
  ...[10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 30].map((seconds) => seconds * 1_000),
  ...[1, 2, 5, 10, 30].map((minutes) => minutes * 60_000),
  ...[1, 2, 6, 12].map((hours) => hours * 3_600_000),
  ...[1, 2, 7, 14, 30].map((days) => days * 86_400_000),
] as const;

const pointsAside = 5;

const sizeFactors = [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8, 16, Infinity];

/** What `input` says, and what to make of it. */
export function audit(input: AuditInput): Audit {
  const replay = new Replay(input.recorder);
  const maxEntries = boundOf(input);
  const methods = Object.keys(input.stats.methods).map((method) => viewOf(method, input, { replay, maxEntries }));
  const view = { spanMs: replay.spanMs, memory: input.memory, maxEntries, methods };
  return {
    findings: sorted([...methods.flatMap((method) => findingsOfMethod(method, view)), ...findingsOfCache(view)]),
    methods: Object.fromEntries(methods.map((method) => [method.method, auditOf(method)])),
    spanMs: replay.spanMs,
    sampled: replay.rate,
  };
}

interface Means {
  readonly replay: Replay;
  readonly maxEntries: number;
}

function viewOf(method: string, { stats, methods }: AuditInput, { replay, maxEntries }: Means): MethodView {
  const counted = stats.methods[method] as MethodStats;
  const facts = methods[method] ?? nothingKnown;
  const calls = counted.hits + counted.stale + counted.misses;
  const setting = settingOf(facts, maxEntries);
  const predict = (change: Partial<Setting>): Predicted => {
    const changed = { ...setting, ...change };
    const expected = replay.predict(method, changed, calls);
    return { ttlMs: changed.ttlMs, maxEntries: changed.maxEntries, hitRate: expected.hitRate, expected };
  };
  return {
    method,
    stats: counted,
    facts,
    calls,
    recorded: replay.recorded(method),
    now: predict({}).expected,
    byTtl: ttlsAround(setting.ttlMs, replay.spanMs).map((ttlMs) => predict({ ttlMs })),
    bySize: sizesAround(maxEntries).map((size) => predict({ maxEntries: size })),
  };
}

function settingOf({ policy }: MethodFacts, maxEntries: number): Setting {
  return {
    ttlMs: policy?.ttlMs,
    sliding: policy?.sliding ?? false,
    maxLifetimeMs: policy?.maxLifetimeMs ?? Infinity,
    staleWhileRevalidateMs: policy?.staleWhileRevalidateMs ?? 0,
    refreshAhead: policy?.refreshAhead,
    maxEntries,
  };
}

function auditOf({ stats, now, byTtl, bySize }: MethodView): MethodAudit {
  return {
    hitRate: stats.hitRate,
    expectedHitRate: now.hitRate,
    byTtl: byTtl.map(predictionOf),
    bySize: bySize.map(predictionOf),
  };
}

function predictionOf({ ttlMs, maxEntries, hitRate }: Predicted): Prediction {
  return { ttlMs, maxEntries, hitRate };
}

/** A bound by bytes is taken for the number of values of mean size that it holds. */
function boundOf({ memory, stats }: AuditInput): number {
  if (!memory?.isOnlyStore) return Infinity;
  const { maxEntries = Infinity, maxSize = Infinity } = memory;
  return Math.max(1, Math.min(maxEntries, Math.floor(maxSize / (stats.bytes.mean + entryOverhead))));
}

/** Those of people, and the one that is written. Of shorter ones, those that the recording can tell of. */
function ttlsAround(ttlMs: number | undefined, spanMs: number): number[] {
  if (ttlMs === undefined) return [];
  const end = Math.min(ttlMs, Math.max(spanMs, 1_000));
  const shorter = ttls.filter((other) => other < end).slice(-pointsAside);
  const longer = ttls.filter((other) => other > ttlMs).slice(0, pointsAside);
  return [...shorter, ttlMs, ...longer];
}

function sizesAround(maxEntries: number): number[] {
  if (maxEntries === Infinity) return [];
  return [...new Set(sizeFactors.map((factor) => Math.max(1, Math.round(maxEntries * factor))))];
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
